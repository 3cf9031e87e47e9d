"""The picture of a run: what is marked, and what is written where."""

from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tastemesh.errors import UsageError
from tastemesh.sim.attack.plots import THEMES
from tastemesh.sim.chart import check_chart, over_time, write_chart


def a_run(seconds: float = 600.0) -> dict[str, Any]:
    """A result, as far as the picture goes: half an outage, and a quiet end."""
    count = 60
    at_s = [seconds * (number + 1) / count for number in range(count)]
    return {
        "nodes": 10,
        "phases": [
            {"what": "churn", "name": "", "nodes": 1, "start_s": 1.0, "end_s": seconds / 2},
            {"what": "broker", "name": "b", "nodes": 0, "start_s": 60.0, "end_s": 120.0},
            {"what": "partition", "name": "", "nodes": 3, "start_s": 90.0, "end_s": 200.0},
            {"what": "adversary", "name": "flood", "nodes": 0, "start_s": 30.0, "end_s": seconds},
            {"what": "adversary", "name": "forge", "nodes": 0, "start_s": 20.0, "end_s": seconds},
            {"what": "quiet", "name": "", "nodes": 0, "start_s": 400.0, "end_s": seconds},
        ],
        "series": {
            "at_s": at_s,
            "coverage": [0.95] * count,
            "coverage_subscribed": [0.97] * count,
            "coverage_subscribed_least": [0.93] * count,
            "bytes_per_node_by_channel": {"r": [500.0] * 40 + [0.0] * 20, "": [1.0] * count},
            "records_made": [1] * count,
            "nodes_up": [10] * count,
            "nodes_connected": [7] * count,
            "rejected": {},
        },
    }


def panels(*runs: dict[str, Any]) -> list[Axes]:
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    over_time(runs)(figure, THEMES["light"])
    figure.savefig(BytesIO())
    return figure.axes


def bars(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def names(axes: Axes) -> list[str]:
    return [each.get_text() for each in axes.get_yticklabels()]


def test_each_fault_has_a_lane_and_those_of_everybody_a_shade() -> None:
    lanes, coverage, traffic, nodes = panels(a_run())
    assert names(lanes) == [
        "churn, 1 node", "broker b down", "partition, 3 nodes", "adversaries", "quiet"
    ]  # fmt: skip
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars(lanes)]
    assert np.array(spans) == pytest.approx(
        np.array([(1, 300), (60, 120), (90, 200), (20, 600), (400, 600)])
    )
    for axes in (coverage, traffic, nodes):
        assert [bar.get_x() for bar in bars(axes)] == [60, 90]
        assert [np.asarray(line.get_xdata())[0] for line in axes.lines[:2]] == [20, 400]
    assert coverage.get_ylim() == (0.9, 1.0)
    legend = traffic.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["records", "other"]
    records = traffic.lines[2]
    assert set(np.asarray(records.get_ydata()).tolist()) == {50.0, 0.0}  # bytes a second


@pytest.mark.parametrize(
    ("seconds", "unit"), [(600.0, "seconds"), (3_600.0, "minutes"), (86_400.0, "hours")]
)
def test_time_has_a_fitting_unit(seconds: float, unit: str) -> None:
    last = panels(a_run(seconds))[-1]
    assert last.get_xlabel() == f"virtual time, {unit}"
    assert last.get_xlim()[1] == pytest.approx({"s": 600, "m": 60, "h": 24}[unit[0]])


def test_of_several_runs_the_mean_and_the_span_are_drawn() -> None:
    other = deepcopy(a_run())
    other["series"]["coverage"] = [0.55] * 60
    del other["series"]["bytes_per_node_by_channel"][""]
    other["phases"][0]["end_s"] = 350.0
    lanes, coverage, *_ = panels(a_run(), other)
    whole = coverage.lines[2]
    assert np.asarray(whole.get_ydata()) == pytest.approx(np.full(60, 0.75))
    assert coverage.collections[0].get_datalim(coverage.transData).ymin == pytest.approx(0.55)
    assert bars(lanes)[0].get_width() == pytest.approx(349)


def test_a_calm_run_has_no_lane() -> None:
    calm = {**a_run(), "phases": []}
    assert names(panels(calm)[0]) == []


def test_a_picture_is_the_same_each_time_in_the_form_of_its_name(tmp_path: Path) -> None:
    beginnings = {"a.png": b"\x89PNG", "b.png": b"\x89PNG", "a.svg": b"<?xml", "b.svg": b"<?xml"}
    for name, beginning in beginnings.items():
        check_chart(tmp_path / name)
        write_chart(tmp_path / name, [a_run()])
        assert (tmp_path / name).read_bytes().startswith(beginning)
    for form in ("png", "svg"):
        assert (tmp_path / f"a.{form}").read_bytes() == (tmp_path / f"b.{form}").read_bytes()


def test_where_no_picture_can_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--plot a.pdf: expected a name that ends in .png or"):
        check_chart(Path("a.pdf"))
    with pytest.raises(UsageError, match=r"--plot .*b.svg: No such file or directory"):
        write_chart(tmp_path / "nowhere" / "b.svg", [a_run()])


def test_a_name_that_looks_like_a_formula_is_none() -> None:
    run = a_run()
    run["phases"] = [{**run["phases"][3], "name": r"$\b{$"}]
    (label,) = names(panels(run)[0])
    assert label.replace(r"\$", "$") == r"adversary $\b{$"
