"""What a question costs as the window grows: exact and pushed."""

from typing import TYPE_CHECKING, Any

from benchmarks import scale
from docs.figures.workshop import Workshop, rows_of
from tastemesh.sim.attack.plots import COLOURS, MARKERS, Plot, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCUMENT = "benchmarks.md"

Rows = list[dict[str, Any]]


def make(workshop: Workshop) -> None:
    """Run the benchmark; a table and a plot."""
    rows = workshop.kept("query-cost", Rows, lambda: scale.run(quick=False))
    lines = [
        (
            f"{size:,}",
            f"{exact['ours']:.2f}",
            f"{pushed['peers']:.2f}",
            f"{pushed['ours']:.2f}",
            f"{pushed['ratio']:.1f}",
        )
        for size, exact, pushed in _pairs(rows)
    ]
    header = ("interactions", "exact, compiled, ms", "exact by scipy, ms", "pushed, ms", "ratio")
    workshop.write(DOCUMENT, "query-cost", rows_of(header, lines))
    workshop.draw("query-cost", _plot(rows))


def _pairs(rows: Rows) -> list[tuple[int, dict[str, Any], dict[str, Any]]]:
    """Return the exact and the pushed row of each size."""
    sizes = [int(row["work"].split()[0].replace(",", "")) for row in rows[::2]]
    return list(zip(sizes, rows[::2], rows[1::2], strict=True))


def _plot(rows: Rows) -> Plot:
    def plot(figure: "Figure", theme: Theme) -> None:
        figure.set_size_inches(6, 3.8)
        axes = figure.subplots()
        pairs = _pairs(rows)
        sizes = [size for size, _, _ in pairs]
        curves = {
            "exact, trust in 400, compiled": [exact["ours"] for _, exact, _ in pairs],
            "exact by scipy, trust in 100": [pushed["peers"] for _, _, pushed in pairs],
            "pushed, trust in 100": [pushed["ours"] for _, _, pushed in pairs],
        }
        for number, (name, costs) in enumerate(curves.items()):
            axes.plot(sizes, costs, MARKERS[number], color=COLOURS[number], ls="-", label=name)
        first = curves["exact by scipy, trust in 100"][0]
        linear = [first * size / sizes[0] for size in sizes]
        axes.plot(sizes, linear, color=theme.ink, ls=":", label="if it grew with the window")
        axes.set(xscale="log", yscale="log", xlabel="interactions in the window", ylabel="ms")
        axes.grid(color=theme.grid, linewidth=0.6)
        axes.legend(frameon=False)

    return plot
