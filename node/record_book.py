"""Record numbers: how the view, which knows numbers only, leads back to signed records."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from tastemesh.errors import UsageError
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Interaction, Said
from tastemesh.ranking.columns import NUMBER_MAX

_Held = TypeVar("_Held")

# What a private interaction takes on the disk beside its item id: up to 160 bytes with its place in
# the index by author and date, where they are said in any order (measured).
PRIVATE_ROW_BYTES = 176


class Rejection(msgspec.Struct, frozen=True):
    """What a local user said no to.

    Attributes:
        author: who.
        said: to what, how, and how long before it was said.
        date_ms: when it was said.
    """

    author: bytes
    said: Interaction
    date_ms: int


class RecordBook:
    """Which record carries which number in the view, and what our own users rejected.

    Bounded by the window: a number goes with its record.
    """

    __slots__ = (
        "_endorsing", "_id_of", "_kept_free", "_next", "_number_of", "_private", "_rejecting",
        "_rejections", "private_bytes",
    )  # fmt: skip

    def __init__(self) -> None:
        self._next = 1
        self._number_of: dict[bytes, int] = {}
        self._id_of: dict[int, bytes] = {}
        self._rejections: dict[bytes, dict[int, list[Rejection]]] = {}
        self._rejecting: dict[int, bytes] = {}  # who says no in what has this number
        self._endorsing: dict[bytes, tuple[bytes, tuple[int, int]]] = {}
        self._private: dict[bytes, dict[int, tuple[int, str]]] = {}  # date in ms, item
        self.private_bytes = 0
        """What all private interactions take on the disk."""
        self._kept_free: dict[bytes, int] = {}  # bytes for who hands in many, less what has come

    @property
    def is_full(self) -> bool:
        """Whether there is no next number: after 2^31, which a thousand records a second reach."""
        return self._next > NUMBER_MAX

    def renumber(self) -> list[int]:
        """Number all anew, from 0 in their order; return the numbers that they had, rising."""
        before = sorted([*self._id_of, *(each for held in self._private.values() for each in held)])
        now = {number: place for place, number in enumerate(before)}
        self._number_of = {each: now[number] for each, number in self._number_of.items()}
        self._id_of = {now[number]: each for number, each in self._id_of.items()}
        self._rejecting = {now[number]: author for number, author in self._rejecting.items()}
        self._private = _renumbered(self._private, now)
        self._rejections = _renumbered(self._rejections, now)
        self._next = len(before)
        return before

    def enter(self, record_id: bytes) -> int:
        """Give a record the next number."""
        number, self._next = self._next, self._next + 1
        self._number_of[record_id] = number
        self._id_of[number] = record_id
        return number

    def enter_private(self, author: bytes, item: str, date_ms: int) -> int:
        """Give a private interaction the next number."""
        number, self._next = self._next, self._next + 1
        self._private.setdefault(author, {})[number] = (date_ms, item)
        self.private_bytes += _row_bytes(item)
        if author in self._kept_free:
            self._kept_free[author] -= _row_bytes(item)
        return number

    def check_private(self, author: bytes, said: Sequence[Said], limits: Limits) -> None:
        """Check that there is room for more of what stays on this node.

        An author who has all that he may have is not asked: of his the first go for it. Nor is one
        for whom room is kept.

        Raises:
            UsageError: there is none.
        """
        is_full = self.private_count(author, None) >= limits.private_interaction_count
        if is_full or author in self._kept_free:
            return
        taken = self.private_bytes + sum(self._kept_free.values())
        wanted = taken + _bytes_of(said)
        if wanted > limits.private_bytes:
            raise UsageError(
                f"private interactions of this node's users would take {wanted / 2**20:.1f} MB, "
                f"its disk's bound has room for {limits.private_bytes / 2**20:.1f}: raise it "
                "(disk_mb), or forget some"
            )

    @contextmanager
    def room_for(self, author: bytes, said: Sequence[Said], limits: Limits) -> Iterator[None]:
        """Keep room for an author's private interactions; see `check_private`.

        Raises:
            UsageError: there is none.
        """
        self.check_private(author, said, limits)
        self._kept_free[author] = _bytes_of(said)
        try:
            yield
        finally:
            del self._kept_free[author]

    def strike_private(self, author: bytes, item: str | None) -> list[int]:
        """Forget an author's private interactions with an item, or all; return their numbers."""
        held = self._private.get(author, {})
        gone = [number for number, (_, each) in held.items() if item is None or each == item]
        self._strike_private(author, gone)
        return gone

    def trim_private(self, author: bytes, keep: int) -> list[int]:
        """Forget the private interactions that happened first, if there are more than `keep`.

        Returns:
            Their numbers.
        """
        held = self._private.get(author, {})
        excess = len(held) - keep
        if excess <= 0:
            return []
        gone = heapq.nsmallest(excess, held, key=lambda number: (held[number][0], number))
        self._strike_private(author, gone)
        return gone

    def _strike_private(self, author: bytes, numbers: Sequence[int]) -> None:
        for number in numbers:
            _, item = self._private[author].pop(number)
            self.private_bytes -= _row_bytes(item)
            self._strike_rejections(number)

    def private_count(self, author: bytes, item: str | None) -> int:
        """Return how many private interactions an author has, with one item or in all."""
        held = self._private.get(author, {})
        return len(held) if item is None else sum(each == item for _, each in held.values())

    def note_endorsements(self, record_id: bytes, author: bytes, slot: tuple[int, int]) -> None:
        """Note under which (epoch, seq) a record's endorsements stand in the graph."""
        self._endorsing[record_id] = (author, slot)

    def strike_endorsements(self, record_id: bytes) -> tuple[bytes, tuple[int, int]] | None:
        """Forget and return whose endorsements a record has, and their (epoch, seq), if any."""
        return self._endorsing.pop(record_id, None)

    def strike(self, record_id: bytes) -> int | None:
        """Forget a record; return its number if it had one."""
        number = self._number_of.pop(record_id, None)
        if number is not None:
            del self._id_of[number]
            self._strike_rejections(number)
        return number

    def _strike_rejections(self, number: int) -> None:
        author = self._rejecting.pop(number, None)
        if author is not None:
            del self._rejections[author][number]

    def only_rejections(self, record_id: bytes) -> list[Rejection]:
        """Return what a record says no to and nothing else of its author's does, each item once."""
        number = self._number_of.get(record_id, -1)
        author = self._rejecting.get(number)
        if author is None:
            return []
        said = self._rejections[author]
        only = {each.said.item: each for each in said[number]}
        for other in said.keys() - {number}:
            for each in said[other]:
                only.pop(each.said.item, None)
        return list(only.values())

    def record_ids(self, numbers: Iterable[int]) -> list[bytes]:
        """Return records' ids, without the private interactions, which have none."""
        return list(filter(None, map(self._id_of.get, numbers)))

    def note_rejections(
        self, author: bytes, number: int, said: Sequence[Interaction], date_ms: int
    ) -> None:
        """Note what a local user said no to in a record, or in private, and when."""
        if said:
            self._rejecting[number] = author
            self._rejections.setdefault(author, {})[number] = [
                Rejection(author, each, date_ms) for each in said
            ]

    def rejected_items(self, author: bytes) -> list[str]:
        """Return the items that a local user said no to."""
        rejections = self._rejections.get(author, {})
        return [each.said.item for said in rejections.values() for each in said]


def _bytes_of(said: Sequence[Said]) -> int:
    return sum(_row_bytes(each.item) for each in said if isinstance(each, Interaction))


def _row_bytes(item: str) -> int:
    return PRIVATE_ROW_BYTES + len(item.encode(errors="replace"))


def _renumbered(
    by_author: dict[bytes, dict[int, _Held]], now: dict[int, int]
) -> dict[bytes, dict[int, _Held]]:
    return {
        author: {now[number]: each for number, each in held.items()}
        for author, held in by_author.items()
    }
