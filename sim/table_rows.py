"""The lines of a table as rows of a data set: two ids, a weight and a time each.

`DataLines` tells the header from the data and which column means what; `Rows` takes them in, and
counts what it leaves out.
"""

from array import array
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import DataError
from tastemesh.sim.columns import find_columns, is_common_header
from tastemesh.sim.delimited import Table, shown
from tastemesh.sim.interactions import LoadCounts
from tastemesh.sim.table_cells import (
    EARLIEST_S,
    LATEST_S,
    is_time,
    is_value,
    parse_time_s,
    parse_weight,
)

_SAMPLE_ROWS = 20  # looked at to tell times from weights; guess
_PROBLEMS_KEPT = 5  # enough to see what is wrong with a file; guess
_PROGRESS_ROWS = 65_536  # a few calls a second at about 0.5 M rows/s

Progress: TypeAlias = Callable[[int], None]
"""Called now and then with the number of rows read so far."""


class DataLines:
    """The data lines of a table, with its header taken off and its columns known.

    Args:
        table: as it was opened.
        wanted: which column is asked for, by field: a header's name or a position; None for
            `default`.
        default: which column has which field, given the header, the number of columns, and those
            that hold times.

    Attributes:
        path: of the table.
        column: position of each field's column.
        described: the same for people.

    Raises:
        UsageError: a column that is asked for is not there.
        DataError: the table is empty, or has one column only.
    """

    def __init__(
        self,
        table: Table,
        wanted: Mapping[str, str] | None,
        default: Callable[[Sequence[str] | None, int, Container[int]], dict[str, int]],
    ) -> None:
        lines = iter(table)
        start = list(islice(lines, _SAMPLE_ROWS))
        if not start:
            raise DataError(table.path, 0, "the file is empty; expected a table of text")
        first = start[0][1]
        named = wanted is not None and any(not name.isdecimal() for name in wanted.values())
        headed = named or is_common_header(first) or _looks_headed(*(row for _, row in start[:2]))
        header = first if headed else None
        self.path = table.path
        data = start[1:] if headed else start
        self._lines = chain(data, lines)
        if wanted is None:
            self.column = default(header, len(first), _timed([row for _, row in data]))
        else:
            self.column = find_columns(wanted, header, len(first))
        if len(first) < 2:
            raise DataError(table.path, start[0][0], "expected at least two columns, found one")
        self.described = ",".join(
            f"{field}={header[at] if header else at + 1}" for field, at in self.column.items()
        )

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        return self._lines


def _timed(rows: Sequence[Sequence[str]]) -> set[int]:
    """Return the columns in which every row has a time that can be: no rating, no play count."""
    width = min((len(row) for row in rows), default=0)
    return {at for at in range(width) if all(is_time(row[at]) for row in rows)}


def _looks_headed(first: Sequence[str], second: Sequence[str] = ()) -> bool:
    """Tell whether the first line has words only, one of them above a number or a date."""
    return not any(is_value(cell) for cell in first) and any(is_value(cell) for cell in second)


