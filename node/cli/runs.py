"""The runs that `tastemesh sim` makes, and what it says of them."""

import json
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from tastemesh.node.cli.data import console_for, write_json
from tastemesh.node.cli.progress import stages
from tastemesh.sim.run import run_scenario
from tastemesh.sim.scenario import Scenario

_NOT_IN_THE_TABLE = ("scenario", "adversaries", "phases", "series")


def run(
    scenario: Scenario,
    seed: int,
    record: Path | None,
    processes: int,
    json_file: Path | None,
    plot: Path | None,
) -> None:
    """Run a scenario, and say what came of it.

    Args:
        scenario: what happens.
        seed: of everything random.
        record: a file for the trace, if any.
        processes: how many share the nodes.
        json_file: for the result, if any.
        plot: for the picture, if any.

    Raises:
        UsageError: as `run_scenario`, or a file cannot be written.
        ProcessError: one of the processes ended before its work did.
    """
    draw = _drawing(plot)
    started_s = time.perf_counter()
    with stages() as progress:
        result = run_scenario(scenario, seed, progress, record, processes)
    wall_s = time.perf_counter() - started_s
    result["wall_seconds"] = round(wall_s, 2)
    result["events_per_s"] = round(result["events"] / wall_s)
    result["processes"] = processes
    result["peak_rss_mb"] = round(_peak_mb(processes), 1)
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
