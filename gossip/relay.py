"""Carrying records between brokers, under a byte budget, the recent ones first.

A record that one broker pushed and another did not is published there after a random delay, unless
the other one has delivered it meanwhile: whoever draws the shortest delay saves the others the
work. Only some nodes take part in carrying a record at all, eight of those known, so that a broker
that withholds it is not sent as many copies as there are nodes; and the rest, who sent it nothing,
can tell that it withholds.
"""

from hashlib import sha256

from tastemesh.gossip.limits import Limits
from tastemesh.gossip.sightings import Sighting

# Nodes expected to carry a record. Eight independent copies leave 2 in 10,000 undelivered where one
# message in three is lost on its way up and down.
_CARRIER_COUNT = 8

# At most this share of all nodes carries, or in a small network nobody could judge a broker.
_CARRIER_SHARE = 0.5

# A record's weight in the queue halves with every such age. The ancestor picks what it gossips by
# recency too, from weights that it computed once (p2p research, section 0); these are computed anew
# at every turn. Half an hour is half of what its window of 10,000 edges covers there (guess).
_HALF_LIFE_MS = 1_800_000

# Budget that an idle relay saves up, seconds: after a quiet minute as much may come at once.
_SAVED_S = 60

# Records that wait for budget, the lightest out first.
_QUEUE_COUNT = 1_024


class Relay:
    """What this node carries from broker to broker.

    Args:
        limits: `relay_spread_ms` and `relay_bytes_per_s` are used.
        seed: keys the draws; unforeseeable to others.
    """

    __slots__ = ("_at_ms", "_budget_bytes", "_limits", "_queue", "_seed")

    def __init__(self, limits: Limits, seed: bytes) -> None:
        self._limits = limits
        self._seed = seed
        self._budget_bytes = float(limits.relay_bytes_per_s * _SAVED_S)
        self._at_ms: int | None = None
        self._queue: dict[tuple[str, bytes], Sighting] = {}

    def delay_ms(self, record_id: bytes, peer_count: int) -> int:
        """Return how long to wait before looking at a record again, or -1: others carry it."""
        draw = sha256(self._seed + record_id).digest()
        share = min(_CARRIER_SHARE, _CARRIER_COUNT / max(1, peer_count))
        if int.from_bytes(draw[:4], "big") >= share * 2**32:
            return -1
        return int.from_bytes(draw[4:8], "big") % self._limits.relay_spread_ms

    def ask(self, sighting: Sighting, brokers: list[str]) -> None:
        """Put a record in the queue for each broker that has not delivered it."""
        for broker in brokers:
            if broker not in sighting.delivered:
                self._queue[broker, sighting.record_id] = sighting

    def forget(self, broker: str) -> None:
        """Carry nothing to a broker that is gone: its share of the budget is for the others."""
        self._queue = {key: held for key, held in self._queue.items() if key[0] != broker}

    def take(self, now_ms: int, wall_ms: int) -> list[tuple[str, Sighting]]:
        """Return what the budget covers now, as (broker, record), the recent ones likelier.

        The order is a weighted draw without replacement (Efraimidis and Spirakis 2006: the largest
        u^(1/weight) first, u uniform).
        """
        if self._at_ms is not None:
            earned = (now_ms - self._at_ms) * self._limits.relay_bytes_per_s / 1000
            saved_most = float(self._limits.relay_bytes_per_s * _SAVED_S)
            self._budget_bytes = min(saved_most, self._budget_bytes + earned)
        self._at_ms = now_ms
        if not self._queue:
            return []
        taken: list[tuple[str, Sighting]] = []
        order = sorted(
            self._queue.items(),
            key=lambda entry: self._lot(entry[0], entry[1], now_ms, wall_ms),
            reverse=True,
        )
        self._queue = {}
        for key, sighting in order:
            broker = key[0]
            if broker in sighting.delivered:
                continue
            if sighting.size_bytes <= self._budget_bytes:
                self._budget_bytes -= sighting.size_bytes
                sighting.excuse(broker)
                taken.append((broker, sighting))
            elif len(self._queue) < _QUEUE_COUNT:
                self._queue[key] = sighting
        return taken

    def _lot(self, key: tuple[str, bytes], sighting: Sighting, now_ms: int, wall_ms: int) -> float:
        draw = sha256(self._seed + now_ms.to_bytes(8, "big") + key[0].encode() + key[1]).digest()
        uniform = (int.from_bytes(draw[:6], "big") + 1) / 2**48
        age_ms = max(0, wall_ms - sighting.created_ms)
        return float(uniform ** (2.0 ** min(60.0, age_ms / _HALF_LIFE_MS)))
