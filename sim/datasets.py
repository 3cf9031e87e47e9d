"""Reading people's own files: interactions and endorsements in any usual table.

Nothing is left out silently: what a loader skips, drops or merges is counted in the result's
``counts``. Rows are streamed; memory is 20 bytes a row and the distinct ids.
"""

import math
from array import array
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import DataError, RemoteProtocolError, UsageError
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import WEIGHT_SCALE, Interaction
from tastemesh.gossip.statements import check_statement
from tastemesh.sim.columns import (
    ENDORSEMENT_FIELDS,
    INTERACTION_FIELDS,
    default_endorsement_columns,
    default_interaction_columns,
    find_columns,
    is_common_header,
    parse_columns,
)
from tastemesh.sim.delimited import Table, open_table, shown
from tastemesh.sim.interactions import Endorsements, Interactions, LoadCounts

EARLIEST_S = 631_152_000  # 1990-01-01: before it nobody's listening was logged; HetRec has 1956
LATEST_S = 4_102_444_800  # 2100-01-01
_WEIGHT_MAX = 1e30  # kept in single precision, which ends at 3e38; sums of all rows must fit
_WEIGHT_LEAST = 1e-30  # single precision makes nothing of 1e-46, and a user of nothing divides by 0
_LONE_ROWS = 20  # fewer may well be of different items; guess
_ONE_WAY_ROWS = 100  # so many people of whom no two endorse each other are rare; guess
_SAMPLE_ROWS = 20  # looked at to tell times from weights; guess
_PROBLEMS_KEPT = 5  # enough to see what is wrong with a file; guess
_PROGRESS_ROWS = 65_536  # a few calls a second at about 0.5 M rows/s

Progress: TypeAlias = Callable[[int], None]
"""Called now and then with the number of rows read so far."""


def load_interactions(
    path: str | Path,
    columns: str | None = None,
    min_weight: float | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
    *,
    for_nodes: bool = False,
) -> Interactions:
    """Read who took up what.

    Repeated (user, item) rows become one: weights summed, the earliest time kept.

    Args:
        path: CSV or TSV, plain, .gz or .zip; ``archive.zip!member`` names a member.
        columns: ``user=NAME,item=NAME[,weight=NAME][,time=NAME | ,day=NAME,month=NAME,year=NAME]``
            with headers or 1-based positions; a field that is not named is not read. None:
            `tastemesh.sim.columns.default_interaction_columns`.
        min_weight: rows that weigh less are dropped, before merging.
        skip_bad: count unreadable lines and go on, instead of raising.
        progress: called with the number of rows read.
        for_nodes: nodes will record the items, so a row whose id no record can carry is bad.

    Returns:
        The distinct pairs, weight 1 a row where there is no weight column.

    Raises:
        UsageError: no such file, member or column.
        DataError: a bad line, with its number; or no row is left.
    """
    wanted = parse_columns(columns, INTERACTION_FIELDS, "--columns") if columns else None
    if min_weight is not None and not math.isfinite(min_weight):
        raise UsageError(f"--min-weight is {min_weight}; expected a number")
    with open_table(path) as table:
        cells = _Cells(table, wanted, default_interaction_columns)
        if min_weight is not None and "weight" not in cells.column:
            raise UsageError(f"--min-weight: {path} has no weight column; name it with --columns")
        rows = _Rows(
            cells.column,
            ("user", "item"),
            {},
            {},
            worthless=lambda weight: weight < _WEIGHT_LEAST,
            check=_check_item if for_nodes else None,
        )
        rows.read(cells, -math.inf if min_weight is None else min_weight, skip_bad, progress)
    order, pair = _pairs(rows.first_array, rows.second_array)
    first = order[_starts(pair)]
    weight = np.bincount(_groups(pair), weights=rows.weight_array[order])
    time_s = None
    if rows.dated:
        time_s = np.minimum.reduceat(rows.time_array[order], _starts(pair))
    shown = np.argsort(first)
    return Interactions(
        user_ids=tuple(rows.first_ids),
        item_ids=tuple(rows.second_ids),
        user=rows.first_array[first][shown],
        item=rows.second_array[first][shown],
        weight=weight[shown].astype(np.float32),
        time_s=None if time_s is None else time_s[shown],
        counts=msgspec.structs.replace(
            rows.counts(cells, merged_count=len(pair) - len(first)),
            remarks=_lone_items(rows.second_array, cells.described),
        ),
    )


