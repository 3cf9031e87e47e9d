"""Every benchmark runs to its end at a tiny size, and its rows have the contract's shape."""

from importlib import import_module
from math import isfinite

import pytest

from benchmarks.__main__ import NAMES
from benchmarks.measure import row


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_and_names_its_peers(name: str) -> None:
    rows = import_module(f"benchmarks.{name}").run(quick=True)
    assert rows
    for each in rows:
        assert set(each) == {"subject", "peer", "work", "ours", "peers", "unit", "ratio"}
        # Memory that did not grow has a slope of 0, and one below it by noise: not a failure.
        assert each["ours"] > 0 or (each["subject"].endswith("slope") and isfinite(each["ours"]))
        assert (each["ratio"] is None) == (each["peers"] is None)


def test_a_ratio_above_one_always_means_that_ours_is_better() -> None:
    assert row("s", "p", "w", 2.0, 8.0, "ms")["ratio"] == 4.0
    assert row("s", "p", "w", 8.0, 2.0, "records/s", more_is_better=True)["ratio"] == 4.0
    assert row("s", "p", "w", 8.0, None, "ms")["ratio"] is None
