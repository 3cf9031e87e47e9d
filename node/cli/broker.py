"""`tastemesh broker`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from tastemesh.node.broker import EmbeddedBroker
from tastemesh.node.cli.options import Home
from tastemesh.node.settings import BROKER_PORT
from tastemesh.node.stop_signals import stop_event


def broker(
    home: Home,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="MQTT port; 0 for any free one.")
    ] = BROKER_PORT,
    host: Annotated[
        str, typer.Option(help="Interface; there is no password, so keep to trusted networks.")
    ] = "127.0.0.1",
) -> None:
    """Run an MQTT broker for the nodes on this machine.

    A node starts one by itself where none is configured; this one is for several nodes that come
    and go. Sessions are kept in the home, below broker/.

    Example: tastemesh broker --port 18830
    """
    asyncio.run(_run(home / "broker", host, port))


async def _run(store: Path, host: str, port: int) -> None:
    with stop_event() as stopped:
        async with EmbeddedBroker(store, host=host, port=port) as running:
            typer.echo(f"MQTT broker on {running.url}; Ctrl-C ends it")
            await stopped.wait()
