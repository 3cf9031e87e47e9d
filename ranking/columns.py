"""Columns of interactions: one row each, in the order of arrival."""

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tastemesh.errors import UsageError

NUMBER_MAX = np.iinfo(np.int32).max
_FIRST_CAPACITY = 1_024


class Interactions(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The living rows in the order of arrival, n of them.

    Attributes:
        user: int32[n]; user numbers.
        item: int32[n]; item numbers.
        weight: float32[n]; in (0, 1].
        time_s: int32[n]; when it happened, seconds since 1970.
        record: int32[n]; number of the record that says so; never falls: the order of arrival.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    weight: NDArray[np.float32]
    time_s: NDArray[np.int32]
    record: NDArray[np.int32]


NOTHING = Interactions(
    user=np.empty(0, dtype=np.int32),
    item=np.empty(0, dtype=np.int32),
    weight=np.empty(0, dtype=np.float32),
    time_s=np.empty(0, dtype=np.int32),
    record=np.empty(0, dtype=np.int32),
)
NOBODY = np.empty(0, dtype=np.int32)


def checked_values(
    count: int, weights: ArrayLike, times_s: ArrayLike
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Check and convert what comes with some items.

    Args:
        count: number of items.
        weights: in (0, 1], one for all or one each.
        times_s: 0 to 2^31 - 1 seconds, one for all or one each.

    Returns:
        (float32 weights, int32 times), of shape [] or [count].

    Raises:
        UsageError: a shape or a value is wrong.
    """
    weight = np.asarray(weights, dtype=np.float32)
    time_s = np.asarray(times_s)
    for name, values in (("weights", weight), ("times_s", time_s)):
        if values.shape not in ((), (count,)):
            raise UsageError(f"{name} of shape {values.shape}; expected one, or {count}")
    if count and not (weight.min() > 0 and weight.max() <= 1):
        raise UsageError(f"weights from {weight.min()} to {weight.max()}; expected above 0, to 1")
    if count and not (time_s.min() >= 0 and time_s.max() <= NUMBER_MAX):
        raise UsageError(f"times_s from {time_s.min()} to {time_s.max()}; expected 0 to 2^31 - 1")
    return weight, time_s.astype(np.int32)


def checked_numbers(
    user_count: int, item_count: int, record_nos: ArrayLike, last: int
) -> NDArray[np.int32]:
    """Check and convert the record numbers that come with users and items, one each.

    Args:
        user_count: number of users.
        item_count: number of items.
        record_nos: never falling.
        last: the last one used before.

    Raises:
        UsageError: there are not as many of each, or a number is wrong.
    """
    numbers = np.asarray(record_nos, dtype=np.int64)
    if user_count != item_count or numbers.shape != (item_count,):
        raise UsageError(
            f"{user_count} users, {item_count} items, {numbers.size} record numbers; expected"
            " as many of each"
        )
    if len(numbers) and (numbers[0] <= last or (np.diff(numbers) < 0).any()):
        raise UsageError("record_nos; expected numbers that never fall, above earlier ones")
    if len(numbers) and numbers[-1] > NUMBER_MAX:
        raise UsageError(f"record_nos up to {numbers[-1]}; expected below 2^31")
    return numbers.astype(np.int32)


def grown(columns: Interactions, used: int, needed: int) -> Interactions:
    """Copy the rows in use to columns with room for `needed` rows and an eighth more.

    Doubling would leave up to half of the memory unused. So appending moves a row 9 times on
    average, which takes 0.1 us.
    """
    room = max(_FIRST_CAPACITY, needed + needed // 8)
    wider = {}
    for name in Interactions.__struct_fields__:
        column = getattr(columns, name)
        wider[name] = np.zeros(room, dtype=column.dtype)
        wider[name][:used] = column[:used]
    return Interactions(**wider)


def leading(columns: Interactions, count: int) -> Interactions:
    """Return the first rows, as views."""
    return Interactions(
        user=columns.user[:count],
        item=columns.item[:count],
        weight=columns.weight[:count],
        time_s=columns.time_s[:count],
        record=columns.record[:count],
    )


def living(columns: Interactions, without: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell which rows are not marked as dead, and are not of certain users.

    Args:
        columns: rows, dead ones among them.
        without: numbers of the users.
    """
    lives: NDArray[np.bool_] = columns.weight > 0
    return lives & ~np.isin(columns.user, without) if len(without) else lives


def rows_of(record_no: int, records: NDArray[np.int32]) -> slice:
    """Return where a record's rows are.

    Args:
        record_no: its number.
        records: of all rows, never falling.
    """
    if not 0 <= record_no <= NUMBER_MAX:
        return slice(0, 0)
    # As the column's type, or all of it is converted first: 190 us for 200,000, instead of 2.
    number = np.int32(record_no)
    return slice(int(records.searchsorted(number)), int(records.searchsorted(number, "right")))


def renumber_rows(records: NDArray[np.int32], numbers: NDArray[np.int32]) -> None:
    """Put the places of records' numbers in their stead: of dead rows, of the next that is held.

    Args:
        records: of all rows, never falling; written over.
        numbers: those that are held, rising.
    """
    # No dead row behind the last gets a number that is still to come.
    records[:] = np.minimum(np.searchsorted(numbers, records), len(numbers) - 1)


def rises(
    columns: Interactions, without: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the newest date so far where it rose, in the order of arrival.

    Args:
        columns: rows, dead ones among them.
        without: numbers of users whose rows do not count.

    Returns:
        (seconds since 1970, rising; the record numbers with which it rose).
    """
    dates_s = np.where(living(columns, without), columns.time_s, np.int32(-1))
    newest_s = np.maximum.accumulate(dates_s)
    has_risen = np.empty(len(newest_s), np.bool_)
    has_risen[:1] = newest_s[:1] > -1
    np.greater(newest_s[1:], newest_s[:-1], out=has_risen[1:])  # a tenth of what `np.diff` takes
    risen = np.flatnonzero(has_risen)
    return newest_s[risen], columns.record[risen]


def selected(columns: Interactions, rows: NDArray[np.intp]) -> Interactions:
    """Return some rows, as copies."""
    return Interactions(
        user=columns.user[rows],
        item=columns.item[rows],
        weight=columns.weight[rows],
        time_s=columns.time_s[rows],
        record=columns.record[rows],
    )
