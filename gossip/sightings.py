"""Which broker delivered which record lately: the ground that relay and meter stand on."""

import heapq
from collections.abc import Iterator

import msgspec

from tastemesh.gossip.record import Record
from tastemesh.gossip.topics import shard_of


class Sighting(msgspec.Struct, gc=False):
    """What is known of one record's way here.

    Attributes:
        record_id: which.
        author: whose.
        created_ms: the author's date.
        size_bytes: of the envelope.
        first_ms: monotonic time of the first copy.
        delivered: names of the brokers that pushed it.
        delivered_ms: the monotonic time of each.
        relayed: names of the brokers that we pushed it to; with No Local they owe us no copy.
    """

    record_id: bytes
    author: bytes
    created_ms: int
    size_bytes: int
    first_ms: int
    delivered: tuple[str, ...] = ()
    delivered_ms: tuple[int, ...] = ()
    relayed: tuple[str, ...] = ()

    @property
    def shard(self) -> int:
        """The shard that it belongs on."""
        return shard_of(self.author)


class Sightings:
    """The records that came lately, at most `capacity`, oldest out first.

    A flood pushes sightings out before they are judged, which blinds the meter while it lasts and
    costs nothing else.

    Args:
        capacity: how many are remembered.
        judge_ms: age at which a record's way is complete.
    """

    def __init__(self, capacity: int, judge_ms: int) -> None:
        self._capacity = capacity
        self._judge_ms = judge_ms
        self._held: dict[bytes, Sighting] = {}
        self._due: list[tuple[int, bytes]] = []  # when to think of relaying, a heap

    def __len__(self) -> int:
        return len(self._held)

    def note_new(self, record: Record, broker: str, now_ms: int, relay_after_ms: int) -> None:
        """Note a record's first copy.

        Args:
            record: just taken into the window.
            broker: who pushed it, or empty where reconciliation brought it.
            now_ms: monotonic time.
            relay_after_ms: when to hand it out by `due`; negative for never.
        """
        held = self._held
        if len(held) >= self._capacity:
            del held[next(iter(held))]
        sighting = held[record.id] = Sighting(
            record.id, record.author, record.created_ms, len(record.envelope), now_ms
        )
        if broker:
            sighting.delivered, sighting.delivered_ms = (broker,), (now_ms,)
        if relay_after_ms >= 0:
            heapq.heappush(self._due, (now_ms + relay_after_ms, record.id))
            if len(self._due) > 2 * self._capacity:  # most of them point to what is gone
                self._due = [entry for entry in self._due if entry[1] in self._held]
                heapq.heapify(self._due)

    def note_again(self, record_id: bytes, broker: str, now_ms: int) -> bool:
        """Note a further copy from a broker; False if the record's arrival is forgotten."""
        sighting = self._held.get(record_id)
        if sighting is None:
            return False
        if broker not in sighting.delivered:
            sighting.delivered += (broker,)
            sighting.delivered_ms += (now_ms,)
        return True

    def due(self, now_ms: int) -> Iterator[Sighting]:
        """Hand out, once, the records whose time to be relayed has come."""
        while self._due and self._due[0][0] <= now_ms:
            sighting = self._held.get(heapq.heappop(self._due)[1])
            if sighting is not None:
                yield sighting

    def complete(self, now_ms: int) -> Iterator[Sighting]:
        """Hand out and forget the records that are old enough to be judged."""
        while self._held:
            sighting = next(iter(self._held.values()))
            if sighting.first_ms + self._judge_ms > now_ms:
                return
            del self._held[sighting.record_id]
            yield sighting
