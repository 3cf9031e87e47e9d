"""Which records a node keeps: quotas, reserved share, age.

The window holds at most `Limits.window_statement_count` statements, however many records and
authors they come from. A record's *key* is its date clamped to when it was first seen, so an author
who post-dates gains nothing and one who back-dates only makes himself leave sooner; within a
millisecond an author's records stand as he numbered them. Nothing was first seen in the future:
where this node's clock was set back, an author's records from before count as seen just before his
next one, in their old order, or what he says next would be older than all of them and find no room.
What leaves, in this order:

1. Of an author's records of a kind (`tastemesh.gossip.shelves.Kind`) the oldest leave until the
   rest fit into its quota. Nodes that heard those of one size, whichever and in whatever order, so
   hold the same once they have told each other what they hold. (Of several sizes not always: where
   a large one has left for a newer one, there may be room for one that is older and smaller.)
2. In a full window, authors whom trust does not reach lose their oldest, while together they hold
   more than their share; otherwise authors whom it does reach lose theirs
   (`tastemesh.gossip.departures`). So a flood of fresh identities cannot push out a friend.
3. Records from before the horizon leave (`tastemesh.gossip.horizon`), by their dates as they were
   before a clock was set back, where it has come to these again. In a window that is shorter than
   `Limits.endorsement_age_ms` endorsements stay for that long, as they are said again no sooner. By
   then what takes them back need not be there: they are too old to come again.

A record counts as at least one statement for every `statement_bytes` of its size, so the bounds on
statements are bounds on bytes too, and padding costs its author his own quota, but for that of
notices: what he took back must not come back as his rotations have made his records longer.

A record that its author's quotas would not keep is refused, also for being larger than a quota, and
so is one that a full window would let go for itself. Costs: O(log n) a record that comes or leaves,
and O(his records) past a quota.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import NamedTuple

import msgspec

from tastemesh.gossip.departures import Departures
from tastemesh.gossip.effects import EvictReason
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.record import Record
from tastemesh.gossip.shelves import Entry, Kind, Shelf

_QUEUES = [(reached, lasts) for reached in (False, True) for lasts in (False, True)]


class Gone(NamedTuple):
    """A record that left the window.

    Attributes:
        record_id: its id.
        author: who said it.
        created_ms: the author's date.
    """

    record_id: bytes
    author: bytes
    created_ms: int


class Endorsing(msgspec.Struct, frozen=True):
    """A record that speaks of others.

    Attributes:
        slot: (epoch, seq).
        date_ms: the author's date, clamped.
        weight: what it counts for in its author's quota of them.
    """

    slot: tuple[int, int]
    date_ms: int
    weight: int


class Window:
    """The set of records that a node holds, by id.

    Args:
        limits: the local limits.
    """

    __slots__ = (
        "_departures", "_entries", "_limits", "_longer_ms", "_quotas", "_reached", "_shelves",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._quotas = (  # by kind
            limits.author_interaction_count,
            limits.author_endorsement_count,
            limits.author_notice_count,
        )
        lasting_ms = max(limits.window_age_ms, limits.endorsement_age_ms)
        self._longer_ms = (0, lasting_ms - limits.window_age_ms)  # by whether it lasts
        self._entries: dict[bytes, Entry] = {}
        self._shelves: dict[bytes, Shelf] = {}
        self._reached: set[bytes] = set()
        self._departures = Departures(self._entries, limits)

    def __contains__(self, record_id: bytes) -> bool:
        return record_id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def statement_count(self) -> int:
        """Statements held."""
        return self._departures.statement_count

    @property
    def author_count(self) -> int:
        """Authors who have a record here."""
        return len(self._shelves)

    def author_statement_count(self, author: bytes) -> int:
        """Statements held of one author, as his quotas count them."""
        shelf = self._shelves.get(author)
        return sum(shelf.weights) if shelf else 0

    def author_interaction_count(self, author: bytes) -> int:
        """Interactions held of one author, and what is of an unknown kind: they share a quota."""
        shelf = self._shelves.get(author)
        return shelf.weights[Kind.INTERACTIONS] if shelf else 0

    def record_count(self, author: bytes) -> int:
        """Return how many of one author's records are held."""
        shelf = self._shelves.get(author)
        return len(shelf.keys) if shelf else 0

    def records_of(self, author: bytes) -> tuple[bytes, ...]:
        """Return the ids of one author's records, oldest first."""
        shelf = self._shelves.get(author)
        return tuple(key[-1] for key in shelf.keys) if shelf else ()

    def endorsing(self, author: bytes) -> list[Endorsing]:
        """Return an author's records that count for his quota of endorsements, oldest first.

        In this order they leave where he says more than it covers.
        """
        shelf = self._shelves.get(author)
        entries = (self._entries[key[-1]] for key in shelf.keys) if shelf else ()
        return [
            Endorsing(entry.slot, entry.key[0], entry.weight)
            for entry in entries
            if entry.kind is Kind.ENDORSEMENTS
        ]

    def occupant(self, author: bytes, epoch: int, seq: int) -> bytes | None:
        """Return the id of the record held under (author, epoch, seq), if any."""
        shelf = self._shelves.get(author)
        return shelf.slots.get((epoch, seq)) if shelf else None

    def date_ms(self, record_id: bytes) -> int | None:
        """Return a record's date, clamped, or None where it is not held."""
        entry = self._entries.get(record_id)
        return None if entry is None else entry.key[0]

    def covered(
        self, author: bytes, unwanted: Callable[[int, int], bool], *, notices: bool
    ) -> list[bytes]:
        """Return the ids of an author's records whose (epoch, seq) are unwanted.

        Args:
            author: whose.
            unwanted: tells of a slot.
            notices: whether those with notices count, too. They stay where the author takes records
                back: a forget must outlast what it forgets.
        """
        shelf = self._shelves.get(author)
        return [
            record_id
            for slot, record_id in (shelf.slots.items() if shelf else ())
            if unwanted(*slot) and (notices or self._entries[record_id].kind is not Kind.NOTICES)
        ]

    def take_out(
        self, author: bytes, unwanted: Callable[[int, int], bool], *, notices: bool
    ) -> list[Gone]:
        """Drop and return what `covered` returns."""
        return [self._remove(each) for each in self.covered(author, unwanted, notices=notices)]

    def take_out_all(self, author: bytes) -> list[Gone]:
        """Drop and return all of an author's records, oldest first."""
        return [self._remove(record_id) for record_id in self.records_of(author)]

    def reopen(self, author: bytes) -> bool:
        """Note that an author has made room; tell whether his quotas had left anything out."""
        shelf = self._shelves.get(author)
        had_left_out = shelf is not None and shelf.left_out
        if shelf is not None:
            shelf.left_out = False
        return had_left_out

    def drop(self, record_id: bytes) -> Gone | None:
        """Drop and return one record; None if it is not held."""
        return self._remove(record_id) if record_id in self._entries else None

    def add(
        self, record: Record, first_seen_ms: int
    ) -> tuple[RejectReason | None, list[tuple[Gone, EvictReason]]]:
        """Take a record in, and make room.

        Args:
            record: not yet held; its (author, epoch, seq) free.
            first_seen_ms: wall clock of its arrival.

        Returns:
            (None, what left for it) or (why it is refused, nothing).
        """
        author, most = record.author, self._limits.window_statement_count
        shelf = self._shelves.get(author)
        if shelf is not None and shelf.keys[-1][0] > first_seen_ms:
            self._set_back(shelf, first_seen_ms)
        padded = -(-len(record.envelope) // self._limits.statement_bytes)
        statements = max(len(record.statements), padded)
        kind = _kind(record)
        slot, date_ms = record.slot, min(record.created_ms, first_seen_ms)
        entry = Entry(
            (date_ms, slot, record.id),
            date_ms,
            record.created_ms,
            author,
            slot,
            kind,
            len(record.statements) if kind is Kind.NOTICES else statements,
            statements,
            author in self._reached,
        )
        held = shelf.weights[kind] if shelf is not None else 0
        has_room = held + entry.weight <= self._quotas[kind]
        if not (has_room or self._fits_quota(entry, shelf)):
            if shelf is not None:
                shelf.left_out = True
            return RejectReason.AUTHOR_QUOTA, []
        total = self.statement_count + entry.statements
        if total > most and not self._departures.fits(entry):
            return RejectReason.WINDOW_FULL, []
        if shelf is None:
            shelf = self._shelves[author] = Shelf([], {}, [0] * len(Kind))
        self._insert(entry, shelf)
        left = [] if has_room else self._over_quota(shelf, kind)
        if total <= most:
            return None, left
        while self.statement_count > most:
            left.append((self._remove(self._departures.next()[-1]), EvictReason.WINDOW))
        return None, left

    @property
    def oldest_ms(self) -> int | None:
        """The clamped date of what ages next, later for what lasts; None where nothing is held."""
        ages = [
            key[0] + self._longer_ms[lasts]
            for reached, lasts in _QUEUES
            if (key := self._departures.first(reached, lasts)) is not None
        ]
        return min(ages, default=None)

    def expire(self, horizon_ms: int, wall_ms: int) -> list[Gone]:
        """Drop and return the records from before a date.

        Args:
            horizon_ms: the date.
            wall_ms: wall clock; what was dated after it, by a clock that was ahead, counts as seen
                when that was set back.
        """
        left: list[Gone] = []
        for reached, lasts in _QUEUES:
            until_ms = horizon_ms - self._longer_ms[lasts]
            while (key := self._departures.first(reached, lasts)) is not None and key[0] < until_ms:
                record_id = key[-1]
                entry = self._entries[record_id]
                if until_ms <= entry.date_ms <= wall_ms:
                    self._undo_set_back(self._shelves[entry.author], wall_ms)
                else:
                    left.append(self._remove(record_id))
        return left

    def move(self, gained: Iterable[bytes], lost: Iterable[bytes]) -> None:
        """Tell which authors trust reaches now, and which no more; their records change sides."""
        for authors, is_reached in ((gained, True), (lost, False)):
            moved_count = sum(self._move(author, is_reached) for author in authors)
            self._departures.settle(moved_count, is_reached)
        for is_reached in (False, True):
            self._departures.shed_stale(is_reached)

    def _move(self, author: bytes, is_reached: bool) -> int:
        """Note whether trust reaches an author; return how many records change sides for it."""
        if (author in self._reached) == is_reached:
            return 0
        (self._reached.add if is_reached else self._reached.remove)(author)
        keys = self._shelves[author].keys if author in self._shelves else ()
        for key in keys:
            self._departures.change_side(self._entries[key[-1]], is_reached)
        return len(keys)

    def _set_back(self, shelf: Shelf, wall_ms: int) -> None:
        """Date an author's records from after `wall_ms` just before it, in their order."""
        start = bisect_right(shelf.keys, wall_ms, key=itemgetter(0))
        ahead = len(shelf.keys) - start
        for place in range(start, len(shelf.keys)):
            entry = self._entries[shelf.keys[place][-1]]
            entry.key = (wall_ms - ahead + place - start, *entry.key[1:])
            shelf.keys[place] = entry.key
            self._departures.date_anew(entry)
        shelf.keys.sort()
        self._departures.shed_stale(entry.reached)  # of an author all are on one side

    def _undo_set_back(self, shelf: Shelf, wall_ms: int) -> None:
        """Date an author's records as they were dated first, now that the clock has been there."""
        for place, key in enumerate(shelf.keys):
            entry = self._entries[key[-1]]
            if key[0] != entry.date_ms <= wall_ms:
                entry.key = shelf.keys[place] = (entry.date_ms, *key[1:])
                self._departures.date_anew(entry)
        shelf.keys.sort()
        self._departures.shed_stale(entry.reached)

    def _fits_quota(self, entry: Entry, shelf: Shelf | None) -> bool:
        """Tell whether an entry stays where the oldest leave until the rest fit into a quota."""
        over = entry.weight - self._quotas[entry.kind]
        if shelf is None or over > 0:
            return over <= 0
        over += shelf.weights[entry.kind]
        for key in shelf.keys:
            if over <= 0 or key > entry.key:
                break
            older = self._entries[key[-1]]
            if older.kind is entry.kind:
                over -= older.weight
        return over <= 0

    def _insert(self, entry: Entry, shelf: Shelf) -> None:
        key = entry.key
        self._entries[key[-1]] = entry
        insort(shelf.keys, key)
        shelf.slots[entry.slot] = key[-1]
        shelf.weights[entry.kind] += entry.weight
        self._departures.add(entry)

    def _remove(self, record_id: bytes) -> Gone:
        entry = self._entries.pop(record_id)
        shelf = self._shelves[entry.author]
        shelf.keys.remove(entry.key)
        del shelf.slots[entry.slot]
        shelf.weights[entry.kind] -= entry.weight
        if not shelf.keys:
            del self._shelves[entry.author]
        self._departures.remove(entry)
        return Gone(record_id, entry.author, entry.created_ms)

    def _over_quota(self, shelf: Shelf, kind: Kind) -> list[tuple[Gone, EvictReason]]:
        """Remove and return an author's oldest records, until the rest fit into a quota."""
        gone: list[tuple[Gone, EvictReason]] = []
        shelf.left_out = True
        for key in tuple(shelf.keys):
            if self._entries[key[-1]].kind is kind:
                gone.append((self._remove(key[-1]), EvictReason.AUTHOR_QUOTA))
                if shelf.weights[kind] <= self._quotas[kind]:
                    break
        return gone


def _kind(record: Record) -> Kind:
    if record.notices:
        return Kind.NOTICES
    alone = len(record.endorsements) == len(record.statements)
    return Kind.ENDORSEMENTS if alone else Kind.INTERACTIONS
