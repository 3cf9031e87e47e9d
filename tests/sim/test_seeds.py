"""Figures of one scenario over several seeds."""

from typing import Any

import pytest

from tastemesh.sim.brokers import BrokerPolicy
from tastemesh.sim.run import run_scenario
from tastemesh.sim.scenario import Adversary, Scenario
from tastemesh.sim.seeds import Figure, summarised

WATCHED = Scenario(
    description="one of two brokers withholds somebody, and there is an adversary",
    nodes=4,
    seconds=10.0,
    quiet_s=5.0,
    records_per_hour=3_600.0,
    brokers=(BrokerPolicy(name="good"), BrokerPolicy(name="warden", withhold=(0,))),
    adversaries=(Adversary(strategy="garbage", identities=1, messages=5, start_s=1.0),),
)


def silent(stage: str, done: int, total: int) -> None:
    assert 0 <= done <= total


@pytest.fixture(scope="module")
def runs() -> list[dict[str, Any]]:
    return [run_scenario(WATCHED, seed, silent) for seed in (0, 1)]


def test_every_main_figure_of_a_result_is_there(runs: list[dict[str, Any]]) -> None:
    figures = summarised(runs)
    assert set(figures) >= {
        "coverage",
        "coverage_subscribed",
        "coverage_subscribed_least",
        "bytes_per_node_hour",
        "hourly_bytes_by_channel.r",
        "events",
        "censorship.warden.named",
        "censorship.falsely_named",
        "adversaries.0.exposure@10",
        "adversaries.0.window_share",
        "adversaries.0.convicted_by",
    }
    assert not any(name.endswith(("identities", "messages_sent", "nodes")) for name in figures)
    assert figures["events"].mean == sum(run["events"] for run in runs) / 2
    assert all(figure.seeds == 2 for name, figure in figures.items() if name != "converged_s")


def test_means_have_the_interval_of_students_t_and_shares_stay_shares(
    runs: list[dict[str, Any]],
) -> None:
    one, other = ({**runs[0], "coverage": share, "events": n} for share, n in ((1.0, 8), (0.9, 10)))
    figures = summarised([one, other])
    # of two values, 12.706 standard errors
    assert figures["events"].ci95 == pytest.approx((0.0, 9 + 12.706), abs=0.001)
    assert figures["coverage"].mean == pytest.approx(0.95)
    assert figures["coverage"].ci95 == pytest.approx((0.95 - 12.706 * 0.05, 1.0), abs=0.001)


def test_what_only_some_seeds_have_is_told_of_them(runs: list[dict[str, Any]]) -> None:
    one, other = ({**runs[0], "converged_s": late_s} for late_s in (None, 4.0))
    assert summarised([one, other])["converged_s"] == Figure(4.0, None, 1)
    assert "converged_s" not in summarised([one, one])
    quiet = {**runs[0], "hourly_bytes_by_channel": {}}
    loud = {**runs[0], "hourly_bytes_by_channel": {"c": 8}}
    assert summarised([quiet, loud])["hourly_bytes_by_channel.c"].mean == 4.0
