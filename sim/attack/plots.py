"""The plots of a report, by matplotlib, each for a light and a dark page."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tastemesh.errors import UsageError
from tastemesh.sim.attack.summary import LEVELS, Row, exposed, reach
from tastemesh.sim.attack.tables import distinct
from tastemesh.sim.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by nearly everybody; light enough for a dark page too.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#999999", "#b8a800")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DOTS_PER_INCH = 110  # a page 1,100 pixels wide at 10 inches
PANEL_COLUMNS = 4
_NAMED_TICKS = 5  # of a third of the width; more come as powers of ten
_APART = 1.5  # the least ratio of two numbers that do not run into each other on a scale of tens
_TOP_MARK = 5.0  # points; of what lies on top
_RING = 1.6  # points by which a mark is larger than the next one above it
_RINGS = 8.0  # points by which the lowest of many is larger than the top one, at most


class Theme(msgspec.Struct, frozen=True):
    """Colours of one kind of page."""

    paper: str
    ink: str
    grid: str


THEMES: Mapping[str, Theme] = {
    "light": Theme("#ffffff", "#1c1e21", "#dde0e4"),
    "dark": Theme("#16181c", "#e4e6ea", "#363a41"),
}

Plot = Callable[["Figure", Theme], None]


def check_matplotlib(option: str) -> None:
    """Make sure that plots can be drawn, before hours of work.

    Args:
        option: that asks for them.

    Raises:
        UsageError: matplotlib is missing.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(
            f"{option} needs matplotlib, which is not installed: pip install 'tastemesh[lab]'"
        )


def drawn(plot: Plot, theme: Theme, form: Literal["png", "svg"] = "png") -> bytes:
    """Return a plot as a file.

    Args:
        plot: fills a figure.
        theme: its colours.
        form: of the file: pixels, or lines for a paper.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings: Any = {  # matplotlib's own type names every setting there is
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.edgecolor": theme.grid,
        "axes.facecolor": theme.paper,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "font.size": 9,
        "grid.color": theme.grid,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
        "legend.frameon": False,
        "svg.hashsalt": "tastemesh",  # the same plot is the same file
    }
    with rc_context(settings):
        figure = Figure(facecolor=theme.paper, layout="constrained")
        FigureCanvasAgg(figure)
        plot(figure, theme)
        image = BytesIO()
        metadata: dict[str, Any] = {"Software": None} if form == "png" else {"Date": None}
        figure.savefig(image, format=form, dpi=DOTS_PER_INCH, metadata=metadata)
    return image.getvalue()


def written(name: str) -> str:
    r"""Return a name as matplotlib shows it: no formula, and none that a legend leaves out.

    Args:
        name: of a system or strategy, or what has one in it.

    >>> written("at $5"), written("_mine")
    ('at \\$5', ' _mine')
    """
    text = name.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def by_identities(rows: Sequence[Row], attack_edges: int) -> Plot:
    """Plot exposure against identities, a panel a strategy, at one number of attack edges."""
    chosen = [row for row in rows if row.attack_edges == attack_edges]
    return _panels(chosen, lambda row: row.identities, "identities", logarithmic=True)


def by_edges(rows: Sequence[Row]) -> Plot:
    """Plot exposure against attack edges, a panel a strategy, at the most identities."""
    most = max(row.identities for row in rows)
    chosen = [row for row in rows if row.identities == most]
    return _panels(chosen, lambda row: row.attack_edges, "attack edges", logarithmic=False)


def cost_curves(rows: Sequence[Row]) -> Plot:
    """Plot the best exposure within each budget: of identities, attack edges and messages."""
    systems = distinct([row.system for row in rows])

    def plot(figure: "Figure", theme: Theme) -> None:
        figure.set_size_inches(10, 3.8)
        panels = figure.subplots(1, 3, sharey=True)
        for axes, (label, cost) in zip(panels, _COSTS.items(), strict=True):
            for level in LEVELS:
                axes.axhline(level, color=theme.grid, linewidth=0.8, linestyle=":")
            for number, system in enumerate(systems):
                curve = reach([row for row in rows if row.system == system], cost)
                _line(axes, number, systems, curve, stepped=True)
            _finish(axes, logarithmic=label != "attack edges", label=f"budget of {label}")
            if len({cost(row) for row in rows}) <= _NAMED_TICKS:
                _ticks(axes, rows, cost)
        panels[0].set_ylabel("best exposure@10")
        _legend(figure, panels[0])

    return plot


def bounds(rows: Sequence[Row]) -> Plot:
    """Plot what attackers got of a system with a bound, and what the bound allows."""
    bounded = sorted(
        (row for row in rows if row.bound is not None and row.attack_edges > 0),
        key=lambda row: (row.attack_edges, row.identities),
    )
    labels = distinct([row.strategy for row in bounded])

    def plot(figure: "Figure", theme: Theme) -> None:
        figure.set_size_inches(10, 0.8 + 0.28 * len(labels))
        edges = sorted({row.attack_edges for row in bounded})
        panels = figure.subplots(1, len(edges), sharey=True, squeeze=False)[0]
        for axes, edge in zip(panels, edges, strict=True):
            for at, label in enumerate(labels):
                mine = [r for r in bounded if r.attack_edges == edge and r.strategy == label]
                allowed = max((row.bound or 0.0 for row in mine), default=0.0)
                axes.barh(at, allowed, height=0.7, color=theme.grid, label="the bound")
                for value, number, name, size in (  # the smaller on the larger: both often lie at 0
                    (max((row.sybil_mass or 0.0 for row in mine), default=0.0), 1, "sybil mass", 8),
                    (max((value for _, value in exposed(mine)), default=0.0), 0, "exposure@10", 4),
                ):
                    axes.plot(
                        value,
                        at,
                        MARKERS[number],
                        color=COLOURS[number],
                        label=name,
                        clip_on=False,
                        markersize=size,
                        zorder=3,  # above the axis, which is at 0, too
                    )
            axes.set_title(counted(edge, "attack edge"))
            axes.set_xlim(0, 1)
            axes.set_yticks(range(len(labels)), [*map(written, labels)])
            axes.invert_yaxis()
            axes.tick_params(length=0)
            axes.tick_params(axis="y", pad=9)  # room for the marks at 0, which touch no name
        figure.supxlabel("share", fontsize=9)
        _legend(figure, panels[0])

    return plot


def accuracy(rows: Sequence[Row]) -> Plot:
    """Plot each system's accuracy without an attack and under each attack."""
    systems = distinct([row.system for row in rows])

    def plot(figure: "Figure", theme: Theme) -> None:
        figure.set_size_inches(10, 0.9 + 0.4 * len(systems))
        axes = figure.subplots()
        for at, system in enumerate(systems):
            mine = [row for row in rows if row.system == system]
            clean = mine[0].honest_ndcg_clean
            axes.barh(at, clean, height=0.6, color=theme.grid, label="without an attack")
            axes.plot(
                [row.honest_ndcg for row in mine],
                [at] * len(mine),
                "|",
                markersize=13,
                color=COLOURS[at % len(COLOURS)],
            )
        axes.plot([], [], "|", markersize=13, color=theme.ink, label="under one of the attacks")
        axes.set_yticks(range(len(systems)), [*map(written, systems)])
        axes.invert_yaxis()
        axes.set_xlabel("ndcg@10 of honest users")
        axes.tick_params(length=0)
        _legend(figure, axes)

    return plot


