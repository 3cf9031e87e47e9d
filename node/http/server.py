"""The HTTP server in the daemon's own event loop, on loopback."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from tastemesh.errors import TastemeshError
from tastemesh.node.http.connections import BoundedProtocol, BoundedRequests, Bounds
from tastemesh.node.http.endings import Endings

HOST = "127.0.0.1"  # never a wider one: the token travels in the clear


class HttpServer:
    """Serves an application while entered.

    Args:
        app: the application.
        port: 1 to 65535, or 0 for a free one.
        bounds: connections and requests at once.
        endings: counts the connections that it ends.
    """

    def __init__(
        self,
        app: ASGIApp,
        port: int,
        bounds: Bounds | None = None,
        endings: Endings | None = None,
    ) -> None:
        self._app = app
        self._port = port
        self._bounds = bounds or Bounds()
        self._endings = Endings() if endings is None else endings
        self._server: _Server
        self._task: asyncio.Task[None]

    @property
    def url(self) -> str:
        """Base URL, without a slash at the end."""
        return f"http://{HOST}:{self._port}"

    async def __aenter__(self) -> Self:
        """Bind the port; returns once connections are accepted.

        Raises:
            TastemeshError: the port cannot be had.
        """
        listener = _bind(self._port)
        self._port = listener.getsockname()[1]
        self._server = _Server(
            uvicorn.Config(
                BoundedRequests(self._app, self._bounds.requests),
                http=partial(  # type: ignore[arg-type]  # it calls it
                    BoundedProtocol, self._bounds, self._endings
                ),
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="error",  # its warnings come of requests, and any page can send those
                access_log=False,
                server_header=False,
                proxy_headers=False,  # nobody is trusted to say where a request came from
                # What streams ends by itself once its connection is gone.
                timeout_graceful_shutdown=self._bounds.answer_s + 1,
            )
        )
        self._task = asyncio.create_task(self._server.serve([listener]), name="tastemesh-http")
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait((self._task, ready), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await self._task  # raises what went wrong
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the requests at hand and close the port."""
        self._server.should_exit = True
        await self._task

    async def failed(self) -> None:
        """Wait until the server ends by itself, which it should not."""
        await asyncio.shield(self._task)


class _Server(uvicorn.Server):
    """Uvicorn without its hand on the process' signals, which belong to the daemon."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(port: int) -> socket.socket:
    # Named, and not left at 0: asyncio sets TCP_NODELAY only on what says that it is TCP. Without,
    # an answer's body waits 40 ms for the acknowledgement of its head.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after our own restart
        listener.bind((HOST, port))
        listener.listen()  # reports a taken port now, where it is shared until then
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        raise TastemeshError(
            f"HTTP port {port} on {HOST} is {'taken by another program' if taken else 'refused'}"
            f"{'' if taken else f' ({error.strerror})'}; set http_port in config.toml, "
            "TASTEMESH_HTTP_PORT or --http-port to another, or to 0 for any free one"
        ) from None
    return listener
