"""The rows of a view: interactions in the order of arrival, of which some are dead.

A removed row is marked by weight 0 and keeps its place until `compact`, so that removing a record
moves nothing. What is dead is nobody's in every answer here but `columns`.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.columns import (
    NOBODY,
    NOTHING,
    Interactions,
    grown,
    leading,
    renumber_rows,
    rows_of,
    selected,
)

_SCAN_USERS = 8  # up to here one pass over the column a user is quicker than a lookup table


class Rows:
    """Interactions as rows of five columns; `len` counts the living ones."""

    __slots__ = ("_columns", "_end", "dead_count")

    def __init__(self) -> None:
        self.dead_count = 0
        self._columns = grown(NOTHING, 0, 0)
        self._end = 0  # rows in use, dead ones included

    def __len__(self) -> int:
        return self._end - self.dead_count

    @property
    def nbytes(self) -> int:
        """Bytes of the columns, spare room included."""
        return int(sum(column.nbytes for column in msgspec.structs.astuple(self._columns)))

    @property
    def columns(self) -> Interactions:
        """All rows in use, dead ones among them; to be read before anything changes."""
        return leading(self._columns, self._end)

    @property
    def last_record(self) -> int:
        """The number of the last row's record; -1 where there is no row."""
        return int(self._columns.record[self._end - 1]) if self._end else -1

    @property
    def newest_s(self) -> int:
        """The newest date, seconds since 1970; 0 where nothing lives."""
        return int(self._columns.time_s[: self._end].max(initial=0))

    def add(
        self,
        user: NDArray[np.int32],
        item: NDArray[np.int32],
        weight: NDArray[np.float32],
        time_s: NDArray[np.int32],
        record: NDArray[np.int32],
    ) -> None:
        """Add rows, one for each item.

        Args:
            user: int32[n]; user numbers.
            item: int32[n]; item numbers.
            weight: float32[n] or one for all; in (0, 1].
            time_s: int32[n] or one for all; seconds since 1970.
            record: int32[n]; record numbers, never falling, above any before.
        """
        end = self._end + len(item)
        if end > len(self._columns.user):
            self._columns = grown(self._columns, self._end, end)
        columns, rows = self._columns, slice(self._end, end)
        columns.user[rows] = user
        columns.item[rows] = item
        columns.weight[rows] = weight
        columns.time_s[rows] = time_s
        columns.record[rows] = record
        self._end = end

    def remove(self, record_no: int) -> NDArray[np.int32]:
        """Mark a record's rows as dead.

        Returns:
            The user number of each row that died; none for an unknown record.
        """
        columns = self._columns
        rows = rows_of(record_no, columns.record[: self._end])
        users = columns.user[rows][columns.weight[rows] > 0]
        if not len(users):
            return NOBODY
        columns.weight[rows] = columns.time_s[rows] = 0
        self.dead_count += len(users)
        return users

    def remove_many(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """Mark the rows of several records as dead, in one go.

        Args:
            numbers: of the records, each once, unknown ones among them.

        Returns:
            The user number of each row that died.
        """
        columns = self._columns
        records = columns.record[: self._end]
        starts = records.searchsorted(numbers)
        counts = records.searchsorted(numbers, "right") - starts
        rows = np.repeat(starts - counts.cumsum() + counts, counts) + np.arange(counts.sum())
        rows = rows[columns.weight[rows] > 0]
        columns.weight[rows] = columns.time_s[rows] = 0
        self.dead_count += len(rows)
        users: NDArray[np.int32] = columns.user[rows]
        return users

    def renumber(self, numbers: NDArray[np.int32]) -> None:
        """Number records anew: by the places of their numbers among these, all, rising."""
        renumber_rows(self._columns.record[: self._end], numbers)

    def compact(self) -> Interactions:
        """Drop the dead rows, and return those that are left."""
        living = self.living()
        count = len(living.user)
        self._columns, self._end, self.dead_count = grown(living, count, count), count, 0
        return living

    def living(self) -> Interactions:
        """Return the living rows, in the order of arrival; to be read before anything changes."""
        if not self.dead_count:
            return self.columns
        return self.at(np.flatnonzero(self._columns.weight[: self._end]))

    def at(self, rows: NDArray[np.intp]) -> Interactions:
        """Return the rows at some places, as copies."""
        return selected(self._columns, rows)

    def of_users(self, users: NDArray[np.int32], user_count: int) -> NDArray[np.intp]:
        """Return the places of the living rows of some users, in the order of arrival.

        Args:
            users: numbers.
            user_count: size of the users' number space.
        """
        column = self._columns.user[: self._end]
        if len(users) <= _SCAN_USERS:
            found = [np.flatnonzero(column == user) for user in users]
            rows = np.sort(np.concatenate([np.empty(0, dtype=np.intp), *found]))
        else:
            rows = _among(column, users, user_count)
        return self._alive(rows)

    def of_items(self, items: NDArray[np.integer], item_count: int) -> NDArray[np.intp]:
        """Return the places of the living rows of some items, in the order of arrival.

        Args:
            items: numbers.
            item_count: size of the items' number space.
        """
        return self._alive(_among(self._columns.item[: self._end], items, item_count))

    def _alive(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        living: NDArray[np.intp] = rows[self._columns.weight[rows] > 0]
        return living


def _among(column: NDArray[np.int32], numbers: NDArray[np.integer], count: int) -> NDArray[np.intp]:
    """Return where a column has one of some numbers, all of them below a count."""
    wanted = np.zeros(count, dtype=np.bool_)
    wanted[numbers] = True
    return np.flatnonzero(wanted[column])
