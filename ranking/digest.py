"""A window's content as 32 bytes: two nodes that hold the same say the same."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.columns import Interactions


def content_digest(
    rows: Interactions, users: Sequence[bytes | None], items: Sequence[str | None]
) -> bytes:
    """Return 32 bytes that depend on the interactions' content alone.

    Neither the order of arrival, nor numbers, nor record numbers matter.

    Args:
        rows: the living ones.
        users: id of each user's number; None for one that is free.
        items: id of each item's number; None for one that is free.
    """
    user_ids, user_rank = _ranked(users, rows.user)
    names = [None if item is None else item.encode() for item in items]
    item_ids, item_rank = _ranked(names, rows.item)
    order = np.lexsort((rows.weight, rows.time_s, item_rank, user_rank))
    content = hashlib.blake2b(digest_size=32)
    for part in (*user_ids, *item_ids):
        content.update(len(part).to_bytes(4, "little") + part)
    for column in (user_rank, item_rank, rows.time_s, rows.weight):
        content.update(column[order].astype(column.dtype.newbyteorder("<")).tobytes())
    return content.digest()


def _ranked(
    names: Sequence[bytes | None], column: NDArray[np.int32]
) -> tuple[list[bytes], NDArray[np.int32]]:
    """Return the ids in a column, rising, and the column as ranks among them."""
    used, place = np.unique(column, return_inverse=True)
    ids = [name for number in used.tolist() if (name := names[number]) is not None]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    rank = np.empty(len(ids), dtype=np.int32)
    rank[order] = np.arange(len(ids), dtype=np.int32)
    return [ids[n] for n in order], rank[place]
