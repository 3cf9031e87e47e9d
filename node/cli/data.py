"""Options that name data files, for every command that reads or writes them."""

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from tastemesh.errors import UsageError
from tastemesh.sim.datasets import load_endorsements, load_interactions
from tastemesh.sim.interactions import Endorsements, Interactions, LoadCounts


def writable(option: typer.CallbackParam, path: Path | None) -> Path | None:
    """Refuse a file that cannot be written before the work begins, and leave it as it is.

    Args:
        option: that names it.
        path: of the file, if one is named.

    Returns:
        The path.

    Raises:
        UsageError: it cannot be written.
    """
    if path is None or (path.exists() and not path.is_file()):  # a pipe is opened once
        return path
    is_new = not path.exists()
    try:
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise UsageError(f"{option.opts[0]} {path}: {error.strerror}") from None
    return path


InteractionsFile = Annotated[
    str | None,
    typer.Option(
        "--interactions",
        metavar="FILE",
        help="Who took up what: CSV or TSV, plain, .gz or .zip (archive.zip!member).",
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="user=NAME,item=NAME,...",
        help="Columns by header or 1-based position: user, item, weight, time or day,month,year.",
    ),
]
MinWeight = Annotated[
    float | None,
    typer.Option("--min-weight", metavar="W", help="Drop weaker rows, ratings below 3 say."),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Go on past lines that cannot be read; they are counted.")
]
EndorsementsFile = Annotated[
    str | None,
    typer.Option("--endorsements", metavar="FILE", help="Who vouches for whom: CSV or TSV."),
]
EndorsementColumns = Annotated[
    str | None,
    typer.Option(
        "--endorsement-columns",
        metavar="source=NAME,subject=NAME,...",
        help="Columns by header or 1-based position: source, subject, weight, time.",
    ),
]
Undirected = Annotated[
    bool, typer.Option("--undirected", help="Each friendship is listed once and goes both ways.")
]
OwnFile = Annotated[
    Path | None,
    typer.Option(
        "--with",
        metavar="FILE.py",
        dir_okay=False,
        help="Python with STRATEGIES (attack, sim) or SYSTEMS (attack, evaluate) of your own, "
        "by name; it is run.",
    ),
]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        dir_okay=False,
        help="Write the result as JSON too.",
        callback=writable,
    ),
]


def check_distinct(
    written: Mapping[str, str | Path | None], read: Mapping[str, str | Path | None]
) -> None:
    """Refuse to write a file that is read, or to write one twice.

    Args:
        written: files by the options that name them; None where one is not given.
        read: likewise.

    Raises:
        UsageError: two options name one file.
    """
    named = [
        (option, Path(file)) for option, file in {**read, **written}.items() if file is not None
    ]
    for (one, path), (other, same) in combinations(named, 2):
        if other in written and path.resolve() == same.resolve():
            raise UsageError(f"{one} and {other} both name {path}; expected two files")


def read_interactions(
    path: str,
    columns: str | None,
    min_weight: float | None,
    skip_bad: bool,
    *,
    for_nodes: bool = False,
) -> Interactions:
    """Load interactions and say on stderr which columns were read and what was left out."""
    loaded = load_interactions(
        path, columns=columns, min_weight=min_weight, skip_bad=skip_bad, for_nodes=for_nodes
    )
    _say(path, loaded.counts)
    return loaded


def read_endorsements(
    path: str | None, columns: str | None, undirected: bool, skip_bad: bool
) -> Endorsements | None:
    """Load endorsements, if there are, and say on stderr what was read and what was left out.

    Raises:
        UsageError: there are none, and options for them.
    """
    if path is None:
        for option, given in (("--endorsement-columns", columns), ("--undirected", undirected)):
            if given:
                raise UsageError(f"{option} needs --endorsements")
        return None
    loaded = load_endorsements(path, columns=columns, undirected=undirected, skip_bad=skip_bad)
    _say(path, loaded.counts)
    return loaded


def columns_used(
    interactions: Interactions, endorsements: Endorsements | None
) -> dict[str, str | None]:
    """Return which columns of the files were read, for the JSON of a result."""
    return {
        "interactions": interactions.counts.columns,
        "endorsements": None if endorsements is None else endorsements.counts.columns,
    }


def needed_columns(table: Table) -> int:
    """Return how wide a table is with every cell on one line."""
    anything = Console(width=1_000)
    return Measurement.get(anything, anything.options, table).maximum


def console_for(table: Table) -> Console:
    """Return where a table is printed; in a pipe it is as wide as that, so that no cell is cut."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, needed_columns(table))
    return console


def notices_since(
    notices: Sequence[str], interactions: Interactions, endorsements: Endorsements | None
) -> list[str]:
    """Return the notices that were not said when the files were read."""
    said = set(interactions.counts.notices())
    if endorsements is not None:
        said.update(endorsements.counts.notices())
    return [notice for notice in notices if notice not in said]


def _say(path: str, counts: LoadCounts) -> None:
    for said in (f"columns {counts.columns}", *counts.notices()):
        typer.echo(f"{path}: {said}", err=True)


def write_json(path: Path | None, result: Any) -> None:
    """Write a result for machines, where a file was asked for.

    Raises:
        UsageError: the file cannot be written.
    """
    if path is None:
        return
    try:
        path.write_text(json.dumps(result, indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"--json {path}: {error.strerror}") from None
