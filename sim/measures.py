"""What a simulated network achieved, read off its nodes."""

from collections import Counter
from typing import Any

import msgspec

from tastemesh.gossip.record import Record
from tastemesh.gossip.topics import shard_of
from tastemesh.sim.engine import Simulation

# In which a node is to have what a shard holds that it has begun to read.
_SYNC_PERIODS = 3


class Coverage(msgspec.Struct, frozen=True):
    """Which share of what was to be held is held.

    Attributes:
        mean: over all (node, record) pairs, 0 to 1.
        least: of the node that lacks most, 0 to 1.
    """

    mean: float
    least: float


def subscribed_coverage(
    simulation: Simulation, without: frozenset[bytes] = frozenset()
) -> Coverage:
    """Return the share of the records of the shards that each node reads which it holds.

    Shards that it reads since less than three sync periods do not count: it catches up with them.
    Records that a node has let go of for its bounds would count as missing; scenarios stay below
    the window's.

    Args:
        simulation: the network.
        without: authors whose records do not count.
    """
    records: dict[bytes, tuple[Record, int]] = {}
    for peer in simulation.peers.values():
        records.update(peer.store.records)
    by_shard: dict[int, set[bytes]] = {}
    for record_id, (record, _) in records.items():
        if record.author not in without:
            by_shard.setdefault(shard_of(record.author), set()).add(record_id)
    due: dict[frozenset[int], set[bytes]] = {}  # to whoever reads these shards; mostly the same
    wanted = held = 0
    least = 1.0
    for peer in simulation.peers.values():
        engine = peer.core.engine
        since_ms = simulation.now_ms - _SYNC_PERIODS * engine.limits.sync_period_ms
        counts = frozenset(
            shard
            for shard in by_shard
            if engine.interest.reads(shard) and engine.interest.read_since_ms(shard) <= since_ms
        )
        if counts not in due:
            due[counts] = set().union(*(by_shard[shard] for shard in sorted(counts)))
        his, has = len(due[counts]), len(due[counts] & peer.store.records.keys())
        wanted += his
        held += has
        least = min(least, has / his if his else 1.0)
    return Coverage(held / wanted if wanted else 1.0, least)


def named_authors(simulation: Simulation, people: list[bytes]) -> dict[str, Any]:
    """Return what the nodes' censorship meters say.

    Args:
        simulation: the network.
        people: the author that lives on each node, by the node's number.

    Returns:
        For each broker that withholds somebody, `named`, the share of the nodes reading his shard
        that name him, and `nodes`, how many those are; `falsely_named`, the share of all nodes that
        name anybody else anywhere, and `most_named_innocent`, the share that names the one whom
        most do.
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
    mistaken: Counter[bytes] = Counter()
    mistaking = 0
    for _, reports in seen.values():
        accused = {a for name, each in reports.items() for a in set(each.withheld) - guilty[name]}
        mistaken.update(accused)
        mistaking += bool(accused)
    result["falsely_named"] = mistaking / len(seen)
    result["most_named_innocent"] = max(mistaken.values(), default=0) / len(seen)
    return result
