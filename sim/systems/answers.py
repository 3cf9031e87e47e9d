"""What systems answer, looked at: one that somebody brought may answer anything."""

from typing import Annotated, Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.sim.interactions import Interactions
from tastemesh.sim.systems.system import Parameters

GRID_MOST = 9  # settings a system may try: a 3 by 3 grid; guess

_Grid: TypeAlias = Annotated[
    list[dict[str, bool | int | float | str]],
    msgspec.Meta(min_length=1, max_length=GRID_MOST),
]


def checked_grid(name: str, grid: Any) -> list[Parameters]:
    """Return what a system's `grid` gave.

    Args:
        name: of the system, for the message.
        grid: what it gave.

    Raises:
        UsageError: it is none, or has what could not be told at the end: no number and no text.
    """
    try:
        return [*msgspec.convert(grid, _Grid)]
    except msgspec.ValidationError as error:
        expected = f"1 to {GRID_MOST} settings, dictionaries of numbers and texts by name"
        raise UsageError(f"{name}: its `grid` gives no {expected}: {error}") from None


def checked_lists(
    name: str, ranked: Any, users: NDArray[np.int32], k: int, train: Interactions
) -> NDArray[np.int32]:
    """Return what a system's `rank` gave.

    Args:
        name: of the system, for the message.
        ranked: what it gave.
        users: for whom.
        k: how many items it was asked for.
        train: what it was fitted on.

    Raises:
        UsageError: these are no lists of that length, or one has what is no item, an item twice or
            one that its user holds.
    """
    shape = (len(users), k)
    if not isinstance(ranked, np.ndarray) or ranked.dtype != np.int32 or ranked.shape != shape:
        kind = getattr(ranked, "dtype", type(ranked).__name__)
        raise UsageError(
            f"{name}: its `rank` gave {kind}, shape {_shape(ranked)}; expected int32, "
            f"shape {[*shape]}"
        )
    item_count = len(train.item_ids)
    least, most = ranked.min(initial=-1), ranked.max(initial=-1)
    if least < -1 or most >= item_count:
        raise UsageError(
            f"{name}: its `rank` gave {least if least < -1 else most}; expected items, 0 to "
            f"{item_count - 1}, and -1 where a list ends early"
        )
    in_order = np.sort(ranked, axis=1)
    is_twice = (in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] >= 0)
    _refuse(name, users, is_twice, in_order[:, 1:], "twice; expected each once")
    is_after = (ranked[:, 1:] >= 0) & (ranked[:, :-1] < 0)
    _refuse(name, users, is_after, ranked[:, 1:], "after -1; expected -1 at the end alone")
    rows = np.isin(train.user, users)
    held = train.user[rows].astype(np.int64) * item_count + train.item[rows]
    is_own = np.isin(users.astype(np.int64)[:, None] * item_count + ranked, held) & (ranked >= 0)
    _refuse(name, users, is_own, ranked, "which this user holds; expected none of those")
    return ranked


def _refuse(
    name: str,
    users: NDArray[np.int32],
    is_wrong: NDArray[np.bool_],
    items: NDArray[np.int32],
    why: str,
) -> None:
    if is_wrong.any():
        row, column = np.argwhere(is_wrong)[0]
        raise UsageError(
            f"{name}: its `rank` gave user {users[row]} item {items[row, column]} {why}"
        )


def _shape(ranked: Any) -> str:
    try:
        return str([*np.shape(ranked)])
    except ValueError:  # lists of several lengths
        return "of several lengths"
