"""The runs that `tastemesh sim` makes, and what it says of them."""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer
from rich import box
from rich.table import Table

from tastemesh.errors import UsageError
from tastemesh.node.cli.data import console_for, write_json
from tastemesh.node.cli.progress import Told, stages
from tastemesh.sim.own import NOTHING, Own
from tastemesh.sim.run import LAST_SEED, run_scenario
from tastemesh.sim.scenario import Scenario
from tastemesh.sim.wording import counted

if TYPE_CHECKING:
    from tastemesh.sim.seeds import Figure

_NOT_IN_THE_TABLE = ("scenario", "adversaries", "phases", "series")


def run(
    scenario: Scenario,
    seed: int,
    record: Path | None,
    processes: int,
    json_file: Path | None,
    plot: Path | None,
    own: Own = NOTHING,
) -> None:
    """Run a scenario, and say what came of it.

    Args:
        scenario: what happens.
        seed: of everything random.
        record: a file for the trace, if any.
        processes: how many share the nodes.
        json_file: for the result, if any.
        plot: for the picture, if any.
        own: a file of strategies beside those that are shipped.

    Raises:
        UsageError: as `run_scenario`, or a file cannot be written.
        ProcessError: one of the processes ended before its work did.
    """
    draw = _drawing(plot)
    with stages() as progress:
        result = _timed(scenario, seed, progress, processes, own, record)
    show({k: v for k, v in result.items() if k not in _NOT_IN_THE_TABLE})
    if result["adversaries"]:
        _show_adversaries(result["adversaries"])
    write_json(json_file, result)
    draw([result])


def _drawing(plot: Path | None) -> Callable[[list[dict[str, Any]]], None]:
    """Return what draws runs, having checked that it can."""
    if plot is None:
        return lambda runs: None
    # What it imports takes half a second.
    from tastemesh.sim.chart import check_chart, write_chart

    check_chart(plot)
    return partial(write_chart, plot)


def run_seeds(
    scenario: Scenario,
    seeds: range,
    processes: int,
    json_file: Path | None,
    plot: Path | None,
    own: Own = NOTHING,
) -> None:
    """Run a scenario under one seed after the other, and say what came of all of them.

    Whatever ends it, Ctrl-C say, those that are done are told and written.

    Args:
        scenario: what happens.
        seeds: at least one.
        processes: how many share the nodes of each.
        json_file: for the results and their means, if any.
        plot: for a picture of the means, if any.
        own: a file of strategies beside those that are shipped.

    Raises:
        UsageError: a seed is out of range, or as `run`.
        ProcessError: one of the processes ended before its work did.
    """
    if seeds[-1] > LAST_SEED:
        raise UsageError(f"the last seed is {seeds[-1]}; expected at most {LAST_SEED}")
    draw = _drawing(plot)
    # With what summarises them; it takes half a second.
    from tastemesh.sim.seeds import summarised

    results: list[dict[str, Any]] = []
    try:
        for number, seed in enumerate(seeds, 1):
            with stages() as progress:  # one bar each: those of many seeds fill no terminal
                told = _named(f"seed {seed}, {number} of {len(seeds)}", progress)
                results.append(_timed(scenario, seed, told, processes, own))
    finally:
        if results:
            if len(results) < len(seeds):
                typer.echo(f"{len(results)} of {counted(len(seeds), 'seed')} done", err=True)
            figures = summarised(results)
            _show_seeds(results, figures)
            write_json(
                json_file,
                {
                    "scenario": results[0]["scenario"],
                    "seeds": [result["seed"] for result in results],
                    "seeds_wanted": len(seeds),
                    "summary": msgspec.to_builtins(figures),
                    "runs": results,
                },
            )
            draw(results)


def _named(stage: str, progress: Told) -> Told:
    return lambda _, done, total: progress(stage, done, total)


def _timed(
    scenario: Scenario,
    seed: int,
    progress: Told,
    processes: int,
    own: Own,
    record: Path | None = None,
) -> dict[str, Any]:
    started_s = time.perf_counter()
    result = run_scenario(scenario, seed, progress, record, processes, own)
    wall_s = time.perf_counter() - started_s
    result["wall_seconds"] = round(wall_s, 2)
    result["events_per_s"] = round(result["events"] / wall_s)
    result["processes"] = processes
    result["peak_rss_mb"] = round(_peak_mb(processes), 1)
    return result


def _peak_mb(processes: int) -> float:
    """Return what all processes needed at most; each of the others counts as the largest one."""
    own, largest = (
        resource.getrusage(of).ru_maxrss for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    kib = 1024 if sys.platform != "darwin" else 1
    return (own + (processes - 1) * largest) * kib / 1024**2


def show(result: dict[str, Any]) -> None:
    """Print a result's figures, one a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in result.items():
        table.add_row(name, json.dumps(value))
    console_for(table).print(table)


def _show_adversaries(found: list[dict[str, Any]]) -> None:
    table = Table(  # headers are folded here, so that 80 columns cut none of them
        "strategy", "identities", "attack\nedges", "sent", "exposure@10", "of\nfriends",
        "of\nwindows", "convicted\nby", box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False,
    )  # fmt: skip
    for each in found:
        friends = each["exposure_of_the_deceiveds_friends@10"]
        exposed = each["exposure@10"]
        table.add_row(
            each["strategy"],
            str(each["identities"]),
            str(each["attack_edges"]),
            str(each["messages_sent"]),
            "nobody asked" if exposed is None else f"{exposed:.1%}",
            "" if friends is None else f"{friends:.1%}",
            f"{each['window_share']:.1%}",
            f"{each['convicted_by']:.0%}",
        )
    console_for(table).print(table)


def _show_seeds(results: list[dict[str, Any]], figures: Mapping[str, "Figure"]) -> None:
    each = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for name in ("seed", "coverage", "converged_s"):
        each.add_column(name, justify="right", no_wrap=True)
    each.add_column("digest", overflow="fold")
    for result in results:
        late_s = result["converged_s"]
        told = "never" if late_s is None else f"{late_s:g}"
        each.add_row(str(result["seed"]), f"{result['coverage']:.4%}", told, result["digest"])
    means = Table("figure", box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for name in ("mean", "95 % interval", "seeds"):
        means.add_column(name, justify="right", no_wrap=True)
    for name, figure in figures.items():
        ends = "" if figure.ci95 is None else " to ".join(map(_rounded, figure.ci95))
        means.add_row(name, _rounded(figure.mean), ends, str(figure.seeds))
    for table in (each, means):
        console_for(table).print(table)


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"
