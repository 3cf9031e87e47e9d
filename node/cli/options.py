"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from tastemesh.node.config import HOME_VARIABLE, default_home

Home = Annotated[
    Path,
    typer.Option(
        default_factory=default_home,
        show_default=f"{HOME_VARIABLE}, or the platform's data folder",
        file_okay=False,
        resolve_path=True,
        help="The node's folder.",
    ),
]
Identity = Annotated[str, typer.Option(help="Which of the node's local users.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
