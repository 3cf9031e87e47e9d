"""Identities as small numbers, each for as long as something names it."""

import numpy as np
from numpy.typing import NDArray


class Identities:
    """Who is named, by index; an index that nothing uses any more is given out again.

    Attributes:
        ids: identity of each index; empty bytes where an index is free.
        index: the index of each identity.
    """

    __slots__ = ("_free", "_names", "_ranks", "_uses", "ids", "index")

    def __init__(self) -> None:
        self.ids: list[bytes] = []
        self.index: dict[bytes, int] = {}
        self._uses: list[int] = []
        self._free: list[int] = []
        self._names: tuple[bytes, ...] | None = None
        self._ranks: NDArray[np.int64] | None = None

    @property
    def names(self) -> tuple[bytes, ...]:
        """Identity of each index; the same object until an identity comes or goes."""
        if self._names is None:
            self._names = tuple(self.ids)
        return self._names

    @property
    def ranks(self) -> NDArray[np.int64]:
        """Place of each index among the ids, by their bytes; int64, one for each index."""
        if self._ranks is None:
            count = len(self.ids)
            self._ranks = np.empty(count, np.int64)
            self._ranks[sorted(range(count), key=self.ids.__getitem__)] = np.arange(count)
        return self._ranks

    def use(self, identity: bytes) -> int:
        """Return an identity's index, which stays its own until as many uses are released."""
        index = self.index.get(identity)
        if index is None:
            index = self._name(identity)
        self._uses[index] += 1
        return index

    def release(self, index: int) -> None:
        """Take one use back."""
        self._uses[index] -= 1
        if self._uses[index] == 0:
            del self.index[self.ids[index]]
            self.ids[index] = b""
            self._free.append(index)
            self._ranks = self._names = None

    def _name(self, identity: bytes) -> int:
        self._ranks = self._names = None
        if self._free:
            index = self._free.pop()
            self.ids[index] = identity
        else:
            index = len(self.ids)
            self.ids.append(identity)
            self._uses.append(0)
        self.index[identity] = index
        return index
