"""`tastemesh attack`."""

from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich import box
from rich.table import Table

from tastemesh.errors import UsageError, is_interrupt
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
    read_endorsements,
    read_interactions,
    write_json,
)
from tastemesh.node.cli.progress import stages
from tastemesh.sim.adversaries.strategies import STRATEGIES
from tastemesh.sim.adversaries.white_box import WHITE_BOX
from tastemesh.sim.attack.backends import check_backend, open_backend
from tastemesh.sim.attack.cells import Attempt
from tastemesh.sim.attack.journal import Journal
from tastemesh.sim.attack.options import (
    ATTACK_EDGES,
    SYSTEMS,
    AttackOptions,
    check_options,
    fingerprint,
)
from tastemesh.sim.attack.report import prepare_report, write_report
from tastemesh.sim.attack.runner import run_attacks
from tastemesh.sim.attack.summary import Row, remarks, summary
from tastemesh.sim.attack.tables import mean_count
from tastemesh.sim.company import processor_count
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.own import NOTHING, brought_by, read_own
from tastemesh.sim.systems.registry import SYSTEMS as COMPARED
from tastemesh.sim.systems.registry import VARIANTS
from tastemesh.sim.wording import counted


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


class BackendName(StrEnum):
    """Where the work is done; the names of `tastemesh.sim.attack.backends.BACKENDS`."""

    LOCAL = "local"
    DASK = "dask"
    RAY = "ray"


def attack(
    interactions: InteractionsFile = None,
    columns: Columns = None,
    min_weight: MinWeight = None,
    endorsements: EndorsementsFile = None,
    endorsement_columns: EndorsementColumns = None,
    undirected: Undirected = False,
    skip_bad: SkipBad = False,
    strategies: Annotated[
        str,
        typer.Option(
            metavar="all|a,b,...",
            help=f"Of: {', '.join(STRATEGIES)}; and, not in all as it searches for minutes, "
            f"{WHITE_BOX}.",
        ),
    ] = "all",
    systems: Annotated[
        str,
        typer.Option(
            metavar="a,b,...",
            help=f"Compared on the same view. Of: {', '.join(COMPARED)}; and ours with one "
            f"deviation undone: {', '.join(VARIANTS)}.",
        ),
    ] = ",".join(SYSTEMS),
    with_file: OwnFile = None,
    identities: Annotated[
        str, typer.Option(metavar="N,N,...", help="How many the attacker mints.")
    ] = "1,10,100",
    attack_edges: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="How many honest users are deceived into endorsing.",
            show_default=f"{_listed(ATTACK_EDGES)}; without endorsements 0",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each cell.")] = 5,
    egos: Annotated[
        int, typer.Option(min=1, help="Users asked, who have endorsed somebody.")
    ] = 100,
    egos_without_endorsements: Annotated[
        int, typer.Option(min=0, help="Users asked who have endorsed nobody, reported apart.")
    ] = 0,
    backend: Annotated[
        BackendName, typer.Option(help="Processes here, or a Dask or Ray cluster.")
    ] = BackendName.LOCAL,
    jobs: Annotated[int, typer.Option(min=0, help="Processes here; 0: as many as processors.")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of a running Dask scheduler; else one is started."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl", dir_okay=False, help="Keep finished cells there, and go on."
        ),
    ] = None,
    json_file: JsonFile = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Write a page, Markdown and plots."),
    ] = None,
) -> None:
    """Attack several systems on your data, and compare.

    The target is an item that only the attackers hold. Exposure is the share of honest users who
    find it in their top ten; users who endorse a deceived user directly are reported apart.

    Example: tastemesh attack --interactions plays.csv --endorsements friends.csv
    --strategies copycat,early-spam --identities 1000
    """
    if interactions is None:
        raise UsageError("--interactions is missing; expected a CSV or TSV file")
    own = read_own(with_file) if with_file is not None else NOTHING
    every = (*STRATEGIES, *brought_by(own).strategies)
    tried = AttackOptions(
        strategies=every if strategies == "all" else _names(strategies),
        systems=_names(systems),
        identities=_numbers("identities", identities),
        attack_edges=_edges(attack_edges, has_endorsements=endorsements is not None),
        seeds=seeds,
        egos=egos,
        egos_without_endorsements=egos_without_endorsements,
        own=own,
    )
    check_options(tried, has_endorsements=endorsements is not None)
    job_count = jobs or processor_count()
    check_backend(backend.value, jobs=job_count, scheduler=scheduler)
    check_distinct(
        {"--resume": resume, "--json": json_file},
        {"--interactions": interactions, "--endorsements": endorsements, "--with": with_file},
    )
    if report is not None:
        prepare_report(report)
    # The smaller file first: what is wrong with it is told before the larger one has been read.
    vouched = read_endorsements(endorsements, endorsement_columns, undirected, skip_bad)
    loaded = read_interactions(interactions, columns, min_weight, skip_bad)
    with ExitStack() as opened:
        workers = opened.enter_context(
            open_backend(backend.value, jobs=job_count, scheduler=scheduler)
        )
        journal = (
            Journal(resume, fingerprint(loaded, vouched, tried)) if resume is not None else None
        )
        shown = opened.enter_context(stages())
        reached = ""

        def progress(stage: str, done: int, total: int) -> None:
            nonlocal reached
            reached = f"{done:,} of {total:,} done"
            shown(stage, done, total)

        given_up: dict[str, int] = {}

        def give_up(attempt: Attempt, why: str) -> None:
            given_up[why] = given_up.get(why, 0) + 1

        try:
            cells = run_attacks(
                loaded,
                vouched,
                tried,
                progress,
                backend=workers,
                journal=journal,
                given_up=give_up,
            )
        except (KeyboardInterrupt, SystemError) as error:
            if is_interrupt(error):
                typer.echo(f"{reached or 'nothing done'}; {_way_on(resume)}", err=True)
            raise
    rows = summary(cells)
    _print(rows)
    said = remarks(cells, tried)
    said += [f"{counted(count, 'attempt')} without cells: {why}" for why, count in given_up.items()]
    if vouched is not None:
        said = [*vouched.strangers(loaded.user_ids), *said]
    for remark in said:
        typer.echo(remark, err=True)
    write_json(
        json_file,
        {
            "cells": msgspec.to_builtins(cells),
            "rows": msgspec.to_builtins(rows),
            "columns": columns_used(loaded, vouched),
            "notices": said,
        },
    )
    if report is not None:  # last: what cannot be drawn takes no figures along
        write_report(report, cells, _described(loaded, vouched), own)
        typer.echo(f"wrote {report / 'index.html'}")
    if given_up:
        raise typer.Exit(1)


