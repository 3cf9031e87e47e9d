import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.sim.systems.similarity_trust import TRUSTED_COUNT, affinities, most_similar


def random_affinity(seed: int, user_count: int = 14, item_count: int = 10) -> csr_array:
    rng = np.random.default_rng(seed)
    weight = rng.integers(1, 20, (user_count, item_count)) * (
        rng.random((user_count, item_count)) < 0.5
    )
    weight[:, 0] = 1
    return csr_array(weight / weight.sum(axis=1, keepdims=True))


def trust_of(mine: NDArray[np.float64], others: NDArray[np.float64], user: int) -> dict[int, float]:
    """The rule of the docstring, one user and one item at a time."""
    common = {
        other: [item for item in range(len(mine)) if mine[item] and row[item]]
        for other, row in enumerate(others)
        if other != user
    }
    candidates = {other: items for other, items in common.items() if len(items) >= 2}
    trust = {}
    for other, items in candidates.items():
        theirs = others[other]
        my_mean, their_mean = mine[mine > 0].mean(), theirs[theirs > 0].mean()
        product = sum((mine[i] - my_mean) * (theirs[i] - their_mean) for i in items)
        scale = sum(abs(mine[i] - my_mean) for i in items) * sum(
            abs(theirs[i] - their_mean) for i in items
        )
        pcc = product / scale if scale else 0.0
        values = [mine[i] for i in items] + [theirs[i] for i in items]
        span = max(values) - min(values)
        difference = sum(abs(mine[i] - theirs[i]) for i in items) / len(items)
        rdci = 1 - difference / span if span else 0.0
        share = len(items) / max(map(len, candidates.values()))
        trust[other] = 1 + share * pcc / 2 + rdci / 2
    return trust


@pytest.mark.parametrize("seed", range(4))
def test_trust_is_the_rule_and_goes_to_the_five_most_similar(seed: int) -> None:
    affinity = random_affinity(seed)
    dense = affinity.toarray()
    trust = most_similar(affinity)
    for user in range(len(dense)):
        expected = trust_of(dense[user], dense, user)
        row = trust[[user]]
        chosen = dict(zip(row.indices.tolist(), row.data.tolist(), strict=True))
        assert len(chosen) == min(TRUSTED_COUNT, len(expected))
        for other, value in chosen.items():
            assert value == pytest.approx(expected[other])
        left = [value for other, value in expected.items() if other not in chosen]
        assert min(chosen.values(), default=9.0) >= max(left, default=0.0) - 1e-12


def test_who_shares_one_item_with_everybody_trusts_nobody() -> None:
    shares = np.zeros((3, 4))
    shares[:, 0] = 0.5
    shares[[0, 1, 2], [1, 2, 3]] = 0.5
    assert most_similar(csr_array(shares)).nnz == 0


def test_affinities_sum_to_one() -> None:
    user = np.array([0, 0, 2], dtype=np.int32)
    weight = np.array([3, 1, 7], dtype=np.float32)
    assert affinities(user, weight, 3).tolist() == [0.75, 0.25, 1.0]
