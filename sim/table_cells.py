"""What one cell of a table says: a number, a weight, a moment."""

import math
from datetime import UTC, datetime

from tastemesh.sim.delimited import shown

EARLIEST_S = 631_152_000  # 1990-01-01: before it nobody's listening was logged; HetRec has 1956
LATEST_S = 4_102_444_800  # 2100-01-01
_WEIGHT_MAX = 1e30  # kept in single precision, which ends at 3e38; sums of all rows must fit


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


def is_time(cell: str) -> bool:
    """Tell whether a cell has a time that can be: no rating, no play count."""
    try:
        return EARLIEST_S <= parse_time_s(cell) < LATEST_S
    except (ValueError, OverflowError):
        return False


def is_value(cell: str) -> bool:
    """Tell whether a cell has a number or a time."""
    return _is_number(cell) or is_time(cell)


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def parse_weight(cell: str) -> float:
    """Return the weight that a cell states.

    Raises:
        ValueError: it is no number, or beyond what single precision can sum; says so.
    """
    try:
        weight = float(cell)
    except ValueError:
        raise ValueError(f"weight {shown(cell)} is not a number") from None
    if not math.isfinite(weight):
        raise ValueError(f"weight {shown(cell)} is not finite")
    if abs(weight) > _WEIGHT_MAX:
        raise ValueError(f"weight {shown(cell)} is beyond {_WEIGHT_MAX:g}")
    return weight
