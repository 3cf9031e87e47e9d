"""Any table with an item a line: CSV or TSV, plain, gzipped or zipped."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from tastemesh.errors import UsageError
from tastemesh.node.imports import items
from tastemesh.node.imports.history import Listen, Reading
from tastemesh.sim.columns import INTERACTION_FIELDS, find_columns, is_common_header, recognise
from tastemesh.sim.delimited import open_table, shown
from tastemesh.sim.table_cells import parse_time_s

_FIELDS = ("item", "weight", "time")


def read(path: Path, reading: Reading, columns: str | None = None) -> Iterator[Listen]:
    """Give the lines of a table as listens; without a time column they have no date.

    Args:
        path: the file, or ``archive.zip!member``.
        reading: takes what is left out.
        columns: ``item=NAME[,time=NAME][,weight=NAME]`` with headers or 1-based positions; None:
            common headers are recognised, else the order is item, time.

    Raises:
        UsageError: no such file or column.
        DataError: a line is bad.
    """
    wanted = _wanted(columns) if columns else None
    with open_table(path, narrow=True) as table:
        column: dict[str, int] = {}
        for line, cells in table:
            if not column:
                headed = is_common_header(cells) or (
                    wanted is not None and not all(name.isdecimal() for name in wanted.values())
                )
                column = _columns(wanted, cells if headed else None, len(cells))
                if headed:
                    continue
            yield from _listen(str(path), line, cells, column, reading)


def _wanted(text: str) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for part in text.split(","):
        field, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not name or field not in _FIELDS or field in wanted:
            raise UsageError(
                f"--columns: {part.strip()!r}; expected item=NAME, time=NAME or weight=NAME, once"
            )
        wanted[field] = name
    if "item" not in wanted:
        raise UsageError(f"--columns: item=NAME is missing from {text!r}")
    return wanted


def _columns(
    wanted: dict[str, str] | None, header: Sequence[str] | None, width: int
) -> dict[str, int]:
    if wanted is not None:
        return find_columns(wanted, header, width)
    if header is None:
        return {"item": 0, "time": 1} if width > 1 else {"item": 0}
    found = recognise(header, INTERACTION_FIELDS)
    if "item" not in found:
        raise UsageError(
            f"no column is headed as an item; it has {', '.join(header)}; see --columns"
        )
    return {field: found[field] for field in _FIELDS if field in found}


def _listen(
    path: str, line: int, cells: Sequence[str], column: dict[str, int], reading: Reading
) -> Iterator[Listen]:
    if max(column.values()) >= len(cells):
        reading.fault(path, line, f"{len(cells)} columns; expected {max(column.values()) + 1}")
        return
    item = items.of_anything(cells[column["item"]])
    if not item or len(item.encode()) > items.ITEM_BYTES or not item.isprintable():
        reading.fault(
            path, line, "expected an item id of 1 to 256 bytes without control characters"
        )
        return
    dated = cells[column["time"]] if "time" in column else ""
    weighed = cells[column["weight"]] if "weight" in column else "1"
    try:
        time_s = parse_time_s(dated) if dated else None
    except ValueError:
        hint = "; if this is a header, name its columns with --columns" if line == 1 else ""
        problem = f"time {shown(dated)} is neither seconds nor an ISO date{hint}"
        reading.fault(path, line, problem)
        return
    try:
        weight = float(weighed)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        reading.fault(path, line, f"weight {shown(weighed)} is not a number")
        return
    if weight > 0:
        yield Listen(item, time_s, weight)
    else:
        reading.left_out["of weight 0 or less"] += 1
