"""`tastemesh config`."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from tastemesh.node.cli.options import AsJson, Home
from tastemesh.node.config import described


class Action(StrEnum):
    """What to do with the settings."""

    SHOW = "show"


def config(
    home: Home,
    action: Annotated[Action, typer.Argument(help="Only: show.")] = Action.SHOW,
    as_json: AsJson = False,
) -> None:
    """Show each setting and where its value comes from.

    The environment comes before the home's config.toml, and that before the defaults; a flag of
    `tastemesh run` would come before them all.

    Example: tastemesh config show
    """
    settings = described(home)
    if as_json:
        typer.echo(json.dumps(settings, indent=2))
        return
    for name, (value, source, expected) in settings.items():
        typer.echo(f"{name} = {json.dumps(value)}\n    from {source}; {expected}")
