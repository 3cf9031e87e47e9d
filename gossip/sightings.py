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
        envelope_print: `Record.envelope_print` of what we hold. A record's id does not cover its
            signature, so a copy is one only if the bytes around the body are the same, too.
        delivered: names of the brokers that pushed it.
        delivered_ms: the monotonic time of each.
        excused: names of the brokers that owe us no copy: we pushed it there, and get it back or,
            with No Local, do not; or what came from there was another envelope, left unchecked.
            What these deliver later says nothing.
    """

    record_id: bytes
    author: bytes
    created_ms: int
    size_bytes: int
    first_ms: int
    envelope_print: bytes
    delivered: tuple[str, ...] = ()
    delivered_ms: tuple[int, ...] = ()
    excused: tuple[str, ...] = ()

    @property
    def shard(self) -> int:
        """The shard that it belongs on."""
        return shard_of(self.author)

    def note_delivered(self, broker: str, now_ms: int) -> None:
        """Note a valid copy from a broker; only its first counts."""
        if broker not in self.delivered:
            self.delivered += (broker,)
            self.delivered_ms += (now_ms,)

    def excuse(self, broker: str) -> None:
        """Note that a broker owes us no copy."""
        if broker not in self.excused:
            self.excused += (broker,)


class Sightings:
    """The records that came lately, at most `capacity`, oldest out first.

    A flood pushes sightings out before they are judged, which blinds the meter while it lasts and
    costs nothing else.

    Args:
        capacity: how many are remembered.
        judge_ms: age at which a record's way is complete.
    """

    __slots__ = ("_capacity", "_due", "_held", "_judge_ms")

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
        held.pop(record.id, None)  # one that was evicted since and is back: the newest stand last
        if len(held) >= self._capacity:
            del held[next(iter(held))]
        is_pushed = bool(broker)
        held[record.id] = Sighting(
            record.id,
            record.author,
            record.created_ms,
            len(record.envelope),
            now_ms,
            record.envelope_print,
            (broker,) if is_pushed else (),
            (now_ms,) if is_pushed else (),
        )
        if relay_after_ms >= 0:
            heapq.heappush(self._due, (now_ms + relay_after_ms, record.id))
            if len(self._due) > 2 * self._capacity:  # most of them point to what is gone
                self._due = [entry for entry in self._due if entry[1] in self._held]
                heapq.heapify(self._due)

    def get(self, record_id: bytes) -> Sighting | None:
        """Return what is known of a record's way, or None where it is forgotten."""
        return self._held.get(record_id)

    def due(self, now_ms: int) -> Iterator[Sighting]:
        """Hand out, once, the records whose time to be relayed has come."""
        while self._due and self._due[0][0] <= now_ms:
            sighting = self._held.get(heapq.heappop(self._due)[1])
            if sighting is not None:
                yield sighting

    def complete(self, now_ms: int) -> list[Sighting]:
        """Hand out and forget the records that are old enough to be judged."""
        until_ms = now_ms - self._judge_ms
        complete: list[Sighting] = []
        for sighting in self._held.values():
            if sighting.first_ms > until_ms:
                break
            complete.append(sighting)
        # Not while looking for them: a dictionary goes through what it lost to find its first.
        for sighting in complete:
            del self._held[sighting.record_id]
        return complete
