"""`tastemesh sim`."""

import json
import resource
import sys
import time
from typing import Annotated

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from tastemesh.errors import UsageError
from tastemesh.node.cli.data import JsonFile, write_json
from tastemesh.node.cli.progress import stages
from tastemesh.sim.run import run_scenario
from tastemesh.sim.scenario import load_scenario, shipped


def sim(
    scenario: Annotated[
        str | None, typer.Argument(help="A shipped scenario's name, or a TOML file.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(min=2, max=100_000, help="In place of the scenario's number.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    list_them: Annotated[bool, typer.Option("--list", help="Name the shipped scenarios.")] = False,
    json_file: JsonFile = None,
) -> None:
    """Simulate a network of full nodes in virtual time.

    The nodes are the ones that the daemon runs; links, clocks and crashes are simulated. One seed
    gives one trace, byte for byte: the digest is its hash.

    Example: tastemesh sim lossy --nodes 100 --seed 7
    """
    if list_them:
        table = Table("scenario", "what happens", box=box.SIMPLE_HEAD)
        for name, known in shipped().items():
            table.add_row(name, known.description)
        Console().print(table)
        return
    if scenario is None:
        raise UsageError(
            f"scenario is missing; expected a TOML file or one of {', '.join(shipped())}"
        )
    chosen = load_scenario(scenario)
    if nodes is not None:
        chosen = msgspec.structs.replace(chosen, nodes=nodes)
    started_s = time.perf_counter()
    with stages() as progress:
        result = run_scenario(chosen, seed, progress)
    result["wall_seconds"] = round(time.perf_counter() - started_s, 2)
    result["events_per_s"] = round(result["events"] / result["wall_seconds"])
    kib = 1024 if sys.platform != "darwin" else 1
    result["peak_rss_mb"] = round(
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kib / 1024**2, 1
    )
    table = Table.grid(padding=(0, 2))
    for name, value in result.items():
        if name != "scenario":
            table.add_row(name, json.dumps(value))
    Console().print(table)
    write_json(json_file, result)
