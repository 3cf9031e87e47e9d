"""`tastemesh demo`."""

import asyncio
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console

from tastemesh.errors import UsageError
from tastemesh.node.address import parse_broker_url
from tastemesh.node.cli.data import (
    Columns,
    EndorsementColumns,
    EndorsementsFile,
    InteractionsFile,
    JsonFile,
    MinWeight,
    SkipBad,
    Undirected,
    check_distinct,
    read_endorsements,
    read_interactions,
    write_json,
)
from tastemesh.node.cli.progress import stages
from tastemesh.node.demo.hostile import ATTACKS
from tastemesh.node.demo.page import serve_page
from tastemesh.node.demo.report import verdict
from tastemesh.node.demo.run import DemoOptions, check_options, run_demo
from tastemesh.node.node import Node


def demo(
    interactions: InteractionsFile = None,
    columns: Columns = None,
    min_weight: MinWeight = None,
    endorsements: EndorsementsFile = None,
    endorsement_columns: EndorsementColumns = None,
    undirected: Undirected = False,
    skip_bad: SkipBad = False,
    nodes: Annotated[int, typer.Option(min=2, max=200, help="How many users to show.")] = 24,
    seconds: Annotated[
        float,
        typer.Option(min=1, max=86_400, help="How long records may take to arrive everywhere."),
    ] = 60.0,
    attack: Annotated[
        str, typer.Option(help=f"What the hostile client does: all, none, {', '.join(ATTACKS)}.")
    ] = "all",
    broker: Annotated[
        str, typer.Option(metavar="URL", help="MQTT broker; default: the embedded NATS server.")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of everything random but the keys.")] = 0,
    json_file: JsonFile = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Then show one user's dashboard, until Ctrl-C.")
    ] = False,
    http_port: Annotated[
        int,
        typer.Option(
            metavar="PORT", min=0, max=65535, help="Port of the dashboard; 0 for any free one."
        ),
    ] = 0,
) -> None:
    """Run real nodes on a real broker, under attack, and see what they recommend.

    Each user gets a node with its own keys, database and MQTT connection. One fifth of what each
    user did is held out, the rest is recorded and gossiped, while a hostile client forges, alters,
    replays, back-dates and floods. Then each node recommends. Users are picked as a connected
    neighbourhood, from the best-connected user outwards, not at random: strangers share nothing.
    Without files, a built-in community with clusters of taste plays.

    Example: tastemesh demo --serve
    """
    check_options(nodes, attack)
    if broker:
        parse_broker_url(broker)
    if endorsements and not interactions:
        raise UsageError("--endorsements needs --interactions; without both a community is made up")
    for option, given in (
        ("--columns", columns),
        ("--min-weight", min_weight is not None),
        ("--skip-bad", skip_bad),
    ):
        if given and not interactions:
            raise UsageError(f"{option} needs --interactions; without it a community is made up")
    check_distinct(
        {"--json": json_file}, {"--interactions": interactions, "--endorsements": endorsements}
    )
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    vouched = read_endorsements(endorsements, endorsement_columns, undirected, skip_bad)
    options = DemoOptions(
        interactions=read_interactions(interactions, columns, min_weight, skip_bad, for_nodes=True)
        if interactions
        else None,
        endorsements=vouched,
        node_count=nodes,
        time_limit_s=seconds,
        attack=attack,
        broker=broker,
        seed=seed,
    )
    asyncio.run(_demonstrate(options, json_file, http_port if serve else None))


async def _demonstrate(options: DemoOptions, json_file: Path | None, port: int | None) -> None:
    with ExitStack() as bars:

        async def after(result: dict[str, Any], node: Node, names: dict[str, str]) -> None:
            bars.close()
            Console().print(verdict(result))
            write_json(json_file, result)
            if port is not None:
                await serve_page(node, names, port, _greet)

        await run_demo(options, bars.enter_context(stages()), after)


def _greet(url: str) -> None:
    typer.echo(f"\nopen this page; Ctrl-C ends it\n{url}")
