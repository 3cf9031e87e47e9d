"""What a simulated network achieved, read off its nodes."""

from collections import Counter
from typing import Any

import msgspec

from tastemesh.gossip.topics import ALL_SHARDS, shard_of
from tastemesh.sim.brokers import FALSELY_NAMED, MOST_NAMED_INNOCENT
from tastemesh.sim.engine import Simulation

# In which a node is to have what a shard holds that it has begun to read.
_SYNC_PERIODS = 3


class Coverage(msgspec.Struct, frozen=True):
    """Which share of what was to be held is held.

    Records of authors whom the simulation's holdings ignore do not count.

    Attributes:
        whole: of all (node, record) pairs, 0 to 1.
        subscribed: of those whose shard the node reads since three sync periods, 0 to 1.
        subscribed_least: the latter of the node that lacks most.
    """

    whole: float
    subscribed: float
    subscribed_least: float


class _Held(msgspec.Struct, frozen=True):
    """One process's part of a coverage: (node, record) pairs."""

    held: int
    due: int
    held_of_due: int
    least: float


def coverage(simulation: Simulation) -> Coverage:
    """Return which share of the records the nodes hold, 1.0 where there are none.

    A node catches up with shards that it reads since less than three sync periods, so they do not
    count as subscribed. Where that leaves nobody anything, as in a run that is shorter, they do:
    else every such run would be complete. Records that a node has let go of for its bounds count as
    missing; scenarios stay below the window's.

    Raises:
        ProcessError: another process of the company has ended.
    """
    sizes = simulation.holdings.sizes(simulation.company)
    for periods in (_SYNC_PERIODS, 0):
        parts = simulation.company.gather(_held(simulation, sizes, periods), _Held)
        due = sum(part.due for part in parts)
        if due:
            break
    pairs = sum(sizes) * len(simulation.nodes)
    return Coverage(
        sum(part.held for part in parts) / pairs if pairs else 1.0,
        sum(part.held_of_due for part in parts) / due if due else 1.0,
        min(part.least for part in parts),
    )


def _held(simulation: Simulation, sizes: list[int], periods: int) -> _Held:
    shards = [shard for shard, size in enumerate(sizes) if size]
    total = sum(sizes)
    held = due = held_of_due = 0
    least = 1.0
    for peer in simulation.peers.values():
        engine, by_shard = peer.core.engine, peer.shelf.by_shard
        mask, read_since_ms = engine.interest.mask, engine.interest.read_since_ms
        since_ms = simulation.now_ms - periods * engine.limits.sync_period_ms
        his, has = total, sum(by_shard)
        held += has
        # Most read all shards since long, and this is all the time that a look takes.
        if mask != ALL_SHARDS or max(map(read_since_ms, shards), default=0) > since_ms:
            for shard in shards:
                if not mask >> shard & 1 or read_since_ms(shard) > since_ms:
                    his -= sizes[shard]
                    has -= by_shard[shard]
        due += his
        held_of_due += has
        least = min(least, has / his if his else 1.0)
    return _Held(held, due, held_of_due, least)


class _Named(msgspec.Struct, frozen=True):
    """What one process's nodes say of brokers.

    Attributes:
        rightly: by broker, whether a node names an author whom it withholds, for each of these and
            each node that reads his shard.
        wrongly: how many nodes name somebody who is not withheld, by author.
        mistaken: how many nodes name any such.
    """

    rightly: dict[str, list[bool]]
    wrongly: dict[bytes, int]
    mistaken: int


def named_authors(simulation: Simulation, people: list[bytes]) -> dict[str, Any]:
    """Return what the nodes' censorship meters say.

    Args:
        simulation: the network.
        people: the author that lives on each node, by the node's number.

    Returns:
        For each broker that withholds somebody, `named`, the share of the nodes reading his shard
        that name him, and `nodes`, how many those are, both over all whom it withholds;
        `falsely_named`, the share of all nodes that name anybody else anywhere, and
        `most_named_innocent`, the share that names the one whom most do.
    """
    parts = simulation.company.gather(_named(simulation, people), _Named)
    result: dict[str, Any] = {}
    for broker in parts[0].rightly:
        verdicts = [verdict for part in parts for verdict in part.rightly[broker]]
        share = sum(verdicts) / len(verdicts) if verdicts else None
        result[broker] = {"named": share, "nodes": len(verdicts)}
    wrongly: Counter[bytes] = Counter()
    for part in parts:
        wrongly.update(part.wrongly)
    count = len(simulation.nodes)
    result[FALSELY_NAMED] = sum(part.mistaken for part in parts) / count
    result[MOST_NAMED_INNOCENT] = max(wrongly.values(), default=0) / count
    return result


def _named(simulation: Simulation, people: list[bytes]) -> _Named:
    seen = {
        peer.number: (peer.core.engine.interest, peer.core.engine.brokers.reports())
        for peer in simulation.peers.values()
    }
    rightly: dict[str, list[bool]] = {}
    for broker in simulation.brokers:
        if broker.withheld:
            rightly[broker.name] = [
                author in reports[broker.name].withheld
                for author in broker.withheld
                for number, (interest, reports) in seen.items()
                if interest.reads(shard_of(author)) and people[number] != author
            ]
    guilty = {broker.name: frozenset(broker.withheld) for broker in simulation.brokers}
    wrongly: Counter[bytes] = Counter()
    mistaken = 0
    for _, reports in seen.values():
        accused = {a for name, each in reports.items() for a in set(each.withheld) - guilty[name]}
        wrongly.update(accused)
        mistaken += bool(accused)
    return _Named(rightly, wrongly, mistaken)
