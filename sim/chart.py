"""A run over time as a picture: the faults, coverage, traffic and the nodes that are there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.sim.attack.plots import (
    COLOURS,
    THEMES,
    Plot,
    Theme,
    check_matplotlib,
    drawn,
    written,
)
from tastemesh.sim.faults import Phase
from tastemesh.sim.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FORMS: Mapping[str, Literal["png", "svg"]] = {".png": "png", ".svg": "svg"}
_CHANNELS = {"r": "records", "n": "reconciliation", "h": "presence", "c": "proofs"}
_SHADED = ("partition", "broker")  # in every panel
_LINED = ("adversary", "quiet")  # where they begin; crashes come one by one and have a lane only
_FAULT_COLOUR = COLOURS[6]  # the lines have those before it
_LANE_INCHES = 0.24
_LEAST_BYTES = 1.0  # a second; below, the axis of traffic is linear: channels fall silent
_UNITS = ((36_000.0, 3_600.0, "hours"), (900.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
_FLOORS = (0.999, 0.99, 0.9, 0.5)  # of the axis of coverage

_Column = NDArray[np.float64]


def check_chart(path: Path) -> None:
    """Make sure that a picture can be drawn, before the run.

    Args:
        path: where it is to be written.

    Raises:
        UsageError: matplotlib is missing, or the name does not end as a picture's.
    """
    if path.suffix not in _FORMS:
        raise UsageError(f"--plot {path}: expected a name that ends in .png or .svg")
    check_matplotlib("--plot")


def write_chart(path: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    """Draw a picture of runs, for a light page.

    Args:
        path: from `check_chart`.
        runs: as `over_time` takes.

    Raises:
        UsageError: the file cannot be written.
    """
    picture = drawn(over_time(runs), THEMES["light"], _FORMS[path.suffix])
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise UsageError(f"--plot {path}: {error.strerror}") from None


def over_time(runs: Sequence[Mapping[str, Any]]) -> Plot:
    """Plot results of one scenario over virtual time.

    Args:
        runs: what `run_scenario` gave for one seed or several: of several, the mean and a band from
            the least to the largest.
    """
    lanes = _lanes(runs)

    def plot(figure: "Figure", theme: Theme) -> None:
        heights = [max(1, len(lanes)) * _LANE_INCHES, 1.9, 1.9, 0.9]
        figure.set_size_inches(10, sum(heights) + 1.2)
        panels = figure.subplots(4, 1, sharex=True, height_ratios=heights)
        above, coverage, traffic, nodes = panels
        seconds = np.array(runs[0]["series"]["at_s"], np.float64)
        unit_s, unit = next((size, name) for least, size, name in _UNITS if seconds[-1] >= least)
        at = seconds / unit_s
        _draw_lanes(above, lanes, unit_s, theme)
        for axes in (coverage, traffic, nodes):
            for phase in lanes.values():
                begin, end = phase.start_s / unit_s, phase.end_s / unit_s
                if phase.what in _SHADED:
                    axes.axvspan(begin, end, color=theme.grid, alpha=0.55, linewidth=0)
                elif phase.what in _LINED:
                    axes.axvline(begin, color=theme.ink, linewidth=0.8, linestyle=":")
            axes.grid(axis="y", linewidth=0.6)
            axes.tick_params(length=0)
        _draw_coverage(coverage, at, runs)
        _draw_traffic(traffic, at, runs, seconds[0])
        _draw_nodes(nodes, at, runs)
        nodes.set_xlim(0, at[-1])
        nodes.set_xlabel(f"virtual time, {unit}")

    return plot


def _lanes(runs: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Phase]:
    """Return what happened, each kind once: from the first beginning to the last end."""
    lanes: dict[tuple[str, str], Phase] = {}
    for run in runs:
        for phase in msgspec.convert(run["phases"], list[Phase]):
            key = (phase.what, phase.name if phase.what == "broker" else "")
            before = lanes.get(key, phase)
            lanes[key] = msgspec.structs.replace(
                phase,
                name=phase.name if phase.name == before.name else "",  # several strategies
                start_s=min(before.start_s, phase.start_s),
                end_s=max(before.end_s, phase.end_s),
            )
    return lanes


def _draw_lanes(
    axes: "Axes", lanes: Mapping[tuple[str, str], Phase], unit_s: float, theme: Theme
) -> None:
    for number, phase in enumerate(lanes.values()):
        length = (phase.end_s - phase.start_s) / unit_s
        colour = theme.grid if phase.what == "quiet" else _FAULT_COLOUR
        axes.barh(number, length, left=phase.start_s / unit_s, height=0.6, color=colour)
    axes.set_yticks(range(len(lanes)), [written(_label(phase)) for phase in lanes.values()])
    axes.set_ylim(max(1, len(lanes)) - 0.5, -0.5)
    axes.tick_params(length=0, labelbottom=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    if not lanes:
        axes.set_axis_off()


def _label(phase: Phase) -> str:
    match phase.what:
        case "broker":
            return f"broker {phase.name} down"
        case "adversary":
            return f"adversary {phase.name}" if phase.name else "adversaries"
        case "churn" | "partition":
            return f"{phase.what}, {counted(phase.nodes, 'node')}"
    return phase.what


def _draw_coverage(axes: "Axes", at: _Column, runs: Sequence[Mapping[str, Any]]) -> None:
    columns = [
        ("of all records", "coverage", 3.0),
        ("of the shards read", "coverage_subscribed", 1.4),
        ("the node that lacks most", "coverage_subscribed_least", 0.8),
    ]
    lowest = 1.0
    for number, (label, name, width) in enumerate(columns):
        values = _table([run["series"][name] for run in runs])
        _line(axes, at, values, COLOURS[number], label, width)
        lowest = min(lowest, float(values.min()))
    axes.set_ylim(next((floor for floor in _FLOORS if lowest >= floor), 0.0), 1.0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")
    axes.set_ylabel("coverage")
    _legend(axes)


def _draw_traffic(
    axes: "Axes", at: _Column, runs: Sequence[Mapping[str, Any]], step_s: float
) -> None:
    moved = [run["series"]["bytes_per_node_by_channel"] for run in runs]
    names = [name for name in _CHANNELS if any(name in each for each in moved)]
    names += sorted({name for each in moved for name in each} - set(_CHANNELS))
    nothing = [0.0] * len(at)
    for name in names:
        values = _table([each.get(name, nothing) for each in moved]) / step_s
        number = list(_CHANNELS).index(name) if name in _CHANNELS else len(_CHANNELS)
        _line(axes, at, values, COLOURS[number], _CHANNELS.get(name, name or "other"), 1.6)
    axes.set_yscale("symlog", linthresh=_LEAST_BYTES, linscale=0.5)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_ylabel("B/s a node")
    _legend(axes)


def _draw_nodes(axes: "Axes", at: _Column, runs: Sequence[Mapping[str, Any]]) -> None:
    for number, (label, name, width) in enumerate(
        (("up", "nodes_up", 2.6), ("connected", "nodes_connected", 1.4))
    ):
        values = _table([run["series"][name] for run in runs])
        _line(axes, at, values, COLOURS[number], label, width)
    axes.set_ylim(0, 1.08 * runs[0]["nodes"])
    axes.set_ylabel("nodes")
    _legend(axes)


def _table(columns: Sequence[Sequence[float]]) -> _Column:
    return np.array(columns, np.float64)


def _line(
    axes: "Axes", at: _Column, values: _Column, colour: str, label: str, width: float
) -> None:
    axes.plot(at, values.mean(axis=0), color=colour, linewidth=width, label=label)
    if len(values) > 1:
        axes.fill_between(
            at, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.25, linewidth=0
        )


def _legend(axes: "Axes") -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
