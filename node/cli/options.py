"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from tastemesh.errors import UsageError
from tastemesh.node.http.access import HOME_VARIABLE, default_home


def _folder(text: str | Path) -> Path:
    """Return a home as an absolute path; an unset variable in a script is not "here"."""
    if not str(text):
        raise UsageError("--home is empty; expected a folder")
    folder = Path(text).resolve()
    if folder.is_file():
        raise UsageError(f"--home {text} is a file; expected a folder")
    return folder


Home = Annotated[
    Path,
    typer.Option(
        default_factory=default_home,
        show_default=f"{HOME_VARIABLE}, or the platform's data folder",
        metavar="<dir>",
        parser=_folder,
        help="The node's folder.",
    ),
]
Identity = Annotated[str, typer.Option(help="Which of the node's local users.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
