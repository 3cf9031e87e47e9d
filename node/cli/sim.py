"""`tastemesh sim`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich import box
from rich.table import Table

from tastemesh.errors import UsageError
from tastemesh.node.cli.data import (
    JsonFile,
    OwnFile,
    check_distinct,
    console_for,
    writable,
    write_json,
)
from tastemesh.node.cli.progress import stages
from tastemesh.node.cli.runs import run, run_seeds, show
from tastemesh.sim import inspection
from tastemesh.sim.company import fitting_size
from tastemesh.sim.own import NOTHING, read_own
from tastemesh.sim.replay import Replay
from tastemesh.sim.scenario import load_scenario, shipped
from tastemesh.sim.trace import Trace


def sim(
    scenario: Annotated[
        str | None, typer.Argument(help="A shipped scenario's name, or a TOML file.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(min=2, max=100_000, help="In place of the scenario's number.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of everything random.", show_default="0")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100_000,
            help="Run so many seeds, from --seed on, one after the other: means and 95 % "
            "intervals; Ctrl-C keeps those that are done.",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=256,
            help="That share the nodes; the result is the same for any number. "
            "[default: all processors, 100 nodes each at least; 1 with --record]",
            show_default=False,
        ),
    ] = None,
    list_them: Annotated[bool, typer.Option("--list", help="Name the shipped scenarios.")] = False,
    record: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|ID", help="Write a trace here; with --inspect, the record to look for."
        ),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Run a trace's nodes again and compare.")
    ] = None,
    inspect: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Ask a trace why something happened.")
    ] = None,
    node: Annotated[
        int | None, typer.Option(min=0, help="With --inspect: the number of the node.")
    ] = None,
    at: Annotated[
        float | None,
        typer.Option(min=0, max=1e9, help="With --inspect: virtual second to look at."),
    ] = None,
    item: Annotated[
        str | None, typer.Option(help="With --inspect: why the node recommends this item.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png|svg",
            dir_okay=False,
            callback=writable,
            help="Draw coverage, traffic and faults over time; needs the extra lab.",
        ),
    ] = None,
    with_file: OwnFile = None,
    json_file: JsonFile = None,
) -> None:
    """Simulate a network of full nodes in virtual time.

    The nodes are the ones that the daemon runs; links, clocks and crashes are simulated. One seed
    gives one trace, byte for byte: the digest is its hash.

    Example: tastemesh sim lossy --nodes 100 --seeds 5
    """
    if list_them:
        table = Table("scenario", "what happens", box=box.SIMPLE_HEAD)
        for name, known in shipped().items():
            table.add_row(name, known.description)
        console_for(table).print(table)
        return
    chosen = [each for each in (scenario, replay, inspect) if each is not None]
    if len(chosen) > 1:
        raise UsageError("SCENARIO, --replay FILE and --inspect FILE; expected one of them")
    check_distinct(
        {"--record": None if inspect else record, "--json": json_file, "--plot": plot},
        {
            "SCENARIO": None if scenario in shipped() else scenario,
            "--replay": replay,
            "--with": with_file,
        },
    )
    of_a_run = [each is not None for each in (nodes, seed, seeds, processes, plot, with_file)]
    if inspect is not None:
        if any(of_a_run) or json_file is not None:
            raise UsageError(
                "--inspect takes everything from the trace; no --nodes, --seed, --seeds, "
                "--processes, --plot, --with or --json"
            )
        _inspect(inspect, node, record, at, item)
    elif node is not None or at is not None or item is not None:
        raise UsageError("--node, --at and --item go with --inspect FILE")
    elif replay is not None:
        if any(of_a_run) or record is not None:
            raise UsageError(
                "--replay takes everything from the trace; no --nodes, --seed, --seeds, "
                "--processes, --plot, --with or --record"
            )
        _replay(replay, json_file)
    elif scenario is None:
        raise UsageError(
            f"scenario is missing; expected a TOML file or one of {', '.join(shipped())}"
        )
    elif seeds is not None and record is not None:
        raise UsageError("--record writes the trace of one seed; no --seeds")
    else:
        own = read_own(with_file) if with_file is not None else NOTHING
        wanted = load_scenario(scenario)
        if nodes is not None:
            wanted = msgspec.structs.replace(wanted, nodes=nodes)
        if processes is None:
            processes = 1 if record else fitting_size(wanted.nodes)
        first = seed or 0
        if seeds is not None:
            run_seeds(wanted, range(first, first + seeds), processes, json_file, plot, own)
        else:
            trace = Path(record) if record else None
            run(wanted, first, trace, processes, json_file, plot, own)


def _replay(path: Path, json_file: Path | None) -> None:
    with stages() as progress:
        replayed = Replay(Trace(path)).run(progress)
    result = msgspec.to_builtins(replayed)
    show(result)
    typer.echo("every message and every recommendation is the same as recorded")
    write_json(json_file, result)


def _inspect(
    path: Path, node: int | None, record: str | None, at_s: float | None, item: str | None
) -> None:
    if node is None or sum(each is not None for each in (record, at_s, item)) != 1:
        raise UsageError("--inspect needs --node N and one of --record ID, --at SECONDS, --item ID")
    with stages() as progress:
        if record is not None:
            lines = inspection.way_of_record(path, node, record, progress)
        elif at_s is not None:
            lines = inspection.around(path, node, at_s, progress)
        else:
            assert item is not None
            lines = inspection.why_listed(path, node, item, progress)
    for line in lines:
        typer.echo(line)
