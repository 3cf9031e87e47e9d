"""Mass goes onward in time only, and both kernels make the same of it to the bit."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.ranking.forward import spread_forward
from tastemesh.ranking.products import Sparse

pytest.importorskip("numba")


@st.composite
def windows(draw: st.DrawFn) -> tuple[Sparse, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    users, items = draw(st.integers(1, 8)), draw(st.integers(1, 12))
    held = rng.random((users, items)) < draw(st.sampled_from([0.1, 0.5, 1.0]))
    weights = np.where(held, rng.uniform(0.1, 1.0, held.shape), 0.0).astype(np.float32)
    by_user: Sparse = sp.csr_array(weights)
    latest_s = draw(st.sampled_from([1, 3, 2**31]))
    taken_s = rng.integers(0, latest_s, by_user.nnz).astype(np.int32)
    at_items = rng.normal(size=items) * (rng.random(items) < 0.6)
    voices = rng.random(users) * (rng.random(users) < 0.8)
    return by_user, taken_s, at_items, voices


@given(windows())
def test_what_is_passed_on_comes_from_the_same_time_or_before(
    window: tuple[Sparse, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    by_user, taken_s, at_items, voices = window
    expected = np.zeros(by_user.shape[1])
    for user, voice in enumerate(voices):
        row = range(by_user.indptr[user], by_user.indptr[user + 1])
        for to in row:
            for source in row:
                if taken_s[source] <= taken_s[to]:
                    came = at_items[by_user.indices[source]] * by_user.data[source]
                    expected[by_user.indices[to]] += voice * by_user.data[to] * came
    plain, compiled = (spread_forward(*window, compiled=kernel) for kernel in (False, True))
    np.testing.assert_allclose(plain, expected, atol=1e-12)
    assert np.array_equal(plain, compiled)


@given(windows())
def test_one_users_sums_do_not_depend_on_who_else_there_is(
    window: tuple[Sparse, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    by_user, taken_s, at_items, voices = window
    last = voices.copy()
    last[:-1] = 0.0
    start = by_user.indptr[-2]
    alone: Sparse = by_user[[-1]]
    for kernel in (False, True):
        among = spread_forward(by_user, taken_s, at_items, last, compiled=kernel)
        apart = spread_forward(alone, taken_s[start:], at_items, voices[-1:], compiled=kernel)
        assert np.array_equal(among, apart)
