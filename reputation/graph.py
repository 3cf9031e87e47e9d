"""The endorsement graph: who vouches for whom, bounded, and the same whatever arrived first.

A bounded store of signed endorsements (author, subject, weight), the latest one of each pair, and a
compressed snapshot of the positive ones for the walks. Only an identity's own statements make its
out-edges, so nobody can add an edge that leaves an honest node.

Three properties hold for statements in any order, as long as the store was never full
(`tests/reputation/test_graph.py`):

- the content, and so `digest()`, is a function of the set of statements received. Per author it is
  the top `out_edge_limit` of the latest statement per subject, which is a semilattice: what was cut
  off is older than all that stayed, and what stays only ever becomes newer. Where some are removed
  and nothing was cut off, it is the same function of the others (`tastemesh.reputation.replaced`);
- a row of the snapshot lists its subjects by their ids' bytes, so walks do not depend on arrival;
- an index keeps its meaning as long as any statement names its identity; it is reused afterwards.

What a record says waits until somebody asks, and is then taken in together with what else waits.
Adding an endorsement costs O(1), or O(out_edge_limit) once an author's row is full; a
snapshot of n identities and e edges costs O(n log n + e log e) and is kept until something changes.
Whoever keeps what he found in one asks `changed_since`, and looks again only if it concerns him.
"""

import hashlib
import math
from array import array
from collections import deque
from collections.abc import Callable
from itertools import islice

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.gossip.record import WEIGHT_SCALE, Record, Vouch
from tastemesh.reputation.identities import Identities
from tastemesh.reputation.replaced import Order, Replaced
from tastemesh.reputation.rows import EndorsementArrays

_ORDER_LIMIT = 1 << 63
_NOTHING: dict[int, int] = {}

# Records whose statements may wait for somebody to ask: what all of them touch then is fetched from
# memory once (guess; up to 256 statements of 150 bytes each).
_WAITING_COUNT = 256

# Changes that are remembered: of 40,000 strangers who say one thing a day each, half an hour's.
_CHANGE_COUNT = 1_024


class EndorsementLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Hard bounds of an `EndorsementGraph`.

    Attributes:
        out_edge_limit: statements kept per author, withdrawals included; 1 to 65,536. The newest
            stay. Keeping the strongest, or the blocks, instead would make the content depend on
            the order of arrival.
        edge_limit: statements that count in all, 1 to 2^24; 200 bytes each. As many that those
            replaced are kept beside them.

    A node bounds neither here: its window does, by the quotas of an author together, and what is
    held there counts. So `edge_limit` is the window's and one record more, as what comes is taken
    in before what leaves for it is let go; its default is that of the default window.
    """

    out_edge_limit: int = 1 << 16
    edge_limit: int = 200_256

    def __post_init__(self) -> None:
        if not 1 <= self.out_edge_limit <= 1 << 16:
            raise UsageError(f"out_edge_limit {self.out_edge_limit}; expected 1 to 65,536")
        if not 1 <= self.edge_limit <= 1 << 24:
            raise UsageError(f"edge_limit {self.edge_limit}; expected 1 to 16,777,216")


class Stated(msgspec.Struct, frozen=True):
    """What somebody says of somebody.

    Attributes:
        weight_q: trust in the wire's 1/10,000; 0 withdraws.
        slot: (epoch, seq) of the record that says so.
    """

    weight_q: int
    slot: tuple[int, int]


class EndorsementGraph:
    """A bounded, incremental store of endorsements; see the module for what holds.

    Args:
        limits: the hard bounds.
    """

    __slots__ = (
        "_arrays", "_authors", "_changed", "_free_slots", "_identities", "_orders", "_replaced",
        "_rows", "_subjects", "_units", "_version", "_waiting", "limits",
    )  # fmt: skip

    def __init__(self, limits: EndorsementLimits | None = None) -> None:
        self.limits = limits or EndorsementLimits()
        self._identities = Identities()
        self._rows: dict[int, dict[int, int]] = {}
        # One slot per statement; numpy reads the arrays without a loop over objects.
        self._authors = array("i")
        self._subjects = array("i")
        self._units = array("i")
        self._orders: list[Order] = []
        self._free_slots: list[int] = []
        self._replaced = Replaced(self.limits.edge_limit)
        self._arrays: EndorsementArrays | None = None
        self._changed: deque[tuple[bytes, int]] = deque(maxlen=_CHANGE_COUNT)
        self._version = 0
        self._waiting: list[tuple[bytes, tuple[Vouch, ...]]] = []  # author and what he says

    def __len__(self) -> int:
        """Statements that count, withdrawals included."""
        self._absorb()
        return self._count

    @property
    def _count(self) -> int:
        return len(self._orders) - len(self._free_slots)

    @property
    def version(self) -> int:
        """How often a weight has changed."""
        self._absorb()
        return self._version

    @property
    def ids(self) -> tuple[bytes, ...]:
        """Identity of each index; the same object until an identity comes or goes."""
        self._absorb()
        return self._identities.names

    def changed_since(self, version: int) -> list[tuple[bytes, int]] | None:
        """Return whose statements changed after a version, the last first; None if forgotten.

        Each with the index that he had then, as he may be named no more, or have another.
        """
        self._absorb()
        count = self._version - version
        if count > len(self._changed):
            return None
        return list(islice(reversed(self._changed), count))

    def index_of(self, identity: bytes) -> int | None:
        """Index of an identity that some statement names, else None."""
        self._absorb()
        return self._identities.index.get(identity)

    def authors(self) -> list[bytes]:
        """Identities that hold statements, by the bytes of their ids."""
        self._absorb()
        return sorted(self._identities.ids[author] for author in self._rows)

    def endorse(
        self,
        author: bytes,
        subject: bytes,
        weight: float,
        *,
        epoch: int,
        seq: int,
        position: int = 0,
    ) -> bool:
        """Takes one statement in; the latest of each (author, subject) stays.

        A withdrawal (weight 0) is kept as a statement, so that an older endorsement that arrives
        late does not come back. Two different weights with one (epoch, seq, position) are
        equivocation: the lower one stays, whichever came first.

        Args:
            author: id of the identity that signed, not empty.
            subject: id of the identity endorsed, not empty. An author's statement on itself is
                ignored: a self-loop would raise its author's mass (meritrank research, 1.4).
            weight: trust in [-1, 1], rounded to the wire's 1/10,000; 0 withdraws.
            epoch: lineage epoch of the record, 0 to 2^63 - 1.
            seq: number of the record within (author, epoch), 0 to 2^63 - 1.
            position: place of the statement within its record, 0 and up.

        Returns:
            Whether a weight changed. False for what is older than what is held, repeated, about
            its own author, or refused because the store is full.

        Raises:
            UsageError: an argument is outside its range, which the codec lets no record be.
        """
        order = (epoch, seq, position)
        _check(author, subject, weight, order)
        self._absorb()
        return self._take(author, subject, order, round(weight * WEIGHT_SCALE))

    def endorse_record(self, record: Record) -> None:
        """Takes in all that a record says of others, as `endorse` would one by one.

        Args:
            record: as the codec let it through, so that every value is in its range.
        """
        self._waiting.append((record.author, record.vouches))
        if len(self._waiting) >= _WAITING_COUNT:
            self._absorb()

    def _absorb(self) -> None:
        """Take in what waits, in the order in which it came."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for author, vouches in waiting:
            for subject, order, units in vouches:
                self._take(author, subject, order, units)

    def _take(self, author: bytes, subject: bytes, order: Order, units: int) -> bool:
        if author == subject:
            return False
        index = self._identities.index
        row = self._rows.get(index.get(author, -1))
        if row is not None:
            held = row.get(index.get(subject, -1))
            if held is not None:
                return self._restate(held, order, units)
            if len(row) >= self.limits.out_edge_limit:
                oldest = min(row.values(), key=self._age)
                if (order, subject) < self._age(oldest):
                    return False
                # In this order, so that the author keeps its index.
                self._insert(author, subject, order, units)
                changed = units != 0 or self._units[oldest] != 0
                self._drop(oldest)
                return changed
        if self._count >= self.limits.edge_limit:
            return False
        self._insert(author, subject, order, units)
        return units != 0

    def remove_author(self, author: bytes) -> int:
        """Removes everything that an author said; what others say about it stays.

        Returns:
            How many statements went.
        """
        return self._drop_where(author, lambda _order: True)

    def remove_range(self, author: bytes, *, epoch: int, first_seq: int, last_seq: int) -> int:
        """Removes what an author said in some of its records, for `forget` and eviction.

        Statements that those had replaced count again.

        Returns:
            How many statements went.
        """
        first, last = (epoch, first_seq), (epoch, last_seq)
        return self._drop_where(author, lambda order: first <= order[:2] <= last)

    def weight(self, author: bytes, subject: bytes) -> float:
        """Trust stated by author in subject, in [-1, 1]; 0 where there is none."""
        self._absorb()
        slot = self._slot(author, subject)
        return 0.0 if slot is None else self._units[slot] / WEIGHT_SCALE

    def said_by(self, author: bytes) -> dict[bytes, Stated]:
        """Return all that an author says of others, withdrawals included, by subject."""
        self._absorb()
        row = self._rows.get(self._identities.index.get(author, -1), _NOTHING)
        return {
            self._identities.ids[subject]: Stated(self._units[slot], self._orders[slot][:2])
            for subject, slot in row.items()
        }

    def walls(self, ego: bytes) -> NDArray[np.int32]:
        """Indices that ego itself distrusts, int32, ascending: the walks from ego end there."""
        self._absorb()
        row = self._rows.get(self._identities.index.get(ego, -1), {})
        return np.array(sorted(s for s, slot in row.items() if self._units[slot] < 0), np.int32)

    def digest(self) -> bytes:
        """32 bytes that name the weights held, whatever their order of arrival: O(e log e)."""
        self._absorb()
        ids = self._identities.ids
        held = sorted(
            (ids[author], ids[subject], units)
            for author, subject, units in zip(
                self._authors, self._subjects, self._units, strict=True
            )
            if units
        )
        return hashlib.sha256(msgspec.msgpack.encode(held)).digest()

    def csr(self) -> EndorsementArrays:
        """The positive endorsements as arrays; the same object until something changes."""
        self._absorb()
        if self._arrays is None:
            self._arrays = EndorsementArrays.of(
                self._identities.names,
                self._identities.ranks,
                np.array(self._authors, np.int64),
                np.array(self._subjects, np.int32),
                np.array(self._units, np.int64),
            )
        return self._arrays

    def _slot(self, author: bytes, subject: bytes) -> int | None:
        row = self._rows.get(self._identities.index.get(author, -1), {})
        return row.get(self._identities.index.get(subject, -1))

    def _age(self, slot: int) -> tuple[Order, bytes]:
        return self._orders[slot], self._identities.ids[self._subjects[slot]]

    def _restate(self, slot: int, order: Order, units: int) -> bool:
        before, held = self._units[slot], self._orders[slot]
        if order < held:
            self._replaced.add(slot, order, units)
            return False
        if order > held:
            self._replaced.add(slot, held, before)
        elif units >= before:
            return False
        return self._set(slot, order, units)

    def _set(self, slot: int, order: Order, units: int) -> bool:
        self._orders[slot] = order
        if units == self._units[slot]:
            return False
        self._units[slot] = units
        self._note_change(self._authors[slot])
        return True

    def _insert(self, author: bytes, subject: bytes, order: Order, units: int) -> None:
        author_index, subject_index = self._identities.use(author), self._identities.use(subject)
        if self._free_slots:
            slot = self._free_slots.pop()
            self._authors[slot] = author_index
            self._subjects[slot] = subject_index
            self._units[slot] = units
            self._orders[slot] = order
        else:
            slot = len(self._orders)
            self._authors.append(author_index)
            self._subjects.append(subject_index)
            self._units.append(units)
            self._orders.append(order)
        row = self._rows.get(author_index)
        if row is None:
            row = self._rows[author_index] = {}
        row[subject_index] = slot
        if units:
            self._note_change(author_index)
        self._arrays = None

    def _drop(self, slot: int) -> None:
        author, subject = self._authors[slot], self._subjects[slot]
        self._replaced.drop_where(slot, lambda _order: True)
        if self._units[slot]:
            self._note_change(author)
        self._units[slot] = 0
        self._free_slots.append(slot)
        row = self._rows[author]
        del row[subject]
        if not row:
            del self._rows[author]
        self._identities.release(author)
        self._identities.release(subject)
        self._arrays = None

    def _drop_where(self, author: bytes, wanted: Callable[[Order], bool]) -> int:
        self._absorb()
        slots = list(self._rows.get(self._identities.index.get(author, -1), _NOTHING).values())
        count = 0
        for slot in slots:
            count += self._replaced.drop_where(slot, wanted)
            if wanted(self._orders[slot]):
                count += 1
                before = self._replaced.pop_latest(slot)
                if before is None:
                    self._drop(slot)
                else:
                    self._set(slot, *before)
        return count

    def _note_change(self, author: int) -> None:
        self._version += 1
        self._changed.append((self._identities.ids[author], author))
        self._arrays = None


def _check(author: bytes, subject: bytes, weight: float, order: Order) -> None:
    if not author or not subject:
        raise UsageError("author and subject must be ids; found empty bytes")
    if not (math.isfinite(weight) and -1.0 <= weight <= 1.0):
        raise UsageError(f"weight {weight}; expected -1 to 1")
    if not (min(order) >= 0 and max(order) < _ORDER_LIMIT):
        raise UsageError(f"(epoch, seq, position) {order}; expected 0 to 2^63 - 1 each")
