"""The daemon: one node and its HTTP API in one event loop, from start to SIGTERM."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from tastemesh.errors import TastemeshError
from tastemesh.node.allocation import give_back_memory
from tastemesh.node.collection import spare_what_stays
from tastemesh.node.config import Configuration
from tastemesh.node.http.access import Endpoint, announced, token_of
from tastemesh.node.http.app import create_app
from tastemesh.node.http.endings import Endings
from tastemesh.node.http.rates import RateLimits, Rates
from tastemesh.node.http.server import HttpServer
from tastemesh.node.http.stream import Streams
from tastemesh.node.node import Node, open_node
from tastemesh.node.stop_signals import stop_event

_LOGGER = logging.getLogger(__name__)


async def run_daemon(
    configuration: Configuration, greet: Callable[[str], None] = lambda _: None
) -> None:
    """Run until SIGTERM, SIGINT or SIGHUP, then stop cleanly.

    Args:
        configuration: the settings in force.
        greet: told the dashboard's address, once it can be opened.

    Raises:
        TastemeshError: the home, the broker or the port cannot be used; the text says why.
    """
    home = configuration.home
    token = token_of(home)
    port = configuration.settings.http_port
    rates = Rates(RateLimits.of(configuration.settings.http_requests_per_s))
    streams = Streams()
    endings = Endings()
    with stop_event() as stopped:
        async with AsyncExitStack() as stack:
            node = await _opened(open_node(configuration.node_config()), stack, stopped)
            if node is None:
                _LOGGER.info("stopping", extra={"before": "the node was ready"})
                return
            app = create_app(node, token, streams=streams, rates=rates, endings=endings)
            server = await stack.enter_async_context(HttpServer(app, port, endings=endings))
            with announced(home, Endpoint(pid=os.getpid(), http=server.url)):
                notify_supervisor("READY=1")
                _LOGGER.info("ready", extra={"home": str(home), "http": server.url})
                greet(dashboard_url(server.url, token))
                stop = asyncio.create_task(stopped.wait())
                tidying = [
                    asyncio.create_task(give_back_memory()),
                    asyncio.create_task(spare_what_stays()),
                ]
                failures = [
                    asyncio.create_task(server.failed(), name="the HTTP server"),
                    asyncio.create_task(node.failed(), name="the node"),
                ]
                await asyncio.wait((stop, *failures), return_when=asyncio.FIRST_COMPLETED)
                notify_supervisor("STOPPING=1")
            ended = [failure.get_name() for failure in failures if failure.done()]
            streams.close()  # or the server would wait for readers that never hang up
            for task in (stop, *tidying, *failures):
                task.cancel()
            if ended:
                raise TastemeshError(f"{ended[0]} ended by itself; the log has the cause")
            _LOGGER.info("stopping")


async def _opened(node: Node, stack: AsyncExitStack, stopped: asyncio.Event) -> Node | None:
    """Open a node, which takes minutes where its window is large; None if we are to stop first."""
    opening = asyncio.create_task(stack.enter_async_context(node))
    stop = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait((opening, stop), return_when=asyncio.FIRST_COMPLETED)
    finally:  # who is cancelled leaves no node behind that nobody will close
        stop.cancel()
        if not opening.done():
            opening.cancel()
            await asyncio.wait((opening,))
    return None if opening.cancelled() else opening.result()


def dashboard_url(
    base: str, token: str, environ: Mapping[str, str] = os.environ, stdout: int = 1
) -> str:
    """Return the dashboard's address, with the token in its fragment, which no browser sends.

    Where what is printed goes to systemd's journal the token is left out: a log is read by more
    people than a home.

    Args:
        base: where the API listens, without a slash at the end.
        token: what it asks for.
        environ: the environment; `JOURNAL_STREAM` names the journal's stream (systemd.exec(5)), and
            is passed on to processes that print elsewhere.
        stdout: descriptor that it is printed to.
    """
    try:
        kept = os.fstat(stdout)
    except OSError:  # closed, so that nobody reads it
        return f"{base}/"
    is_kept = environ.get("JOURNAL_STREAM") == f"{kept.st_dev}:{kept.st_ino}"
    return f"{base}/" if is_kept else f"{base}/#token={token}"


def notify_supervisor(state: str, environ: Mapping[str, str] = os.environ) -> None:
    """Tell systemd how we are, where it asked to be told (sd_notify(3), section "Notes").

    Args:
        state: such as "READY=1".
        environ: the environment; `NOTIFY_SOCKET` names the socket, `@` the abstract ones.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(state.encode(), address.replace("@", "\0", 1))
        except OSError as error:
            _LOGGER.warning("cannot notify the supervisor: %s", error)
