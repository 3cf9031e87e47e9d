"""Mass that users pass on to what they took up no earlier than where it came from.

Two kernels give the same sums to the bit: each user's are made in the order of time, and added in
the order of the users.
"""

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.products import Sparse, is_compiled


def spread_forward(
    by_user: Sparse,
    taken_s: NDArray[np.int32],
    at_items: NDArray[np.float64],
    voices: NDArray[np.float64],
    *,
    compiled: bool | None = None,
) -> NDArray[np.float64]:
    """Return what users pass on to what they took up no earlier than where it came from.

    Args:
        by_user: CSR [users, items].
        taken_s: int32[entries]; when each was taken up, seconds from 0 on.
        at_items: float64[items]; a, of any sign. Time goes by how many are not 0.
        voices: float64[users]; c.
        compiled: which kernel; None for numba's where it is installed.

    Returns:
        float64[items]; sum_v c(v) w(v, j) sum over what v took up with j, or before it, of a(i)
        w(v, i).
    """
    if is_compiled(compiled):
        from tastemesh.ranking.forward_kernel import spread_forward as compiled_spread

        return compiled_spread(by_user, taken_s, at_items, voices)
    user = np.repeat(np.arange(len(voices)), np.diff(by_user.indptr))
    came = at_items[by_user.indices] * by_user.data
    brought = np.flatnonzero((came != 0.0) & (voices != 0.0)[user])
    brought = brought[np.argsort(user[brought] << 31 | taken_s[brought], kind="stable")]
    if not len(brought):
        return np.zeros(by_user.shape[1])
    key = user[brought] << 31 | taken_s[brought]
    passed = _running(came[brought], user[brought])
    entries = np.flatnonzero(np.isin(user, user[brought]))
    last = np.searchsorted(key, user[entries] << 31 | taken_s[entries], side="right") - 1
    is_own = (last >= 0) & (user[brought][last] == user[entries])
    onward = np.where(is_own, passed[last], 0.0)
    amount = voices[user[entries]] * by_user.data[entries] * onward
    return np.bincount(by_user.indices[entries], amount, by_user.shape[1]).astype(np.float64)


def _running(values: NDArray[np.float64], user: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each user's sums up to each of his values, as they depend on nobody else's."""
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    counts = np.diff(starts, append=len(user))
    summed = values.copy()
    for nth in range(1, int(counts.max())):
        at = starts[counts > nth] + nth
        summed[at] += summed[at - 1]
    return summed
