"""Trust by similarity of taste, as Web3Recommend starts its trust graph.

Madhwal and Pouwelse (2023), as their code has it.

An affinity is a user's weight for an item divided by the sum of the user's weights. For two users
with common items C:

- ``pcc``: sum over C of the products of deviations from each user's own mean, divided by the
  product of the two sums of absolute deviations over C. (Not Pearson's coefficient, which divides
  by roots of sums of squares; their rule.)
- ``rdci``: 1 - mean over C of the absolute difference / (largest - smallest affinity in C); 0 where
  these are equal.
- ``similarity = (|C| / largest |C| among the candidates) * pcc / 2 + rdci / 2``; trust is 1 +
  similarity.

Candidates share at least two items. It is what any copy of a history obtains for nothing: of use as
a yardstick only.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

TRUSTED_COUNT = 5  # out-edges of a user, their rule
_LEAST_COMMON = 2  # their test network


def affinities(
    users: NDArray[np.int32], weight: NDArray[np.float32], user_count: int
) -> NDArray[np.float64]:
    """Return each row's weight divided by the sum of its user's weights.

    Args:
        users: user of each row.
        weight: weight of each row, above 0.
        user_count: number of users.
    """
    total = np.bincount(users, weights=weight, minlength=user_count)
    return np.asarray(weight / total[users], dtype=np.float64)


def most_similar(affinity: csr_array) -> csr_array:
    """Return each user's five most similar users.

    Args:
        affinity: CSR float64, shape [users, items], each row's sum 1.

    Returns:
        CSR float64, shape [users, users]: trust in (0, 2], up to five entries a row.
    """
    user_count = affinity.shape[0]
    holders = affinity.T.tocsr()
    size = np.diff(affinity.indptr)
    mean = np.divide(1.0, size, out=np.zeros(user_count), where=size > 0)
    trusted: list[NDArray[np.intp]] = []
    trust: list[NDArray[np.float64]] = []
    for user in range(user_count):
        held = slice(affinity.indptr[user], affinity.indptr[user + 1])
        others, scores = _similarities(
            user, affinity.indices[held], affinity.data[held], holders, mean
        )
        best = np.lexsort((others, -scores))[:TRUSTED_COUNT]
        trusted.append(others[best])
        trust.append(1.0 + scores[best])
    ends = np.cumsum([0, *(len(part) for part in trusted)])
    return csr_array(
        (np.concatenate(trust), np.concatenate(trusted), ends), shape=(user_count, user_count)
    )


def _similarities(
    user: int,
    items: NDArray[np.int32],
    own: NDArray[np.float64],
    holders: csr_array,
    mean: NDArray[np.float64],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return a user's candidates and their similarities."""
    user_count = len(mean)
    rows = holders[items]
    other, theirs = rows.indices, rows.data
    mine = np.repeat(own, np.diff(rows.indptr))
    common = np.bincount(other, minlength=user_count)
    common[user] = 0
    candidates = np.flatnonzero(common >= _LEAST_COMMON)
    if not len(candidates):
        return candidates, np.empty(0)

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.asarray(np.bincount(other, values, minlength=user_count), dtype=np.float64)
        return sums[candidates]

    my_deviation, their_deviation = mine - mean[user], theirs - mean[other]
    product = summed(my_deviation * their_deviation)
    scale = summed(np.abs(my_deviation)) * summed(np.abs(their_deviation))
    pcc = np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)
    highest, lowest = np.zeros(user_count), np.ones(user_count)
    np.maximum.at(highest, other, np.maximum(mine, theirs))
    np.minimum.at(lowest, other, np.minimum(mine, theirs))
    span = (highest - lowest)[candidates]
    count = common[candidates]
    difference = summed(np.abs(mine - theirs)) / count
    rdci = 1.0 - np.divide(difference, span, out=np.ones_like(span), where=span > 0)
    similarity = (count / float(count.max()) * pcc + rdci) / 2
    return candidates, similarity
