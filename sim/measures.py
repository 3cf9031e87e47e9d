"""What a simulated network achieved, read off its nodes."""

from collections import Counter
from typing import Any

import msgspec

from tastemesh.gossip.record import Record
from tastemesh.gossip.topics import shard_of
from tastemesh.sim.brokers import FALSELY_NAMED, MOST_NAMED_INNOCENT
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


def coverage(simulation: Simulation, without: frozenset[bytes] = frozenset()) -> float:
    """Return the share of (node, record) pairs that are held, 1.0 where all are.

    Args:
        simulation: the network.
        without: authors whose records do not count.
    """
    known: dict[bytes, None] = {}
    held = 0
    for peer in simulation.peers.values():
        ids = [i for i, author in peer.store.authors() if author not in without]
        known.update(dict.fromkeys(ids))
        held += len(ids)
    company = simulation.company
    union = len(set().union(*company.gather(list(known), list[bytes])))
    return sum(company.gather(held, int)) / (union * len(simulation.nodes)) if union else 1.0


class _Held(msgspec.Struct, frozen=True):
    """One process's part of a coverage."""

    wanted: int
    held: int
    least: float


def subscribed_coverage(
    simulation: Simulation, without: frozenset[bytes] = frozenset()
) -> Coverage:
    """Return the share of the records of the shards that each node reads which it holds.

    Shards that it reads since less than three sync periods do not count: it catches up with them.
    Where that leaves nobody anything, as in a run that is shorter, they do: else every such run
    would be complete. Records that a node has let go of for its bounds would count as missing;
    scenarios stay below the window's.

    Args:
        simulation: the network.
        without: authors whose records do not count.
    """
    records: dict[bytes, tuple[Record, int]] = {}
    for peer in simulation.peers.values():
        records.update(peer.store.records)
    authors = {i: record.author for i, (record, _) in records.items()}
    by_shard: dict[int, set[bytes]] = {}
    for known in simulation.company.gather(authors, dict[bytes, bytes]):
        for record_id, author in known.items():
            if author not in without:
                by_shard.setdefault(shard_of(author), set()).add(record_id)
    wanted = held = 0
    least = 1.0
    for periods in (_SYNC_PERIODS, 0):
        parts = simulation.company.gather(_held(simulation, by_shard, periods), _Held)
        wanted, held = sum(part.wanted for part in parts), sum(part.held for part in parts)
        least = min(part.least for part in parts)
        if wanted:
            break
    return Coverage(held / wanted if wanted else 1.0, least)


def _held(simulation: Simulation, by_shard: dict[int, set[bytes]], periods: int) -> _Held:
    due: dict[frozenset[int], set[bytes]] = {}  # to whoever reads these shards; mostly the same
    wanted = held = 0
    least = 1.0
    for peer in simulation.peers.values():
        engine = peer.core.engine
        since_ms = simulation.now_ms - periods * engine.limits.sync_period_ms
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
    return _Held(wanted, held, least)


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
