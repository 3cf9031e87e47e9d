"""The window as compact arrays, kept current by appends and removals.

An interaction is one row of five 4-byte columns, in the order of arrival; a removed row is marked
and swept out later. Users and items are numbers here: an id gets one when it first appears, and
gives it back when a sweep finds no interaction that needs it. So the tables are bounded by the
window, whatever peers send.

What is appended waits as it came until somebody asks: then all of it gets its rows at once.

Costs, measured on one core of a busy machine: 1 us an interaction appended in batches of 64; with
200,000 in the window, `matrix` after one more copies all but the changed blocks in 1 ms, where
building it takes 27 ms. At a million it is 37 bytes an interaction, both directions included.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking import products
from tastemesh.ranking.arrivals import Arrivals
from tastemesh.ranking.columns import (
    NOBODY,
    NOTHING,
    NUMBER_MAX,
    Interactions,
    checked_numbers,
    checked_values,
    grown,
    leading,
    living,
    renumber_rows,
    rises,
    rows_of,
    selected,
)
from tastemesh.ranking.digest import content_digest
from tastemesh.ranking.firsts import Firsts
from tastemesh.ranking.holdings import HoldingMatrix, reference_time
from tastemesh.ranking.numbers import Numbers
from tastemesh.ranking.products import Sparse
from tastemesh.ranking.table import Table

# Sweep when more rows than this are dead, and more than a quarter of the living: each row is then
# moved by sweeps at most four times as often as rows die.
_SWEEP_ROWS = 1_024
# Rebuild the matrix when the users that changed hold more than this share of the rows. Up to half
# of them patching is as quick (measured); it holds two matrices meanwhile, as rebuilding does not.
_REBUILD_SHARE = 1 / 4
# Arrivals that may wait for somebody to ask: at 64 and more, a row costs a hundredth of what it
# costs alone (measured); at 4,096 they take 1 MB.
_ARRIVAL_ROWS = 4_096
# Age of a matrix beyond which it ages no more. What is left of a weight then is nothing to anybody,
# and only relations count, which a smaller scale would lose: its cube times the least weight
# (2^-126, float32) has to be a normal number (2^-1022) still.
_HALF_LIVES_MAX = 256
_SCAN_USERS = 8  # up to here one pass over the column a user is quicker than a lookup table


class View:
    """The interactions in the window, and the matrix made of them.

    Numbers of users and items hold until `numbering` changes.
    """

    __slots__ = (
        "_arrivals", "_changed_users", "_columns", "_dead", "_end", "_items", "_last_record",
        "_table", "_users", "numbering", "version",
    )  # fmt: skip

    def __init__(self) -> None:
        self.version = 0
        self.numbering = 0
        self._users = Numbers[bytes]()
        self._items = Numbers[str]()
        self._columns = grown(NOTHING, 0, 0)
        self._arrivals = Arrivals()
        self._last_record = -1
        self._end = 0  # rows in use, dead ones included
        self._dead = 0
        self._table: Table | None = None
        self._changed_users: set[int] = set()

    def __len__(self) -> int:
        return self._end - self._dead + len(self._arrivals)

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
        columns = int(sum(column.nbytes for column in msgspec.structs.astuple(self._columns)))
        return columns if self._table is None else columns + self._table.nbytes

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
        self._changed_users.update(np.unique(interned).tolist())
        self._store(interned, items, weight, time_s, numbers)
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
        if self._end == 0 or record_no > self._columns.record[self._end - 1]:
            self._absorb()
        columns = self._columns
        rows = rows_of(record_no, columns.record[: self._end])
        gone = int(np.count_nonzero(columns.weight[rows]))
        if gone:
            columns.weight[rows] = columns.time_s[rows] = 0  # marks dead rows
            self._dead += gone
            self._changed_users.update(columns.user[rows].tolist())
            self.version += 1
            if self._dead > max(_SWEEP_ROWS, len(self) // 4):
                self._sweep()
        return gone

    def renumber(self, numbers: NDArray[np.int32]) -> None:
        """Number records anew: by the places of their numbers among these, all, rising."""
        self._absorb()
        renumber_rows(self._columns.record[: self._end], numbers)
        self._last_record, self._table = len(numbers) - 1, None
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
        if not self._dead:
            return leading(self._columns, self._end)
        return selected(self._columns, np.flatnonzero(self._columns.weight[: self._end]))

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
        columns, end = self._columns, self._end
        wanted = np.zeros(self.item_count, dtype=np.bool_)
        wanted[items] = True
        rows = np.flatnonzero(wanted[columns.item[:end]])
        rows = rows[columns.weight[rows] > 0]
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
        half_life_s = None if self._table is None else self._table.half_life_s
        by_user, firsts = self._witnessed(half_life_s)
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
        rows = self._rows_of(users)
        columns = self._columns
        return columns.user[rows], columns.item[rows], columns.time_s[rows]

    def share_after(self, users: Sequence[int], without: NDArray[np.int32] = NOBODY) -> float:
        """Return the share of all interactions dated after the last of some users.

        Args:
            users: user numbers; -1 is skipped. 0 for users who hold nothing.
            without: user numbers, whose interactions do not count.
        """
        self._absorb()
        own = self._rows_of(np.array([user for user in users if user >= 0], dtype=np.int32))
        if not len(own):
            return 0.0
        rows = leading(self._columns, self._end)
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
        table = self._current(half_life_s)
        scale = 1.0
        if half_life_s is not None:
            asked_s = max(now_s, self._newest_s())
            half_lives = min((asked_s - table.reference_s) / half_life_s, _HALF_LIVES_MAX)
            scale = float(np.exp2(-half_lives))
        return HoldingMatrix(table.weights, scale)

    def firsts(self, half_life_s: float | None = None) -> Firsts:
        """Return since when each pair of the matrix with this half-life has been held, and more.

        From the first question on it is kept current as the matrix is.
        """
        return self._witnessed(half_life_s)[1]

    def rises(
        self, without: NDArray[np.int32] = NOBODY
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return where the newest date so far rose; see `tastemesh.ranking.columns.rises`."""
        self._absorb()
        return rises(leading(self._columns, self._end), without)

    def digest(self) -> bytes:
        """Return 32 bytes that depend on the interactions' content alone."""
        return content_digest(self.interactions(), self._users.ids, self._items.ids)

    def _witnessed(self, half_life_s: float | None) -> tuple[Sparse, Firsts]:
        """Return the pairs, by user and then by item, and what goes with them."""
        table = self._current(half_life_s)
        firsts = table.firsts
        if firsts is None:
            firsts = Firsts.of(self.interactions(), table.weights.by_user)
            self._table = msgspec.structs.replace(table, firsts=firsts)
        return table.weights.by_user, firsts

    def _current(self, half_life_s: float | None) -> Table:
        """Bring the matrix up to date, by rows if few have changed."""
        if half_life_s is not None and not half_life_s > 0:
            raise UsageError(f"half_life_s {half_life_s}; expected above 0, or None")
        self._absorb()
        shape = (self.user_count, self.item_count)
        reference_s = 0.0 if half_life_s is None else reference_time(self._newest_s(), half_life_s)
        table, rows = self._table, None
        if table is not None and table.is_made_with(half_life_s, reference_s):
            if not self._changed_users:
                return table
            changed = np.array(sorted(self._changed_users), dtype=np.int32)
            rows = self._rows_of(changed)
        if table is not None and rows is not None and len(rows) <= len(self) * _REBUILD_SHARE:
            table = table.replaced(changed, selected(self._columns, rows), shape)
        else:
            table = Table.of(self.interactions(), shape, half_life_s, reference_s)
        self._table = table
        self._changed_users.clear()
        return table

    def _newest_s(self) -> int:
        return int(self._columns.time_s[: self._end].max(initial=0))

    def _rows_of(self, users: NDArray[np.int32]) -> NDArray[np.intp]:
        """Return the living rows of some users, in the order of arrival."""
        column = self._columns.user[: self._end]
        if len(users) <= _SCAN_USERS:
            found = [np.flatnonzero(column == user) for user in users]
            rows = np.sort(np.concatenate([np.empty(0, dtype=np.intp), *found]))
        else:
            wanted = np.zeros(self.user_count, dtype=np.bool_)
            wanted[users] = True
            rows = np.flatnonzero(wanted[column])
        living: NDArray[np.intp] = rows[self._columns.weight[rows] > 0]
        return living

    def _store(
        self,
        user: NDArray[np.int32],
        items: Sequence[str],
        weight: NDArray[np.float32],
        time_s: NDArray[np.int32],
        record: NDArray[np.int32],
    ) -> None:
        end = self._end + len(items)
        if end > len(self._columns.user):
            self._columns = grown(self._columns, self._end, end)
        columns, rows = self._columns, slice(self._end, end)
        columns.user[rows] = user
        columns.item[rows] = self._items.intern(items)
        columns.weight[rows] = weight
        columns.time_s[rows] = time_s
        columns.record[rows] = record
        self._end = end

    def _absorb(self) -> None:
        """Give the latest arrivals their rows: done for many at once, and only once asked."""
        if not len(self._arrivals):
            return
        taken = self._arrivals.taken()
        users = self._users.intern(taken.users)
        self._changed_users.update(users)
        self._store(
            np.repeat(np.array(users, dtype=np.int32), taken.counts),
            taken.items,
            taken.weight,
            taken.time_s,
            np.repeat(np.array(taken.numbers, dtype=np.int32), taken.counts),
        )

    def _sweep(self) -> None:
        """Drop dead rows, and the numbers that no row needs."""
        living = self.interactions()
        count = len(living.user)
        self._columns, self._end, self._dead = grown(living, count, count), count, 0
        idle_users = np.bincount(living.user, minlength=self.user_count) == 0
        idle_items = np.bincount(living.item, minlength=self.item_count) == 0
        released = self._users.release(np.flatnonzero(idle_users))
        if self._items.release(np.flatnonzero(idle_items)) or released:
            self.numbering += 1