def _lone_items(items: NDArray[np.int32], columns: str) -> tuple[str, ...]:
    """Say so where no item comes twice, as where a number of the row was taken for it."""
    if len(items) < _LONE_ROWS or int(items.max()) + 1 < len(items):
        return ()
    return (f"every row has an item of its own (columns {columns}): expected --columns to name it",)


def load_endorsements(
    path: str | Path,
    columns: str | None = None,
    undirected: bool = False,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Endorsements:
    """Read who states trust in whom.

    Of repeated (source, subject) rows the latest counts, as endorsements replace each other: by
    time where there is one, else by line. Weight 0 withdraws.

    Args:
        path: as for `load_interactions`.
        columns: ``source=NAME,subject=NAME[,weight=NAME][,time=NAME]``. None:
            `tastemesh.sim.columns.default_endorsement_columns`.
        undirected: each line states trust both ways.
        skip_bad: count unreadable lines and go on, instead of raising.
        progress: called with the number of rows read.

    Returns:
        The distinct pairs, weight 1 where there is no weight column.

    Raises:
        UsageError: no such file, member or column.
        DataError: a bad line, with its number; or no row is left.
    """
    option = "--endorsement-columns"
    wanted = parse_columns(columns, ENDORSEMENT_FIELDS, option) if columns else None
    with open_table(path) as table:
        cells = _Cells(table, wanted, default_endorsement_columns)
        people: dict[str, int] = {}
        rows = _Rows(cells.column, ("source", "subject"), people, people, worthless=math.isnan)
        rows.read(cells, -math.inf, skip_bad, progress)
    source, subject = rows.first_array, rows.second_array
    weight, time_s = rows.weight_array, rows.time_array
    if undirected:
        source, subject = np.r_[source, subject], np.r_[subject, source]
        weight, time_s = np.r_[weight, weight], np.r_[time_s, time_s]
    order, pair = _pairs(source, subject, time_s if rows.dated else None)
    starts = _starts(pair)
    last = order[np.r_[starts[1:], len(order)] - 1]
    worthless = (source[last] == subject[last]) | (weight[last] == 0)
    last = np.sort(last[~worthless])
    if not len(last):
        raise DataError(str(path), 0, "no endorsement of another person with a weight is left")
    return Endorsements(
        ids=tuple(people),
        source=source[last],
        subject=subject[last],
        weight=weight[last].astype(np.float32),
        time_s=time_s[last] if rows.dated else None,
        counts=msgspec.structs.replace(
            rows.counts(cells, merged_count=len(order) - len(starts)),
            worthless_count=int(worthless.sum()),
            remarks=() if undirected else _one_way(source[last], subject[last]),
        ),
    )


def _one_way(source: NDArray[np.int32], subject: NDArray[np.int32]) -> tuple[str, ...]:
    """Say so where nobody is endorsed by whom he endorses, as where a friendship is listed once."""
    size = int(max(source.max(), subject.max())) + 1
    there = source.astype(np.int64) * size + subject
    back = subject.astype(np.int64) * size + source
    if len(source) < _ONE_WAY_ROWS or np.isin(there, back).any():
        return ()
    return (
        f"none of the {len(source):,} endorsements is returned: if each line is a friendship that "
        "goes both ways, add --undirected",
    )


def parse_time_s(cell: str) -> int:
    """Return the seconds since 1970 UTC that a cell states.

    Args:
        cell: seconds, or milli-, micro- or nanoseconds where seconds would lie past the year 5000;
            an ISO date or date and time, also with slashes or without any mark; UTC unless it says
            otherwise.

    Raises:
        ValueError: it is neither.

    >>> [parse_time_s(cell) for cell in ("1289241911.7", "1289241911728", "2010-11-08", "20101108")]
    [1289241911, 1289241911, 1289174400, 1289174400]
    """
    compact = len(cell) == 8 and cell.isdecimal() and "1990" <= cell[:4] < "2100"
    if not compact:
        try:
            value = float(cell)
        except ValueError:
            pass
        else:
            if not math.isfinite(value):
                raise ValueError(f"{cell!r} is no moment")
            for per_second, least in ((1e9, 1e17), (1e6, 1e14), (1e3, 1e11)):
                if abs(value) >= least:
                    return math.floor(value / per_second)
            return math.floor(value)
    moment = datetime.fromisoformat(cell.removesuffix(" UTC").replace("/", "-"))
    return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


class _Cells:
    """The data lines of a table, with its header taken off and its columns known."""

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
    return {at for at in range(width) if all(_is_time(row[at]) for row in rows)}


def _is_time(cell: str) -> bool:
    try:
        return EARLIEST_S <= parse_time_s(cell) < LATEST_S
    except (ValueError, OverflowError):
        return False


def _looks_headed(first: Sequence[str], second: Sequence[str] = ()) -> bool:
    """Tell whether the first line has words only, one of them above a number or a date."""
    return not any(_is_value(cell) for cell in first) and any(_is_value(cell) for cell in second)


def _is_value(cell: str) -> bool:
    return _is_number(cell) or _is_time(cell)


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


class _Rows:
    """Rows as they are read: two ids, a weight and a time each."""

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
        return np.array(self._first, dtype=np.int32)

    @property
    def second_array(self) -> NDArray[np.int32]:
        return np.array(self._second, dtype=np.int32)

    @property
    def weight_array(self) -> NDArray[np.float32]:
        return np.array(self._weight, dtype=np.float32)

    @property
    def time_array(self) -> NDArray[np.int64]:
        return np.array(self._time_s, dtype=np.int64)

    def read(
        self, cells: _Cells, min_weight: float, skip_bad: bool, progress: Progress | None
    ) -> None:
        """Take in every line; raise on the first bad one unless they are to be skipped."""
        for number, row in cells:
            self._read_count += 1
            try:
                self._add(row, min_weight)
            except ValueError as error:
                if not skip_bad:
                    raise DataError(cells.path, number, str(error)) from error
                self._bad_count += 1
                if len(self._problems) < _PROBLEMS_KEPT:
                    self._problems.append(f"line {number}: {error}")
            if progress is not None and self._read_count % _PROGRESS_ROWS == 0:
                progress(self._read_count)
        if not self._first:
            left_out = "; ".join(self.counts(cells, merged_count=0).notices()) or "no data lines"
            raise DataError(cells.path, 0, f"no row is left of {self._read_count}: {left_out}")

    def _add(self, row: Sequence[str], min_weight: float) -> None:
        column = self._column
        if len(row) < self._width:
            raise ValueError(f"expected at least {self._width} columns, found {len(row)}")
        first, second = row[column[self._fields[0]]], row[column[self._fields[1]]]
        if not first or not second:
            raise ValueError(f"the {self._fields[0 if not first else 1]} is empty")
        weight = _weight(row[column["weight"]]) if "weight" in column else 1.0
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

    def counts(self, cells: _Cells, merged_count: int) -> LoadCounts:
        return LoadCounts(
            columns=cells.described,
            read_count=self._read_count,
            bad_count=self._bad_count,
            out_of_time_count=self._out_of_time_count,
            weak_count=self._weak_count,
            worthless_count=self._worthless_count,
            merged_count=merged_count,
            problems=tuple(self._problems),
        )


def _check_item(item: str) -> None:
    try:
        check_statement(Interaction(item, "listen", WEIGHT_SCALE), Limits())
    except RemoteProtocolError as error:
        raise ValueError(error.detail) from None


def _weight(cell: str) -> float:
    try:
        weight = float(cell)
    except ValueError:
        raise ValueError(f"weight {shown(cell)} is not a number") from None
    if not math.isfinite(weight):
        raise ValueError(f"weight {shown(cell)} is not finite")
    if abs(weight) > _WEIGHT_MAX:
        raise ValueError(f"weight {shown(cell)} is beyond {_WEIGHT_MAX:g}")
    return weight


def _pairs(
    first: NDArray[np.int32], second: NDArray[np.int32], within: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return an order that puts equal pairs together (then by `within`), and the keys in it."""
    key = first.astype(np.int64) << 32 | second
    order = np.argsort(key, kind="stable") if within is None else np.lexsort((within, key))
    return order, key[order]


def _starts(key: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return where each run of equal keys begins."""
    return np.flatnonzero(np.r_[True, key[1:] != key[:-1]])


def _groups(key: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the number of each row's run of equal keys."""
    return np.cumsum(np.r_[False, key[1:] != key[:-1]])
