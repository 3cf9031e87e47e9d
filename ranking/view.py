"""The window as compact arrays, kept current by appends and removals.

An interaction is one row of five 4-byte columns (`rows.py`), of which the matrix is made and kept
current (`upkeep.py`). Users and items are numbers here: an id gets one when it first appears, and
gives it back when a sweep finds no interaction that needs it. So the tables are bounded by the
window, whatever peers send.

What is appended waits as it came until somebody asks: then all of it gets its rows at once.

Costs, measured on one core of a busy machine: 1 us an interaction appended in batches of 64; with
200,000 in the window, `matrix` after one more copies all but the changed blocks in 1 ms, where
building it takes 27 ms. At a million it is 37 bytes an interaction, both directions included.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking import products
from tastemesh.ranking.arrivals import Arrivals
from tastemesh.ranking.columns import (
    NOBODY,
    NUMBER_MAX,
    Interactions,
    checked_numbers,
    checked_values,
    living,
    rises,
)
from tastemesh.ranking.digest import content_digest
from tastemesh.ranking.firsts import Firsts
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.numbers import Numbers
from tastemesh.ranking.rows import Rows
from tastemesh.ranking.upkeep import Upkeep

# Sweep when more rows than this are dead, and more than a quarter of the living: each row is then
# moved by sweeps at most four times as often as rows die.
_SWEEP_ROWS = 1_024
# Arrivals that may wait for somebody to ask: at 64 and more, a row costs a hundredth of what it
# costs alone (measured); at 4,096 they take 1 MB.
_ARRIVAL_ROWS = 4_096


class View:
    """The interactions in the window, and the matrix made of them.

    Numbers of users and items hold until `numbering` changes.
    """

    __slots__ = (
        "_arrivals", "_items", "_last_record", "_rows", "_upkeep", "_users", "numbering", "version",
    )  # fmt: skip

    def __init__(self) -> None:
        self.version = 0
        self.numbering = 0
        self._users = Numbers[bytes]()
        self._items = Numbers[str]()
        self._rows = Rows()
        self._upkeep = Upkeep(self._rows)
        self._arrivals = Arrivals()
        self._last_record = -1

    def __len__(self) -> int:
        return len(self._rows) + len(self._arrivals)

    @property
    def user_count(self) -> int:
        """Size of the users' number space: the length of arrays by user."""
        self._absorb()
        return len(self._users.ids)

    @property
    def item_count(self) -> int:
        """Size of the items' number space: the length of arrays by item."""
        self._absorb()
        return len(self._items.ids)

    @property
    def nbytes(self) -> int:
        """Bytes of the columns and the matrix; ids come on top."""
        self._absorb()
        return self._rows.nbytes + self._upkeep.nbytes

    def append(
        self,
        user: bytes,
        items: Sequence[str],
        weights: float | Sequence[float],
        times_s: int | Sequence[int],
        record_no: int,
    ) -> None:
        """Add one record's interactions.

        Args:
            user: who holds the items.
            items: ids; one that is named twice counts twice.
            weights: in (0, 1], one for all or one each.
            times_s: seconds since 1970, one for all or one each.
            record_no: above any number used before.

        Raises:
            UsageError: a value is out of range; nothing was added.
        """
        if not self._last_record < record_no <= NUMBER_MAX:
            raise UsageError(f"record_no {record_no}; expected above the last one, below 2^31")
        waiting = self._arrivals.append(user, items, weights, times_s, record_no)
        if len(items):
            self._last_record = record_no
            self.version += 1
            if waiting >= _ARRIVAL_ROWS:
                self._absorb()

    def extend(
        self,
        users: Sequence[bytes],
        items: Sequence[str],
        weights: ArrayLike,
        times_s: ArrayLike,
        record_nos: ArrayLike,
    ) -> None:
        """Add interactions of many records, as a restart does.

        Args:
            users: ids, one each.
            items: ids, one each.
            weights: as for `append`.
            times_s: as for `append`.
            record_nos: one each, never falling, all above any number used before.

        Raises:
            UsageError: a value is out of range; nothing was added.
        """
        self._absorb()
        numbers = checked_numbers(len(users), len(items), record_nos, self._last_record)
        weight, time_s = checked_values(len(items), weights, times_s)
        interned = np.array(self._users.intern(users), dtype=np.int32)
        self._upkeep.note(np.unique(interned).tolist())
        self._rows.add(interned, self._numbers_of(items), weight, time_s, numbers)
        if len(numbers):
            self._last_record = int(numbers[-1])
        self.version += 1

    def remove_record(self, record_no: int) -> int:
        """Forget a record's interactions.

        Args:
            record_no: as it was appended.

        Returns:
            How many interactions went; 0 for an unknown record.
        """
        if record_no > self._rows.last_record:
            self._absorb()
        return self._gone(self._rows.remove(record_no))

    def remove_records(self, numbers: Sequence[int]) -> int:
        """Forget the interactions of several records, in a tenth of the time of one by one.

        Args:
            numbers: as they were appended, each once.

        Returns:
            How many interactions went.
        """
        gone = np.array(numbers, np.int32)
        if gone.max(initial=-1) > self._rows.last_record:
            self._absorb()
        return self._gone(self._rows.remove_many(gone))

    def _gone(self, users: NDArray[np.int32]) -> int:
        if len(users):
            self._upkeep.note(users.tolist())
            self.version += 1
            if self._rows.dead_count > max(_SWEEP_ROWS, len(self) // 4):
                self._sweep()
        return len(users)

    def renumber(self, numbers: NDArray[np.int32]) -> None:
        """Number records anew: by the places of their numbers among these, all, rising."""
        self._absorb()
        self._rows.renumber(numbers)
        self._upkeep.drop()
        self._last_record = len(numbers) - 1
        self.version += 1

    def user_number(self, user: bytes) -> int:
        """Return a user's number, -1 where no interaction has the user."""
        self._absorb()
        return self._users.of.get(user, -1)

    def item_number(self, item: str) -> int:
        """Return an item's number, -1 where no interaction has the item."""
        self._absorb()
        return self._items.of.get(item, -1)

    def user_numbers(self, users: Sequence[bytes]) -> NDArray[np.int32]:
        """Return int32 numbers of users, -1 for unknown ones."""
        self._absorb()
        return self._users.known(users)

    def item_numbers(self, items: Sequence[str]) -> NDArray[np.int32]:
        """Return int32 numbers of items, -1 for unknown ones."""
        self._absorb()
        return self._items.known(items)

    def user_id(self, number: int) -> bytes:
        """Return the id of a user's number."""
        self._absorb()
        return self._users.name(number)

    def item_id(self, number: int) -> str:
        """Return the id of an item's number."""
        self._absorb()
        return self._items.name(number)

    def user_ids(self, numbers: NDArray[np.int32]) -> tuple[bytes, ...]:
        """Return the ids of users' numbers."""
        self._absorb()
        return self._users.names(numbers.tolist())

    def item_ids(self, numbers: NDArray[np.integer]) -> tuple[str, ...]:
        """Return the ids of items' numbers."""
        self._absorb()
        return self._items.names(numbers.tolist())

    def interactions(self) -> Interactions:
        """Return the living rows, in the order of arrival; to be read before anything changes."""
        self._absorb()
        return self._rows.living()

    def evidence_for(
        self, items: NDArray[np.integer]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Return who says that they hold some items, and where, in the order of arrival.

        Args:
            items: numbers.

        Returns:
            (item numbers, user numbers, record numbers), one each for every interaction.
        """
        self._absorb()
        rows, columns = self._rows.of_items(items, self.item_count), self._rows.columns
        return columns.item[rows], columns.user[rows], columns.record[rows]

    def last_records(
        self,
        items: NDArray[np.int32],
        users: NDArray[np.int32],
        *,
        compiled: bool | None = None,
    ) -> NDArray[np.int32]:
        """Return the last record in which each user names an item.

        Args:
            items: int32[n]; numbers.
            users: int32[n]; the number of the user that goes with each.
            compiled: which kernel; None for numba's where it is installed.

        Returns:
            int32[n]; record numbers, -1 for an item that the user does not name.
        """
        self._absorb()
        by_user, firsts = self._upkeep.witnessed(self._upkeep.half_life_s, self._shape)
        places = products.places(by_user, users, items, compiled=compiled)
        records = np.full(len(places), -1, dtype=np.int32)
        known = np.flatnonzero(places >= 0)
        records[known] = firsts.last_record[places[known]]
        return records

    def interactions_of(
        self, users: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Return what some users did, in the order of arrival.

        Args:
            users: numbers.

        Returns:
            (user numbers, item numbers, seconds since 1970), one each for every interaction.
        """
        self._absorb()
        rows, columns = self._rows.of_users(users, self.user_count), self._rows.columns
        return columns.user[rows], columns.item[rows], columns.time_s[rows]

    def share_after(self, users: Sequence[int], without: NDArray[np.int32] = NOBODY) -> float:
        """Return the share of all interactions dated after the last of some users.

        Args:
            users: user numbers; -1 is skipped. 0 for users who hold nothing.
            without: user numbers, whose interactions do not count.
        """
        self._absorb()
        numbers = np.array([user for user in users if user >= 0], dtype=np.int32)
        own = self._rows.of_users(numbers, self.user_count)
        if not len(own):
            return 0.0
        rows = self._rows.columns
        counted = living(rows, without)
        later = counted & (rows.time_s > rows.time_s[own].max())
        return np.count_nonzero(later) / max(1, int(np.count_nonzero(counted)))

    def matrix(self, now_s: int, half_life_s: float | None = None) -> HoldingMatrix:
        """Return who holds what at a time.

        Args:
            now_s: seconds since 1970. A time before the newest interaction counts as that one's, so
                no weight exceeds 1.
            half_life_s: seconds in which a weight halves, above 0; None for no ageing. A time more
                than 240 half-lives after the newest interaction weighs no less than one then.

        Returns:
            An immutable matrix; what is appended later does not show in it.

        Raises:
            UsageError: half_life_s is not above 0.
        """
        self._absorb()
        return self._upkeep.matrix(now_s, half_life_s, self._shape)

    def firsts(self, half_life_s: float | None = None) -> Firsts:
        """Return since when each pair of the matrix with this half-life has been held, and more.

        From the first question on it is kept current as the matrix is.
        """
        self._absorb()
        return self._upkeep.witnessed(half_life_s, self._shape)[1]

    def rises(
        self, without: NDArray[np.int32] = NOBODY
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return where the newest date so far rose; see `tastemesh.ranking.columns.rises`."""
        self._absorb()
        return rises(self._rows.columns, without)

    def digest(self) -> bytes:
        """Return 32 bytes that depend on the interactions' content alone."""
        return content_digest(self.interactions(), self._users.ids, self._items.ids)

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self._users.ids), len(self._items.ids)

    def _numbers_of(self, items: Sequence[str]) -> NDArray[np.int32]:
        return np.array(self._items.intern(items), dtype=np.int32)

    def _absorb(self) -> None:
        """Give the latest arrivals their rows: done for many at once, and only once asked."""
        if not len(self._arrivals):
            return
        taken = self._arrivals.taken()
        users = self._users.intern(taken.users)
        self._upkeep.note(users)
        self._rows.add(
            np.repeat(np.array(users, dtype=np.int32), taken.counts),
            self._numbers_of(taken.items),
            taken.weight,
            taken.time_s,
            np.repeat(np.array(taken.numbers, dtype=np.int32), taken.counts),
        )

    def _sweep(self) -> None:
        """Drop dead rows, and the numbers that no row needs."""
        self._absorb()
        living = self._rows.compact()
        idle_users = np.bincount(living.user, minlength=self.user_count) == 0
        idle_items = np.bincount(living.item, minlength=self.item_count) == 0
        released = self._users.release(np.flatnonzero(idle_users))
        if self._items.release(np.flatnonzero(idle_items)) or released:
            self.numbering += 1
