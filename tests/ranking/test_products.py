"""Both kernels against dense algebra."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.ranking import products
from tests.ranking.strategies import holdings

pytest.importorskip("numba")


@pytest.mark.parametrize("compiled", [True, False])
@given(seed=st.integers(0, 2**32), users=st.integers(1, 9), items=st.integers(1, 9))
def test_both_kernels_equal_dense_algebra(
    compiled: bool, seed: int, users: int, items: int
) -> None:
    rng = np.random.default_rng(seed)
    dense = sp.random_array((users, items), density=0.4, rng=rng).toarray().astype(np.float32)
    weights = holdings(dense.astype(np.float64)).reference
    at_users = rng.random(users) * (rng.random(users) < 0.5)
    at_items = rng.random(items)
    wanted = at_users > 0
    spread = products.spread(weights.by_user, weights.by_item, at_users, compiled=compiled)
    assert spread == pytest.approx(at_users @ dense)
    both = weights.by_user, weights.by_item
    assert products.gather(*both, at_items, compiled=compiled) == pytest.approx(dense @ at_items)
    some = products.gather(*both, at_items, wanted, compiled=compiled)
    assert some == pytest.approx(np.where(wanted, dense @ at_items, 0.0))


@pytest.mark.parametrize("compiled", [True, False])
def test_many_questions_at_once_are_each_alone_bit_for_bit(compiled: bool) -> None:
    rng = np.random.default_rng(3)
    weights = holdings(rng.random((40, 30)) * (rng.random((40, 30)) < 0.4)).reference
    both = weights.by_user, weights.by_item
    mass = rng.random((40, 9)) * (rng.random((40, 9)) < 0.5)
    found = products.spread(*both, mass, compiled=compiled)
    for number in range(9):
        alone = products.spread(*both, mass[:, number].copy(), compiled=compiled)
        assert found[:, number].tobytes() == alone.tobytes()


@pytest.mark.parametrize("compiled", [True, False])
@given(seed=st.integers(0, 2**32), users=st.integers(1, 9), items=st.integers(1, 9))
def test_entries_are_found_where_they_are(
    compiled: bool, seed: int, users: int, items: int
) -> None:
    rng = np.random.default_rng(seed)
    by_user = holdings(
        rng.random((users, items)) * (rng.random((users, items)) < 0.5)
    ).reference.by_user
    asked = rng.integers(0, (users, items), (20, 2), np.int32)
    found = products.places(by_user, asked[:, 0], asked[:, 1], compiled=compiled)
    entries = {pair: place for place, pair in enumerate(zip(*by_user.tocoo().coords, strict=True))}
    assert found.tolist() == [entries.get((user, item), -1) for user, item in asked.tolist()]