def _way_on(resume: Path | None) -> str:
    if resume is None:
        return "nothing is kept without --resume FILE"
    return f"go on with the same data, --egos and --resume {resume}"


def _described(interactions: Interactions, endorsements: Endorsements | None) -> str:
    users = counted(len(interactions.user_ids), "user")
    items = counted(len(interactions.item_ids), "item")
    told = f"{counted(len(interactions), 'interaction')} of {users} with {items}"
    return told if endorsements is None else f"{told}, {counted(len(endorsements), 'endorsement')}"


def _print(rows: list[Row]) -> None:
    has_groups = len({row.group for row in rows}) > 1
    table = Table(
        *("strategy", "identities", "edges", "system"),
        *(["group"] if has_groups else []),
        *("egos", "exposure@10", "95 %", "bound", "ndcg@10", "clean"),
        box=box.SIMPLE_HEAD,
    )
    for row in rows:
        table.add_row(
            row.strategy,
            f"{row.identities:,}",
            str(row.attack_edges),
            row.system,
            *([row.group] if has_groups else []),
            mean_count(row.egos),
            "" if row.exposure is None else f"{row.exposure:.3f}",
            " to ".join(f"{end:.3f}" for end in row.exposure_ci95 or ()),
            "" if row.bound is None else f"{row.bound:.3f}",
            f"{row.honest_ndcg:.4f}",
            f"{row.honest_ndcg_clean:.4f}",
        )
    console_for(table).print(table)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _edges(text: str | None, *, has_endorsements: bool) -> tuple[int, ...]:
    if text is None:
        return ATTACK_EDGES if has_endorsements else (0,)
    return _numbers("attack-edges", text)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(each) for each in text.split(","))
    except ValueError:
        raise UsageError(f"--{option} is {text!r}; expected whole numbers with commas") from None
