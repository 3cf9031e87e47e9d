"""Ids as small numbers, given back when nothing needs them."""

from collections.abc import Hashable, Sequence
from itertools import repeat
from typing import Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError

_Id = TypeVar("_Id", bound=Hashable)


class Numbers(Generic[_Id]):
    """Ids as small numbers; a released number is given out again."""

    def __init__(self) -> None:
        self.ids: list[_Id | None] = []
        self.of: dict[_Id, int] = {}
        self._free: list[int] = []

    def intern(self, ids: Sequence[_Id]) -> list[int]:
        """Return a number for each id, new ones where needed."""
        numbers = list(map(self.of.get, ids))
        place = 0
        for _ in range(numbers.count(None)):  # few, as a rule: the others pass at C's speed
            place = numbers.index(None, place)
            number = self.of.get(ids[place])  # it may be new twice
            numbers[place] = self._add(ids[place]) if number is None else number
        return cast(list[int], numbers)

    def known(self, ids: Sequence[_Id]) -> NDArray[np.int32]:
        """Return int32 numbers, -1 for an unknown id."""
        return np.fromiter(map(self.of.get, ids, repeat(-1)), np.int32, len(ids))

    def release(self, unused: NDArray[np.intp]) -> bool:
        """Take back numbers; tell whether any was in use."""
        released = False
        for number in unused.tolist():
            held = self.ids[number]
            if held is not None:
                del self.of[held]
                self.ids[number] = None
                self._free.append(number)
                released = True
        return released

    def name(self, number: int) -> _Id:
        """Return the id with this number."""
        name = self.ids[number] if 0 <= number < len(self.ids) else None
        if name is None:
            raise UsageError(f"number {number}; expected one that an interaction in the view has")
        return name

    def names(self, numbers: Sequence[int]) -> tuple[_Id, ...]:
        """Return the ids with some numbers."""
        if min(numbers, default=0) >= 0 and max(numbers, default=-1) < len(self.ids):
            names = tuple(map(self.ids.__getitem__, numbers))
            if None not in names:
                return cast(tuple[_Id, ...], names)
        return tuple(map(self.name, numbers))  # says which is wrong

    def _add(self, new: _Id) -> int:
        if self._free:
            number = self._free.pop()
            self.ids[number] = new
        else:
            number = len(self.ids)
            self.ids.append(new)
        self.of[new] = number
        return number
