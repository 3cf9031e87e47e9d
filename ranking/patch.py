"""Some users' rows replaced, in both directions, by copying blocks.

A matrix of the window is kept by user and by item. When a few users' rows change, what stands of
the first is copied around the new rows, and in the second only single entries come and go. Where
each of them does is found once, for every array that goes with the entries.
"""

from typing import TypeVar

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tastemesh.ranking.products import Sparse, bisected

# With more entries that come and go than this, transposing anew is quicker than cutting around each
# (measured: at 200,000 entries the two meet at about 800).
_EDIT_LIMIT = 800

_Number = TypeVar("_Number", np.float32, np.int32)


class _Spans(msgspec.Struct, frozen=True, eq=False):
    """Where an array is cut: array[start[n]:stop[n]] makes room for length[n] new entries.

    Rising and disjoint.
    """

    start: list[int]
    stop: list[int]
    length: list[int]

    def filled(self, array: NDArray[_Number], new: NDArray[_Number]) -> NDArray[_Number]:
        """Return a copy with the new entries, one span's after the other's."""
        pieces: list[NDArray[_Number]] = []
        done = given = 0
        for start, stop, length in zip(self.start, self.stop, self.length, strict=True):
            pieces += [array[done:start], new[given : given + length]]
            done, given = stop, given + length
        return np.concatenate([*pieces, array[done:]])


class Turned(msgspec.Struct, frozen=True, eq=False):
    """The transpose of a pattern, made anew.

    Attributes:
        indptr: int32[items + 1].
        indices: int32[n].
        order: int32[n]; which entry by user each entry is.
    """

    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]
    order: NDArray[np.int32]

    @classmethod
    def of(cls, by_user: Sparse) -> "Turned":
        """Transpose the pattern of a matrix [users, items]."""
        entries = np.arange(len(by_user.indices), dtype=np.int32)
        arrays = (entries, by_user.indices, by_user.indptr)
        columns = sp.csr_array(arrays, shape=by_user.shape).tocsc()
        return cls(columns.indptr, columns.indices, columns.data)

    def carried(
        self, _old: NDArray[_Number], _fresh: NDArray[_Number], by_user: NDArray[_Number]
    ) -> NDArray[_Number]:
        """Return an array by item; see `Patch.along_items`."""
        return by_user[self.order]


