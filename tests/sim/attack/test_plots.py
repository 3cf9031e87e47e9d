"""The plots of a report: each axis names the values that were tried."""

from io import BytesIO

import msgspec
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tastemesh.sim.attack.cells import Cell
from tastemesh.sim.attack.plots import THEMES, Plot, accuracy, bounds, by_identities, cost_curves
from tastemesh.sim.attack.summary import summary


def panels(plot: Plot) -> list[Axes]:
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    plot(figure, THEMES["light"])
    figure.savefig(BytesIO())
    return [axes for axes in figure.axes if axes.get_visible()]


def shown(axes: Axes) -> list[str]:
    every = axes.get_xticklabels() + axes.get_xticklabels(minor=True)
    return [each.get_text() for each in every if each.get_visible() and each.get_text()]


def test_few_costs_are_named_and_no_others(cells: list[Cell]) -> None:
    few = [msgspec.structs.replace(cell, messages=cell.identities // 8 + 1) for cell in cells]
    assert [shown(axes) for axes in panels(cost_curves(summary(few)))] == [
        ["1", "40"],
        ["0", "1"],
        ["1", "6"],
    ]


def test_a_panel_above_an_empty_place_has_its_values(cells: list[Cell]) -> None:
    five = [
        msgspec.structs.replace(cell, strategy=name)
        for cell in cells
        if cell.strategy == "copycat"
        for name in "abcde"
    ]
    labelled = [shown(axes) for axes in panels(by_identities(summary(five), 0))]
    assert labelled == [[], *[["1", "40"]] * 4]


def test_of_two_marks_in_one_place_both_are_seen(cells: list[Cell]) -> None:
    first = panels(bounds(summary(cells)))[0]
    marks = {line.get_label(): line for line in first.lines}
    exposure, mass = marks["exposure@10"], marks["sybil mass"]
    assert first.lines.index(exposure) > first.lines.index(mass)
    assert exposure.get_markersize() < mass.get_markersize() - 2
    assert exposure.get_zorder() == mass.get_zorder() > first.spines["left"].get_zorder()


def test_marks_at_nothing_touch_no_name(cells: list[Cell]) -> None:
    first = panels(bounds(summary(cells)))[0]
    names_end = max(each.get_window_extent().x1 for each in first.get_yticklabels())
    pixels_a_point = first.figure.dpi / 72
    width = max(line.get_markersize() for line in first.lines) * pixels_a_point
    assert names_end < first.transData.transform((0, 0))[0] - width


def test_costs_that_are_nearly_the_same_do_not_run_into_each_other(cells: list[Cell]) -> None:
    near = [
        msgspec.structs.replace(cell, messages=10 * cell.identities + (cell.strategy == "copycat"))
        for cell in cells
    ]
    assert shown(panels(cost_curves(summary(near)))[2]) == ["11", "401"]


def test_marks_in_one_place_are_rings_and_touch_no_value_below(cells: list[Cell]) -> None:
    nothing = [msgspec.structs.replace(cell, exposure_at_10=0.0) for cell in cells]
    first = panels(by_identities(summary(nothing), 0))[0]
    marks = [line for line in first.lines if line.get_label() in {cell.system for cell in cells}]
    from_below = sorted(marks, key=lambda line: (line.get_zorder(), first.lines.index(line)))
    sizes = [line.get_markersize() for line in from_below]
    assert sizes == sorted(set(sizes), reverse=True)
    pixels_a_point = first.figure.dpi / 72
    lowest = first.transData.transform((1, 0))[1] - sizes[0] / 2 * pixels_a_point
    named = panels(by_identities(summary(nothing), 0))[0].get_xticklabels()
    assert max(each.get_window_extent().y1 for each in named) <= lowest


def test_names_of_ones_own_are_no_formulas_and_in_the_legend(cells: list[Cell]) -> None:
    names = {"userknn": "_mine", "popularity": r"a$\b{$"}
    named = [
        msgspec.structs.replace(
            cell, system=names.get(cell.system, cell.system), strategy=rf"$\{cell.strategy}{{$"
        )
        for cell in cells
    ]
    rows = summary(named)
    for plot in (by_identities(rows, 0), cost_curves(rows), bounds(rows), accuracy(rows)):
        panels(plot)
    (legend,) = panels(cost_curves(rows))[0].figure.legends
    told = {each.get_text().strip().replace(r"\$", "$") for each in legend.get_texts()}
    assert told == {row.system for row in rows} >= {"_mine"}
