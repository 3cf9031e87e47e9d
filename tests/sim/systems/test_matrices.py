import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.sim.interactions import Interactions
from tastemesh.sim.systems import matrices
from tastemesh.sim.systems.matrices import rank_by_scores, scaled, strongest_products, tie_lots

NOBODY_OWNS_ANY_OF = csr_array((3, 6), dtype=np.float32)


def owned_by(rows: list[list[int]]) -> csr_array:
    return csr_array(np.array(rows, dtype=np.float32))


def lots_of(item_count: int, added: int = 0) -> NDArray[np.float64]:
    return tie_lots(
        Interactions(
            user_ids=(),
            item_ids=tuple(map(str, range(item_count + added))),
            user=np.empty(0, np.int32),
            item=np.empty(0, np.int32),
            weight=np.empty(0, np.float32),
            added_item_count=added,
        )
    )


def test_an_added_item_leaves_the_order_of_equals_as_it_was() -> None:
    assert lots_of(300, 1)[:300].tolist() == lots_of(300).tolist()
    assert sorted(lots_of(300).tolist()) == list(range(300))
    places = [
        np.searchsorted(np.sort(lots_of(count)), lots_of(count, 1)[-1]) / count
        for count in range(50, 250)
    ]
    assert 0.4 < np.mean(places) < 0.6  # neither first nor last as a rule


def test_lists_leave_out_what_is_owned_unknown_or_scores_too_little() -> None:
    owned = owned_by([[1, 0, 0, 0, 0], [0, 1, 1, 1, 0]])
    scores = np.array([[9, 5, 7, 0, 8], [1, 9, 9, 9, 9]], dtype=np.float32)
    users = np.array([1, 0], dtype=np.int32)
    ranked = rank_by_scores(lambda block: scores[block].copy(), owned, users, 3, lots_of(5))
    assert ranked.tolist() == [[0, -1, -1], [2, 1, -1]]
    ranked = rank_by_scores(
        lambda block: scores[block].copy(), owned, users, 2, lots_of(5), above=6.0
    )
    assert ranked.tolist() == [[-1, -1], [2, -1]]
    ranked = rank_by_scores(
        lambda block: -scores[block], owned, users, 4, lots_of(5), above=-np.inf
    )
    assert ranked.tolist() == [[0, -1, -1, -1], [3, 1, 2, -1]]


def test_equal_scores_are_ordered_by_a_lot_and_the_same_for_all() -> None:
    owned = csr_array(np.eye(2, 400, dtype=np.float32) + owned_by([[0] * 399 + [1]] * 2).toarray())
    owned = csr_array(np.vstack([owned.toarray(), np.ones(400, dtype=np.float32)]))
    users = np.array([0, 1], dtype=np.int32)
    ranked = rank_by_scores(
        lambda block: np.ones((len(block), 400), dtype=np.float32), owned, users, 50, lots_of(400)
    )
    common = [item for item in ranked[0].tolist() if item in ranked[1]]
    assert common == [item for item in ranked[1].tolist() if item in ranked[0]]
    assert 120 < np.mean(ranked) < 280  # not the first fifty


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_lists_are_the_best_in_order(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(-2, 5, (6, 9)).astype(np.float32)
    owned = csr_array((rng.random((6, 9)) < 0.4).astype(np.float32))
    ranked = rank_by_scores(
        lambda block: scores[block].copy(), owned, np.arange(6, dtype=np.int32), k, lots_of(9)
    )
    known = owned.sum(axis=0) > 0
    for user in range(6):
        allowed = (owned.toarray()[user] == 0) & known & (scores[user] > 0)
        best = np.sort(scores[user][allowed])[::-1][:k]
        listed = ranked[user][ranked[user] >= 0]
        assert scores[user][listed].tolist() == best.tolist()
        assert allowed[listed].all()


def dense_product(left: csr_array, right: csr_array, k: int) -> NDArray[np.float64]:
    product = np.asarray(left.toarray() @ right.toarray(), dtype=np.float64)
    kept = np.zeros_like(product)
    for row, values in enumerate(product):
        best = np.argsort(-values, kind="stable")[:k]
        kept[row, best] = values[best]
    return kept


@pytest.mark.parametrize("block_products", [1, 50, 1 << 20])
def test_products_keep_the_strongest_of_each_row_in_any_blocks(
    block_products: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrices, "_BLOCK_PRODUCTS", block_products)
    rng = np.random.default_rng(1)
    left = csr_array(rng.random((9, 7)) * (rng.random((9, 7)) < 0.5))
    right = csr_array(rng.random((7, 8)) * (rng.random((7, 8)) < 0.5))
    seen: list[int] = []

    def doubled(block: csr_array, rows: NDArray[np.intp]) -> None:
        seen.extend(rows.tolist())
        block.data *= 2

    product = strongest_products(left, right, 3, doubled)
    assert np.allclose(product.toarray(), 2 * dense_product(left, right, 3))
    assert seen == list(range(9))
    some = strongest_products(left, right, 3, doubled, np.array([4, 2], dtype=np.int32))
    assert np.allclose(some.toarray(), 2 * dense_product(left, right, 3)[[4, 2]])


def test_rows_and_columns_are_scaled() -> None:
    matrix = csr_array(np.array([[1.0, 2.0], [0.0, 3.0]]))
    by = scaled(matrix, rows=np.array([2.0, 3.0]), columns=np.array([1.0, 10.0]))
    assert by.toarray().tolist() == [[2.0, 40.0], [0.0, 90.0]]
