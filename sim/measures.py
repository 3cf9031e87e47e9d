"""What a simulated network achieved, read off its nodes."""

from typing import Any

from tastemesh.gossip.topics import shard_of
from tastemesh.sim.engine import Simulation


def subscribed_coverage(simulation: Simulation, without: frozenset[bytes] = frozenset()) -> float:
    """Return the share of (node, record) pairs that are held, of the shards that each node reads.

    Records that a node has let go of for its bounds would count as missing; scenarios stay below
    the window's.

    Args:
        simulation: the network.
        without: authors whose records do not count.
    """
    by_shard: dict[int, dict[bytes, None]] = {}
    for peer in simulation.peers.values():
        for record_id, author in peer.store.authors():
            if author not in without:
                by_shard.setdefault(shard_of(author), {})[record_id] = None
    wanted = held = 0
    for peer in simulation.peers.values():
        interest = peer.core.engine.interest
        wanted += sum(len(ids) for shard, ids in by_shard.items() if interest.reads(shard))
        held += sum(
            interest.reads(shard_of(author)) and author not in without
            for _, author in peer.store.authors()
        )
    return held / wanted if wanted else 1.0


def named_authors(simulation: Simulation, people: list[bytes]) -> dict[str, Any]:
    """Return what the nodes' censorship meters say.

    Args:
        simulation: the network.
        people: the author that lives on each node, by the node's number.

    Returns:
        For each broker that withholds somebody, `named`, the share of the nodes reading his shard
        that name him, and `nodes`, how many those are; and `falsely_named`, the share of all nodes
        that name anybody else anywhere.
    """
    seen = {
        peer.number: (peer.core.engine.interest, peer.core.engine.brokers.reports())
        for peer in simulation.peers.values()
    }
    result: dict[str, Any] = {}
    for broker in simulation.brokers:
        for author in broker.withheld:
            verdicts = [
                author in reports[broker.name].withheld
                for number, (interest, reports) in seen.items()
                if interest.reads(shard_of(author)) and people[number] != author
            ]
            share = sum(verdicts) / len(verdicts) if verdicts else None
            result[broker.name] = {"named": share, "nodes": len(verdicts)}
    guilty = {broker.name: frozenset(broker.withheld) for broker in simulation.brokers}
    mistaken = sum(
        any(set(report.withheld) - guilty[name] for name, report in reports.items())
        for _, reports in seen.values()
    )
    result["falsely_named"] = mistaken / len(seen)
    return result