class _Edited(msgspec.Struct, frozen=True, eq=False):
    """The transpose of a pattern, single entries of which came and went.

    Attributes:
        indptr: int32[items + 1].
        indices: int32[n].
        spans: where they did.
        set_at: where each new row's entry is.
    """

    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]
    spans: _Spans
    set_at: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        old: Sparse,
        gone: NDArray[np.int64],
        come: NDArray[np.int64],
        new: NDArray[np.int64],
    ) -> "_Edited":
        """Apply edits. A pair is one number, item * users + user.

        Args:
            old: CSR [items, users].
            gone: pairs that go.
            come: pairs that come.
            new: pairs of the new rows.
        """
        item_count, user_count = old.shape
        edits = np.concatenate([gone, come])
        order = np.argsort(edits, kind="stable")
        edits, comes = edits[order], order >= len(gone)
        place = bisected(old.indptr, old.indices, *np.divmod(edits, user_count))
        spans = _Spans(place.tolist(), (place + ~comes).tolist(), comes.tolist())
        growth = np.zeros(item_count + 1, dtype=np.int32)
        np.add.at(growth, edits // user_count + 1, np.where(comes, 1, -1))
        indptr = old.indptr + np.cumsum(growth, dtype=np.int32)
        indices = spans.filled(old.indices, (edits[comes] % user_count).astype(np.int32))
        set_at = bisected(indptr, indices, *np.divmod(new, user_count))
        return cls(indptr, indices, spans, set_at)

    def carried(
        self, old: NDArray[_Number], fresh: NDArray[_Number], _by_user: NDArray[_Number]
    ) -> NDArray[_Number]:
        """Return an array by item; see `Patch.along_items`."""
        edited = self.spans.filled(old, np.zeros(sum(self.spans.length), old.dtype))
        edited[self.set_at] = fresh
        return edited


class Patch(msgspec.Struct, frozen=True, eq=False):
    """What replacing some users' rows does to arrays that go with a matrix's entries.

    Attributes:
        rows: int32; the users, rising.
        items: int32; the items whose entries may have changed, rising.
        by_user: CSR [users, items]; the new one.
        by_item: the pattern of its transpose.
    """

    rows: NDArray[np.int32]
    items: NDArray[np.int32]
    by_user: Sparse
    by_item: Turned | _Edited
    _spans: _Spans

    @classmethod
    def of(
        cls, by_user: Sparse, by_item: Sparse, rows: NDArray[np.int32], fresh: Sparse
    ) -> "Patch":
        """Find what is to be done.

        Args:
            by_user: as it was; may have fewer users and items than `fresh`.
            by_item: its transpose.
            rows: the users to replace, rising, at least one.
            fresh: CSR [users, items] in which only these rows have entries.
        """
        user_count, item_count = fresh.shape
        by_user, by_item = _widened(by_user, fresh.shape), _widened(by_item, fresh.shape[::-1])
        start, stop = by_user.indptr[rows], by_user.indptr[rows + 1]
        length = fresh.indptr[rows + 1] - fresh.indptr[rows]
        spans = _Spans(start.tolist(), stop.tolist(), length.tolist())
        growth = np.zeros(user_count + 1, dtype=np.int32)
        growth[rows + 1] = length - (stop - start)
        replaced = csr(
            spans.filled(by_user.data, fresh.data),
            spans.filled(by_user.indices, fresh.indices),
            by_user.indptr + np.cumsum(growth, dtype=np.int32),
            item_count,
        )
        gone = [by_user.indices[a:b] for a, b in zip(spans.start, spans.stop, strict=True)]
        before = np.concatenate(gone)
        touched = np.zeros(item_count, dtype=np.bool_)
        touched[before] = touched[fresh.indices] = True
        items = np.flatnonzero(touched).astype(np.int32)
        old = np.repeat(rows.astype(np.int64), stop - start) * item_count + before
        new = np.repeat(rows.astype(np.int64), length) * item_count + fresh.indices
        goes, comes = ~_within(old, new), ~_within(new, old)
        if np.count_nonzero(goes) + np.count_nonzero(comes) > _EDIT_LIMIT:
            return cls(rows, items, replaced, Turned.of(replaced), spans)
        turned = (_turned_pairs(part, fresh.shape) for part in (old[goes], new[comes], new))
        return cls(rows, items, replaced, _Edited.of(by_item, *turned), spans)

    def along_users(self, old: NDArray[_Number], fresh: NDArray[_Number]) -> NDArray[_Number]:
        """Return an array that goes with the entries by user, with the new rows' in place."""
        return self._spans.filled(old, fresh)

    def along_items(
        self, old: NDArray[_Number], fresh: NDArray[_Number], by_user: NDArray[_Number]
    ) -> NDArray[_Number]:
        """Return an array that goes with the entries by item.

        Args:
            old: as it was.
            fresh: what goes with the new rows' entries, by user.
            by_user: all of it by user; what `along_users` made of the same.
        """
        return self.by_item.carried(old, fresh, by_user)


def csr(
    data: NDArray[np.float32], indices: NDArray[np.int32], indptr: NDArray[np.int32], width: int
) -> Sparse:
    """Return a matrix of arrays whose columns rise within each line, one entry a pair."""
    matrix: Sparse = sp.csr_array((data, indices, indptr), shape=(len(indptr) - 1, width))
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix


def transposed(matrix: Sparse) -> Sparse:
    """Return the transpose, by lines again."""
    columns = matrix.tocsc()
    return csr(columns.data, columns.indices, columns.indptr, matrix.shape[0])


def _widened(matrix: Sparse, shape: tuple[int, int]) -> Sparse:
    missing = shape[0] - matrix.shape[0]
    indptr = np.concatenate([matrix.indptr, np.full(missing, matrix.indptr[-1], dtype=np.int32)])
    return csr(matrix.data, matrix.indices, indptr, shape[1])


def _turned_pairs(pairs: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return the numbers of pairs in the order by item of those by user."""
    user, item = np.divmod(pairs, shape[1])
    return item * shape[0] + user


def _within(pairs: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which numbers are among others, both rising."""
    if not len(others):
        return np.zeros(len(pairs), dtype=np.bool_)
    at = np.searchsorted(others, pairs)
    at[at == len(others)] = 0
    found: NDArray[np.bool_] = others[at] == pairs
    return found
