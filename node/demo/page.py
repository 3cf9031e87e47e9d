"""The dashboard of one of the demonstration's nodes, for as long as somebody looks at it."""

import secrets
from collections.abc import Callable, Mapping

from tastemesh.node.http.app import create_app
from tastemesh.node.http.server import HttpServer
from tastemesh.node.http.stream import Streams
from tastemesh.node.node import Node
from tastemesh.node.stop_signals import stop_event


async def serve_page(
    node: Node, names: Mapping[str, str], port: int, greet: Callable[[str], None]
) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP.

    Args:
        node: whose dashboard.
        names: of everybody, by identity as hex.
        port: of HTTP; 0 for any free one.
        greet: told the address, once it can be opened.

    Raises:
        TastemeshError: the port cannot be had.
    """
    token = secrets.token_urlsafe(32)  # of nodes that leave nothing behind
    streams = Streams()
    with stop_event() as stopped:
        async with HttpServer(
            create_app(node, token, streams=streams, names=names), port
        ) as server:
            greet(f"{server.url}/#token={token}")
            await stopped.wait()
            streams.close()
