"""`tastemesh forget` and `tastemesh rotate`."""

from typing import Annotated

import typer

from tastemesh.errors import UsageError
from tastemesh.node.cli.client import ask
from tastemesh.node.cli.options import Home, Identity
from tastemesh.sim.wording import counted


def forget(
    home: Home,
    item: Annotated[
        str | None, typer.Argument(metavar="[ITEM]", help="The item to take back.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Take back every interaction of this user.")
    ] = False,
    identity: Identity = "me",
) -> None:
    """Take back what you recorded, here and in the network.

    Nodes that keep to the protocol delete it and refuse to hear it again; a copy that somebody has
    made for himself cannot be recalled. Private interactions are deleted too. To take an
    endorsement back, endorse with --weight 0.

    Example: tastemesh forget isrc:USRC17607839
    """
    if (item is None) == (not everything):
        raise UsageError("forget: expected an ITEM or --everything, and not both")
    body: dict[str, object] = {"item": item, "everything": everything, "identity": identity}
    gone = ask(home, "POST", "/v1/forget", body=body)
    if not gone["interactions"] and not gone["private"]:
        typer.echo("nothing to forget: no such interaction of yours is in the window")
        return
    typer.echo(
        f"took back {counted(gone['interactions'], 'published interaction')} in "
        f"{counted(gone['records'], 'record')}, deleted {gone['private']:,} private"
    )
    from tastemesh.node.home import set_aside  # a third of a second of imports, after the deed

    for file in set_aside(home):
        typer.echo(
            f"{file} may still hold what you took back: it was set aside when the database was "
            "damaged. Delete it once you need it no more."
        )


def rotate(
    home: Home,
    stolen: Annotated[
        bool,
        typer.Option("--stolen", help="Disown all that the old key signed, and say yours again."),
    ] = False,
    identity: Identity = "me",
) -> None:
    """Sign with your next key from now on; your identity stays.

    Your key file names the next key since it was made, so nobody who only has the current one can
    do this. Do it at once when the key may have been copied, with --stolen.

    Example: tastemesh rotate --stolen
    """
    said = ask(home, "POST", "/v1/rotate", body={"stolen": stolen, "identity": identity})
    typer.echo(f"the next key is in force, announced in {counted(len(said['records']), 'record')}")