class Rows:
    """Rows as they are read: two ids, a weight and a time each.

    Args:
        column: position of each field's column.
        pair: the fields that have the two ids.
        first_ids: number of each id of the first field; new ones are added.
        second_ids: the same for the second field.
        worthless: tells which weights are as good as none.
        check: raises ValueError for a second id that is not to be read.

    Attributes:
        dated: whether rows have times.
    """

    def __init__(
        self,
        column: Mapping[str, int],
        pair: tuple[str, str],
        first_ids: dict[str, int],
        second_ids: dict[str, int],
        worthless: Callable[[float], bool],
        check: Callable[[str], None] | None = None,
    ) -> None:
        self.first_ids = first_ids
        self.second_ids = second_ids
        self.dated = "time" in column or "year" in column
        self._column = column
        self._fields = pair
        self._worthless = worthless
        self._check = check
        self._width = max(column.values()) + 1
        self._first, self._second = array("i"), array("i")
        self._weight, self._time_s = array("f"), array("q")
        self._read_count = self._weak_count = self._worthless_count = self._out_of_time_count = 0
        self._bad_count = 0
        self._problems: list[str] = []

    @property
    def first_array(self) -> NDArray[np.int32]:
        """The number of each row's first id, int32."""
        return np.array(self._first, dtype=np.int32)

    @property
    def second_array(self) -> NDArray[np.int32]:
        """The number of each row's second id, int32."""
        return np.array(self._second, dtype=np.int32)

    @property
    def weight_array(self) -> NDArray[np.float32]:
        """Each row's weight, float32; 1 where the table has none."""
        return np.array(self._weight, dtype=np.float32)

    @property
    def time_array(self) -> NDArray[np.int64]:
        """Each row's time, int64, seconds since 1970; `EARLIEST_S` where the table has none."""
        return np.array(self._time_s, dtype=np.int64)

    def read(
        self, lines: DataLines, min_weight: float, skip_bad: bool, progress: Progress | None
    ) -> None:
        """Take in every line.

        Args:
            lines: of the table.
            min_weight: rows that weigh less are left out.
            skip_bad: count unreadable lines and go on, instead of raising.
            progress: called with the number of rows read.

        Raises:
            DataError: a bad line, with its number; or no row is left.
        """
        for number, row in lines:
            self._read_count += 1
            try:
                self._add(row, min_weight)
            except ValueError as error:
                if not skip_bad:
                    raise DataError(lines.path, number, str(error)) from error
                self._bad_count += 1
                if len(self._problems) < _PROBLEMS_KEPT:
                    self._problems.append(f"line {number}: {error}")
            if progress is not None and self._read_count % _PROGRESS_ROWS == 0:
                progress(self._read_count)
        if not self._first:
            left_out = "; ".join(self.counts(lines, merged_count=0).notices()) or "no data lines"
            raise DataError(lines.path, 0, f"no row is left of {self._read_count}: {left_out}")

    def _add(self, row: Sequence[str], min_weight: float) -> None:
        column = self._column
        if len(row) < self._width:
            raise ValueError(f"expected at least {self._width} columns, found {len(row)}")
        first, second = row[column[self._fields[0]]], row[column[self._fields[1]]]
        if not first or not second:
            raise ValueError(f"the {self._fields[0 if not first else 1]} is empty")
        weight = parse_weight(row[column["weight"]]) if "weight" in column else 1.0
        time_s = self._time_of(row)
        if not EARLIEST_S <= time_s < LATEST_S:
            self._out_of_time_count += 1
        elif weight < min_weight:
            self._weak_count += 1
        elif self._worthless(weight):
            self._worthless_count += 1
        else:
            if self._check is not None and second not in self.second_ids:
                self._check(second)
            self._first.append(self.first_ids.setdefault(first, len(self.first_ids)))
            self._second.append(self.second_ids.setdefault(second, len(self.second_ids)))
            self._weight.append(weight)
            self._time_s.append(time_s)

    def _time_of(self, row: Sequence[str]) -> int:
        column = self._column
        if not self.dated:
            return EARLIEST_S
        if "time" in column:
            cell = row[column["time"]]
            try:
                return parse_time_s(cell)
            except (ValueError, OverflowError):
                raise ValueError(f"time {shown(cell)} is neither seconds nor an ISO date") from None
        year, month, day = (
            row[column[field]] if field in column else "1" for field in ("year", "month", "day")
        )
        try:
            moment = datetime(int(year), int(month), int(day), tzinfo=UTC)
        except (ValueError, OverflowError):
            raise ValueError(f"{shown(year)}-{shown(month)}-{shown(day)} is not a date") from None
        return int(moment.timestamp())

    def counts(self, lines: DataLines, merged_count: int) -> LoadCounts:
        """Return what was read and what was left out.

        Args:
            lines: of the table.
            merged_count: rows that were made one with others.
        """
        return LoadCounts(
            columns=lines.described,
            read_count=self._read_count,
            bad_count=self._bad_count,
            out_of_time_count=self._out_of_time_count,
            weak_count=self._weak_count,
            worthless_count=self._worthless_count,
            merged_count=merged_count,
            problems=tuple(self._problems),
        )
