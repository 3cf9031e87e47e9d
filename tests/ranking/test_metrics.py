import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.ranking.metrics import (
    bootstrap_means,
    gini,
    hits,
    interval95,
    item_coverage,
    list_overlap,
    ndcg,
    novelty,
    recall,
)

ITEM_COUNT = 40


def lists(rng: np.random.Generator, user_count: int, length: int) -> NDArray[np.int32]:
    ranked = np.full((user_count, length), -1, dtype=np.int32)
    for user in range(user_count):
        shown = rng.integers(0, length + 1)
        ranked[user, :shown] = rng.choice(ITEM_COUNT, shown, replace=False)
    return ranked


def held_out(rng: np.random.Generator, user_count: int) -> csr_array:
    return csr_array((rng.random((user_count, ITEM_COUNT)) < 0.15).astype(np.int8))


@pytest.mark.parametrize("seed", range(5))
def test_ndcg_and_recall_agree_with_ir_measures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ranked, relevant = lists(rng, 30, 20), held_out(rng, 30)
    count = np.diff(relevant.indptr)
    qrels = [
        ir_measures.Qrel(str(user), str(item), 1)
        for user in range(30)
        for item in relevant.indices[relevant.indptr[user] : relevant.indptr[user + 1]]
    ]
    run = [
        ir_measures.ScoredDoc(str(user), str(item), -float(place))
        for user in range(30)
        for place, item in enumerate(ranked[user])
        if item >= 0
    ]
    measures = [ir_measures.nDCG @ 10, ir_measures.R @ 20]
    expected = {
        (value.query_id, str(value.measure)): value.value
        for value in ir_measures.iter_calc(measures, qrels, run)
    }
    hit = hits(ranked, relevant)
    ours = {"nDCG@10": ndcg(hit, count, 10), "R@20": recall(hit, count, 20)}
    for name, values in ours.items():
        for user in range(30):
            assert values[user] == pytest.approx(expected.get((str(user), name), 0.0), abs=1e-9)


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 12))
def test_ndcg_and_recall_are_their_definitions(seed: int, length: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    ranked, relevant = lists(rng, 4, length), held_out(rng, 4)
    count = np.diff(relevant.indptr)
    hit = hits(ranked, relevant)
    for user in range(4):
        wanted = set(relevant[[user]].indices.tolist())
        listed = ranked[user, :k].tolist()
        gained = sum(1 / math.log2(at + 2) for at, item in enumerate(listed) if item in wanted)
        ideal = sum(1 / math.log2(at + 2) for at in range(min(k, len(wanted))))
        found = sum(item in wanted for item in listed)
        assert ndcg(hit, count, k)[user] == pytest.approx(gained / ideal if wanted else 0.0)
        assert recall(hit, count, k)[user] == pytest.approx(found / max(1, len(wanted)))


def test_coverage_and_gini_describe_exposure() -> None:
    even = np.array([[0, 1], [2, 3]], dtype=np.int32)
    same = np.array([[0, 1], [0, 1]], dtype=np.int32)
    none = np.full((2, 2), -1, dtype=np.int32)
    assert [item_coverage(ranked, 2, 4) for ranked in (even, same, none)] == [1.0, 0.5, 0.0]
    assert [item_coverage(ranked, 1, 4) for ranked in (even, same, none)] == [0.5, 0.25, 0.0]
    assert [gini(ranked, 2, 4) for ranked in (even, same, none)] == [0.0, 0.5, 0.0]
    assert gini(same, 1, 4) == 0.75
    assert gini(same, 2, np.array([0, 1])) == 0.0  # items that cannot be listed do not count


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9))
def test_gini_is_the_mean_difference_over_twice_the_mean(exposure: list[int]) -> None:
    ranked = np.repeat(np.arange(len(exposure), dtype=np.int32), exposure)[:, None]
    n, total = len(exposure), sum(exposure)
    difference = sum(abs(a - b) for a in exposure for b in exposure)
    expected = difference / (2 * n * total) if total else 0.0
    assert gini(ranked, 1, n) == pytest.approx(expected)


def test_overlap_and_novelty_ignore_padding() -> None:
    ranked = np.array([[0, 1, 2], [3, -1, -1], [-1, -1, -1]], dtype=np.int32)
    popular = np.array([[2, 0, 9], [3, 4, 5], [0, -1, -1]], dtype=np.int32)
    assert list_overlap(ranked, popular, 3).tolist() == [2 / 3, 1.0, 0.0]
    assert list_overlap(ranked, popular, 2).tolist() == [0.5, 1.0, 0.0]
    holders = np.array([8, 4, 2, 1, 0])
    assert novelty(ranked, holders, 8, 3).tolist() == [1.0, 3.0, 0.0]


def test_the_bootstrap_is_paired_seeded_and_wide_enough() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((1, 400))
    both = np.concatenate([values, values + 0.01])
    means = bootstrap_means(both, np.random.default_rng(7))
    assert np.allclose(means[1] - means[0], 0.01)
    assert np.array_equal(means, bootstrap_means(both, np.random.default_rng(7)))
    low, high = interval95(means[0])
    normal = 1.96 * values.std() / math.sqrt(400)
    assert low == pytest.approx(values.mean() - normal, abs=0.15 * normal)
    assert high == pytest.approx(values.mean() + normal, abs=0.15 * normal)


def test_the_bootstrap_covers_the_truth() -> None:
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng([seed, 1])
        means = bootstrap_means(rng.exponential(size=(1, 100)), rng, resamples=200)
        low, high = interval95(means[0])
        covered += low <= 1.0 <= high
    assert 0.87 <= covered / 200 <= 0.99
