"""The k-th largest is that of sorting, with however many equal numbers, by either kernel."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tastemesh.ranking.largest import kth_largest

_KERNELS = [False, True] if importlib.util.find_spec("numba") else [False]
_LEVELS = st.sampled_from([-np.inf, -1.0, 0.0, 0.25, 1.0, 2.0])


@given(
    st.tuples(st.integers(1, 5), st.integers(1, 40)).flatmap(
        lambda shape: arrays(np.float64, shape, elements=_LEVELS | st.floats(-4.0, 4.0))
    ),
    st.integers(1, 50),
)
def test_it_is_the_kth_of_the_sorted_row(rows: np.typing.NDArray[np.float64], k: int) -> None:
    at = min(k, rows.shape[1]) - 1
    expected = np.sort(rows, axis=1)[:, ::-1][:, at]
    for kernel in _KERNELS:
        assert kth_largest(rows, k, compiled=kernel).tolist() == expected.tolist()
    single = rows.astype(np.float32)
    assert kth_largest(single, k).dtype == np.float32


@pytest.mark.parametrize("kernel", _KERNELS)
@pytest.mark.parametrize("few", [0.5, 0.0])
@pytest.mark.parametrize("count", [0, 5, 500])
def test_long_runs_of_equal_numbers_are_no_matter(few: float, count: int, kernel: bool) -> None:
    rows = np.full((1, 20_000), 0.25)
    rows[0, :count] = few + np.arange(count) / 10_000
    for k in (1, 10, 200, 600):
        assert kth_largest(rows, k, compiled=kernel)[0] == np.sort(rows[0])[-k]


@pytest.mark.parametrize("kernel", _KERNELS)
def test_numbers_that_rise_fall_or_lie_apart_are_no_matter(kernel: bool) -> None:
    rising = np.arange(1_000.0)
    rows = np.stack([rising, rising[::-1]], axis=1).T  # of columns that lie side by side
    for k in (1, 2, 3, 100, 256, 257, 1_000, 2_000):
        assert kth_largest(rows, k, compiled=kernel).tolist() == [max(1_000.0 - k, 0.0)] * 2
