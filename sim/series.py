"""What a simulated network is like from moment to moment."""

from collections import Counter

import msgspec

from tastemesh.sim.engine import Simulation
from tastemesh.sim.measures import coverage

# A point a minute of virtual time, but enough of them for a curve, and few enough for a file.
_POINT_MS = 60_000
_LEAST_POINTS = 60
_MOST_POINTS = 240


class Series(msgspec.Struct, kw_only=True):
    """Columns with one value for each moment; counts are of the time since the moment before.

    Attributes:
        at_s: the moments, virtual seconds, evenly spaced; the last one is the end.
        coverage: share of the (node, record) pairs held, 0 to 1.
        coverage_subscribed: the same, of the shards that each node reads.
        coverage_subscribed_least: of the node that lacks most of these.
        bytes_per_node_by_channel: sent and received, mean of all nodes, by the topics' channel.
        records_made: by the nodes' users, adversaries left out.
        nodes_up: those that have started and are not crashed.
        nodes_connected: those of them that can reach a broker.
        rejected: what nodes refused, by reason.
    """

    at_s: list[float]
    coverage: list[float]
    coverage_subscribed: list[float]
    coverage_subscribed_least: list[float]
    bytes_per_node_by_channel: dict[str, list[float]]
    records_made: list[int]
    nodes_up: list[int]
    nodes_connected: list[int]
    rejected: dict[str, list[int]]


class _Counts(msgspec.Struct, frozen=True):
    """What one process's nodes did from the start on."""

    made: int
    rejected: dict[str, int]


class Observer:
    """Looks at a simulation at even intervals.

    Args:
        simulation: in a company, each process has an observer and all look at the same moments.
        total_ms: how long it is going to be, virtual time, 1 s or more.
    """

    def __init__(self, simulation: Simulation, total_ms: int) -> None:
        count = min(max(total_ms // _POINT_MS, _LEAST_POINTS), _MOST_POINTS)
        self._simulation = simulation
        self._moments_ms = [total_ms * (number + 1) // count for number in range(count)]
        self._seen = 0
        self._points: list[tuple[float, float, float, int, int]] = []
        self._made = _Steps()
        self._rejected = _Steps()
        self._moved = _Steps()

    @property
    def due_ms(self) -> int:
        """When to look next; once it has seen all, the end."""
        return self._moments_ms[min(self._seen, len(self._moments_ms) - 1)]

    def look(self) -> None:
        """Note what the network is like, if it is time to.

        Raises:
            ProcessError: another process of the company has ended.
        """
        simulation = self._simulation
        if self._seen == len(self._moments_ms) or simulation.now_ms < self.due_ms:
            return
        self._seen += 1
        covered = coverage(simulation)
        up = [node for node in simulation.nodes.values() if node.alive]
        connected = sum(
            node.connected and any(broker.running for broker in node.brokers) for node in up
        )
        self._points.append(
            (covered.whole, covered.subscribed, covered.subscribed_least, len(up), connected)
        )
        made, rejected = counted_so_far(simulation)
        self._made.add({"": made})
        self._rejected.add(rejected)
        self._moved.add(simulation.moved_bytes)

    def series(self) -> Series:
        """Return all that was noted."""
        node_count = len(self._simulation.nodes)
        whole, subscribed, least, up, connected = map(list, zip(*self._points, strict=True))
        return Series(
            at_s=[at_ms / 1000 for at_ms in self._moments_ms[: self._seen]],
            coverage=whole,
            coverage_subscribed=subscribed,
            coverage_subscribed_least=least,
            bytes_per_node_by_channel={
                channel: [round(moved / node_count, 1) for moved in steps]
                for channel, steps in self._moved.columns().items()
            },
            records_made=self._made.columns()[""],
            nodes_up=up,
            nodes_connected=connected,
            rejected=self._rejected.columns(),
        )


def counted_so_far(simulation: Simulation) -> tuple[int, Counter[str]]:
    """Return how many records nodes have made, and what they refused, by reason.

    Raises:
        ProcessError: another process of the company has ended.
    """
    refused: Counter[str] = Counter()
    for peer in simulation.peers.values():
        refused.update(peer.rejected)
    made = sum(peer.shelf.made_count for peer in simulation.peers.values())
    parts = simulation.company.gather(_Counts(made, refused), _Counts)
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part.rejected)
    return sum(part.made for part in parts), total


class _Steps:
    """Counters that rise, and by how much each did from one moment to the next."""

    def __init__(self) -> None:
        self._steps: list[dict[str, int]] = []
        self._before: dict[str, int] = {}

    def add(self, counts: dict[str, int]) -> None:
        """Take in what they have come to."""
        self._steps.append({name: n - self._before.get(name, 0) for name, n in counts.items()})
        self._before = dict(counts)

    def columns(self) -> dict[str, list[int]]:
        """Return the steps of each, by name; 0 where there was nothing of it yet."""
        names = sorted(self._before)
        return {name: [step.get(name, 0) for step in self._steps] for name in names}
