"""`tastemesh evaluate`."""

import time
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from tastemesh.errors import UsageError
from tastemesh.node.cli.data import (
    Columns,
    EndorsementColumns,
    EndorsementsFile,
    InteractionsFile,
    JsonFile,
    MinWeight,
    OwnFile,
    SkipBad,
    Undirected,
    check_distinct,
    columns_used,
    console_for,
    needed_columns,
    notices_since,
    read_endorsements,
    read_interactions,
    write_json,
)
from tastemesh.node.cli.progress import stages
from tastemesh.sim.crew import fitting_crew
from tastemesh.sim.evaluate import evaluate as measure
from tastemesh.sim.evaluation import Evaluation, format_table
from tastemesh.sim.own import NOTHING, brought_by, read_own
from tastemesh.sim.splits import SplitOptions, check_options
from tastemesh.sim.systems.registry import SYSTEMS, check_methods


class Split(StrEnum):
    """How to hold out; the names of `tastemesh.sim.splits.SplitKind`."""

    RANDOM = "random"
    USER_TIME = "user-time"
    GLOBAL_TIME = "global-time"


def evaluate(
    interactions: InteractionsFile = None,
    columns: Columns = None,
    min_weight: MinWeight = None,
    endorsements: EndorsementsFile = None,
    endorsement_columns: EndorsementColumns = None,
    undirected: Undirected = False,
    skip_bad: SkipBad = False,
    split: Annotated[
        Split,
        typer.Option(help="Hold out at random, each user's last, or all from one moment on."),
    ] = Split.RANDOM,
    test_fraction: Annotated[float, typer.Option(help="Share held out, above 0, below 1.")] = 0.2,
    cutoff: Annotated[
        str | None, typer.Option(metavar="DATE", help="The moment of a global-time split.")
    ] = None,
    min_interactions: Annotated[
        int, typer.Option(min=1, help="Ask only users with so many training items.")
    ] = 5,
    methods: Annotated[
        str | None, typer.Option(metavar="a,b,...", help=f"Of: {', '.join(SYSTEMS)}. Default: all.")
    ] = None,
    with_file: OwnFile = None,
    seed: Annotated[int, typer.Option(min=0, help="Of split, systems and resampling.")] = 0,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=256,
            help="That share the work; the figures are the same for any number. "
            "[default: all processors; 1 for few interactions]",
            show_default=False,
        ),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Measure how accurate each method is on your data.

    Full ranking over all items that a user does not have in training. Every method is tuned on a
    validation part of the training data by the same budget, or its row says that it is not.
    `tastemesh` is the secure configuration that a node runs.

    Example: tastemesh evaluate --interactions plays.csv --endorsements friends.csv
    """
    if interactions is None:
        raise UsageError("--interactions is missing; expected a CSV or TSV file")
    check_distinct(
        {"--json": json_file},
        {"--interactions": interactions, "--endorsements": endorsements, "--with": with_file},
    )
    chosen = [name.strip() for name in methods.split(",")] if methods is not None else None
    own = read_own(with_file) if with_file is not None else NOTHING
    brought = brought_by(own).systems
    check_methods(chosen or (), has_endorsements=endorsements is not None, own=brought)
    options = SplitOptions(
        kind=split.value,
        test_fraction=test_fraction,
        cutoff=cutoff,
        min_interactions=min_interactions,
    )
    check_options(options)
    # The smaller file first: what is wrong with it is told before the larger one has been read.
    vouched = read_endorsements(endorsements, endorsement_columns, undirected, skip_bad)
    loaded = read_interactions(interactions, columns, min_weight, skip_bad)
    with stages() as progress:
        result = measure(
            loaded,
            vouched,
            options,
            chosen,
            seed,
            clock=time.perf_counter,
            progress=progress,
            processes=fitting_crew(loaded) if processes is None else processes,
            own=own,
        )
    if result.results:
        _print(result)
    for notice in notices_since(result.notices, loaded, vouched):
        typer.echo(notice, err=True)
    for name, why in result.skipped.items():
        typer.echo(f"{name} skipped: {why}", err=True)
    write_json(json_file, {**msgspec.to_builtins(result), "columns": columns_used(loaded, vouched)})
    if result.stopped:
        raise typer.Exit(130)
    if not result.results:
        raise typer.Exit(1)


def _print(result: Evaluation) -> None:
    table = format_table(result)
    console = console_for(table)
    if console.width < needed_columns(table):
        table = format_table(result, wide=False)
    console.print(table)