_COSTS: Mapping[str, Callable[[Row], float]] = {
    "identities": lambda row: row.identities,
    "attack edges": lambda row: row.attack_edges,
    "messages": lambda row: row.messages,
}


def _panels(
    rows: Sequence[Row], cost: Callable[[Row], float], label: str, *, logarithmic: bool
) -> Plot:
    strategies = distinct([row.strategy for row in rows])
    systems = distinct([row.system for row in rows])
    width = min(PANEL_COLUMNS, len(strategies))
    height = -(-len(strategies) // width)

    def plot(figure: "Figure", theme: Theme) -> None:
        figure.set_size_inches(10, 0.6 + 1.9 * height)
        panels = figure.subplots(height, width, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, strategy in zip(panels, strategies, strict=False):
            for number, system in enumerate(systems):
                mine = [r for r in rows if r.strategy == strategy and r.system == system]
                points = sorted((cost(row), exposure) for row, exposure in exposed(mine))
                _line(axes, number, systems, points)
            axes.set_title(written(strategy))
            _finish(axes, logarithmic=logarithmic, label="")
            _ticks(axes, rows, cost)
        for axes in panels[len(strategies) :]:
            axes.set_visible(False)
        for axes in panels[: len(strategies)][-width:]:  # above an empty place, too
            axes.tick_params(labelbottom=True)
        figure.supxlabel(label, fontsize=9)
        figure.supylabel("exposure@10", fontsize=9)
        _legend(figure, panels[0])

    return plot


def _line(
    axes: "Axes",
    number: int,
    systems: Sequence[str],
    points: Sequence[tuple[float, float]],
    *,
    stepped: bool = False,
) -> None:
    """Draw one system; the first lies on top and is the thickest.

    Of the others a mark is the larger the further down it lies: of several in one place all are
    seen.
    """
    ring = min(_RING, _RINGS / len(systems))
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[number % len(MARKERS)],
        markersize=_TOP_MARK + ring * (len(systems) - number if number else 0),
        linewidth=1.4 if number else 2.6,
        zorder=3 if number else 4,
        label=written(systems[number]),
        clip_on=False,
        drawstyle="steps-post" if stepped else "default",
    )


def _finish(axes: "Axes", *, logarithmic: bool, label: str) -> None:
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_short)
        axes.xaxis.set_minor_formatter("")
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.set_xlabel(label)
    axes.grid(axis="y", linewidth=0.6)
    axes.tick_params(length=0)
    axes.tick_params(axis="x", pad=8)  # below the marks at 0


def _ticks(axes: "Axes", rows: Sequence[Row], cost: Callable[[Row], float]) -> None:
    """Name the values that were tried, and no others; of several nearly equal ones the largest."""
    named: list[float] = []
    for value in sorted({cost(row) for row in rows}, reverse=True):
        if not named or named[-1] >= value * _APART or axes.get_xscale() != "log":
            named.append(value)
    axes.set_xticks(named[::-1])
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(_short)


def _short(value: float, position: float) -> str:
    return f"{value:,.0f}"


def _legend(figure: "Figure", axes: "Axes") -> None:
    known = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(known.values(), known.keys(), loc="outside upper left", ncols=len(known))
