"""The k-th largest is that of sorting, with however many equal numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tastemesh.ranking.largest import kth_largest

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
    assert kth_largest(rows, k).tolist() == expected.tolist()
    single = rows.astype(np.float32)
    assert kth_largest(single, k).dtype == np.float32


@pytest.mark.parametrize("few", [0.5, 0.0])
@pytest.mark.parametrize("count", [0, 5, 500])
def test_long_runs_of_equal_numbers_are_no_matter(few: float, count: int) -> None:
    rows = np.full((1, 20_000), 0.25)
    rows[0, :count] = few + np.arange(count) / 10_000
    for k in (1, 10, 600):
        assert kth_largest(rows, k)[0] == np.sort(rows[0])[-k]
