"""How good ranked lists are: accuracy, spread over the catalogue, and error bars.

Lists are int32 arrays of shape [users, length], best first, padded with -1 at the end. What is
relevant is a CSR matrix of shape [users, items] whose stored entries are the held-out items;
weights are ignored. Every metric gives one value a user (float64), except the two that describe all
lists together.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

_RESAMPLES_AT_ONCE = 50  # bounds the memory of the bootstrap at 50 counts a user


def hits(ranked: NDArray[np.int32], relevant: csr_array) -> NDArray[np.bool_]:
    """Tell which listed items are relevant.

    Args:
        ranked: items, shape [users, length], -1 where a list is shorter.
        relevant: shape [users, items]; user r's relevant items are the stored columns of row r.

    Returns:
        bool, shape [users, length].
    """
    users, length = ranked.shape
    width = relevant.shape[1] + 1  # one more column, which nothing is stored in, for the padding
    held = np.repeat(np.arange(users), np.diff(relevant.indptr)) * width + relevant.indices
    listed = np.arange(users)[:, None] * width + np.where(ranked < 0, width - 1, ranked)
    found: NDArray[np.bool_] = np.isin(listed.ravel(), held).reshape(users, length)
    return found


def ndcg(
    hit: NDArray[np.bool_], relevant_count: NDArray[np.integer], k: int
) -> NDArray[np.float64]:
    """Return the normalised discounted cumulative gain at k (Järvelin and Kekäläinen 2002).

    Gain 1 for a relevant item at rank r (from 1), divided by log2(r + 1); the ideal list has
    min(k, relevant) such items at its head.

    Args:
        hit: from `hits`, at least k long or padded.
        relevant_count: relevant items of each user, shape [users].
        k: list length that counts.

    Returns:
        Shape [users], in [0, 1]; 0 where nothing is relevant.
    """
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    gained = hit[:, :k] @ discount[: hit.shape[1]]
    ideal = np.r_[0.0, np.cumsum(discount)][np.minimum(relevant_count, k)]
    score: NDArray[np.float64] = np.divide(
        gained, ideal, out=np.zeros(len(hit)), where=relevant_count > 0
    )
    return score


def recall(
    hit: NDArray[np.bool_], relevant_count: NDArray[np.integer], k: int
) -> NDArray[np.float64]:
    """Return the share of the relevant items that are among the first k.

    Args:
        hit: from `hits`.
        relevant_count: relevant items of each user, shape [users].
        k: list length that counts.

    Returns:
        Shape [users], in [0, 1]; 0 where nothing is relevant.
    """
    found = hit[:, :k].sum(axis=1)
    score: NDArray[np.float64] = np.divide(
        found, relevant_count, out=np.zeros(len(hit)), where=relevant_count > 0
    )
    return score


def item_coverage(ranked: NDArray[np.int32], k: int, item_count: int) -> float:
    """Return the share of a catalogue that stands in somebody's first k, in [0, 1].

    Args:
        ranked: shape [users, length].
        k: list length that counts.
        item_count: size of the catalogue, above 0.
    """
    return int((_exposure(ranked, k, item_count) > 0).sum()) / item_count


def gini(ranked: NDArray[np.int32], k: int, catalogue: NDArray[np.integer] | int) -> float:
    """Return the Gini coefficient of the items' exposure in the first k.

    0: every item of the catalogue is listed equally often; towards 1: one item fills all lists.

    Args:
        ranked: shape [users, length].
        k: list length that counts.
        catalogue: the items that could be listed, or how many there are, above 0.

    Returns:
        In [0, 1); 0 where nothing is listed.
    """
    items = np.arange(catalogue) if isinstance(catalogue, int) else np.asarray(catalogue)
    counts = np.sort(_exposure(ranked, k, int(items.max()) + 1)[items])
    total = int(counts.sum())
    if total == 0:
        return 0.0
    n = len(counts)
    rank = np.arange(1, n + 1)
    return float((2 * rank - n - 1) @ counts / (n * total))


def list_overlap(
    ranked: NDArray[np.int32], reference: NDArray[np.int32], k: int
) -> NDArray[np.float64]:
    """Return the share of each list's first k that is in the reference list's first k.

    With the popularity ranking (without what the user owns) as the reference this is the popularity
    overlap: 1 means that a list says nothing but what is popular.

    Args:
        ranked: shape [users, length].
        reference: shape [users, length], for the same users.
        k: list length that counts.

    Returns:
        Shape [users], in [0, 1]; 0 for an empty list.
    """
    listed, popular = ranked[:, :k], reference[:, :k]
    shared = ((listed[:, :, None] == popular[:, None, :]) & (listed[:, :, None] >= 0)).any(axis=2)
    size = (listed >= 0).sum(axis=1)
    return np.asarray(shared.sum(axis=1) / np.maximum(size, 1), dtype=np.float64)


def novelty(
    ranked: NDArray[np.int32], holders: NDArray[np.integer], user_count: int, k: int
) -> NDArray[np.float64]:
    """Return the mean self-information of each list's first k, in bits.

    An item that n of N users hold carries log2(N / n) bits (Zhou et al. 2010, PNAS 107,
    "surprisal").

    Args:
        ranked: shape [users, length].
        holders: users who hold each item, shape [items]; an item nobody holds counts as held by
            one.
        user_count: number of users, above 0.
        k: list length that counts.

    Returns:
        Shape [users]; 0 for an empty list.
    """
    bits = np.log2(user_count / np.maximum(holders, 1))
    listed = ranked[:, :k]
    total = np.where(listed >= 0, bits[listed], 0.0).sum(axis=1)
    return np.asarray(total / np.maximum((listed >= 0).sum(axis=1), 1), dtype=np.float64)


def bootstrap_means(
    values: NDArray[np.float64], rng: np.random.Generator, resamples: int = 1000
) -> NDArray[np.float64]:
    """Return the means of resampled users, the same users for every row (paired bootstrap).

    Args:
        values: one row a method, one column a user; shape [methods, users], users above 0.
        rng: source of the resampling.
        resamples: 1,000 puts the ends of a 95 % interval within 0.1 standard errors (Efron and
            Tibshirani 1993, section 19.3).

    Returns:
        Shape [methods, resamples].
    """
    user_count = values.shape[1]
    share = np.full(user_count, 1 / user_count)
    means = np.empty((values.shape[0], resamples))
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        stop = min(start + _RESAMPLES_AT_ONCE, resamples)
        drawn = rng.multinomial(user_count, share, size=stop - start)
        means[:, start:stop] = values @ drawn.T / user_count
    return means


def interval95(means: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 2.5 % and 97.5 % quantiles of resampled means (percentile interval)."""
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _exposure(ranked: NDArray[np.int32], k: int, item_count: int) -> NDArray[np.intp]:
    """Return how often each item stands in a list's first k, shape [item_count or more]."""
    listed = ranked[:, :k]
    return np.bincount(listed[listed >= 0], minlength=item_count)
