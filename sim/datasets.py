"""Reading people's own files: interactions and endorsements in any usual table.

Nothing is left out silently: what a loader skips, drops or merges is counted in the result's
``counts``. Rows are streamed; memory is 20 bytes a row and the distinct ids.
"""

import math
from pathlib import Path

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
    parse_columns,
)
from tastemesh.sim.delimited import open_table
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.table_rows import DataLines, Progress, Rows

_WEIGHT_LEAST = 1e-30  # single precision makes nothing of 1e-46, and a user of nothing divides by 0
_LONE_ROWS = 20  # fewer may well be of different items; guess
_ONE_WAY_ROWS = 100  # so many people of whom no two endorse each other are rare; guess


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
        lines = DataLines(table, wanted, default_interaction_columns)
        if min_weight is not None and "weight" not in lines.column:
            raise UsageError(f"--min-weight: {path} has no weight column; name it with --columns")
        rows = Rows(
            lines.column,
            ("user", "item"),
            {},
            {},
            worthless=lambda weight: weight < _WEIGHT_LEAST,
            check=_check_item if for_nodes else None,
        )
        rows.read(lines, -math.inf if min_weight is None else min_weight, skip_bad, progress)
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
            rows.counts(lines, merged_count=len(pair) - len(first)),
            remarks=_lone_items(rows.second_array, lines.described),
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
        lines = DataLines(table, wanted, default_endorsement_columns)
        people: dict[str, int] = {}
        rows = Rows(lines.column, ("source", "subject"), people, people, worthless=math.isnan)
        rows.read(lines, -math.inf, skip_bad, progress)
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
            rows.counts(lines, merged_count=len(order) - len(starts)),
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


def _check_item(item: str) -> None:
    try:
        check_statement(Interaction(item, "listen", WEIGHT_SCALE), Limits())
    except RemoteProtocolError as error:
        raise ValueError(error.detail) from None


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
