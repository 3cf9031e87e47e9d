"""How many connections the HTTP server keeps, and how many requests it answers at once.

Anybody on this machine can open connections, so none is kept for nothing: one that asks nothing is
closed after a while, so is one whose client takes nothing of its answer, and where there are too
many, the one that has asked nothing for longest makes room for the next. So whoever asks at once is
answered, however many are silent.
"""

import asyncio
from typing import Any, NamedTuple

from msgspec.json import encode
from starlette.types import ASGIApp, Receive, Scope, Send

from tastemesh.node.http.endings import Ending, Endings
from tastemesh.node.http.gate import refuse
from tastemesh.node.http.joined import JoinedProtocol


class Bounds(NamedTuple):
    """What a server takes on.

    Attributes:
        connections: kept at once; half of the files that a process may have open, usually.
        requests: answered at once; more get 503 (guess).
        head_s: seconds until a whole request must be there, from the start of a connection or from
            the last answer on (guess).
        stalled_s: seconds in which the client must take something of what waits for it (as nginx's
            `send_timeout` and Apache's `TimeOut`); looked at every `head_s`.
        stop_s: in place of both once the server stops: a program that is still there sends, or
            takes, the next piece within milliseconds.
        answer_s: whole seconds that a stop waits for answers that are still being made (guess);
            then it hangs up.
    """

    connections: int = 512
    requests: int = 256
    head_s: float = 10.0
    stalled_s: float = 60.0
    stop_s: float = 1.0
    answer_s: int = 5


class BoundedProtocol(JoinedProtocol):
    """Uvicorn's protocol, which waits for a request, and for a reader, no longer than it may.

    Args:
        bounds: the server's.
        endings: counts what this ends.
        arguments: uvicorn's own.
    """

    def __init__(self, bounds: Bounds, endings: Endings, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._bounds = bounds
        self._endings = endings
        self._timer: asyncio.TimerHandle | None = None
        self.quiet_since_s = 0.0
        """When the last answer was done or the connection begun, by the loop's clock."""
        self._taken_bytes = 0
        self._taken_at_s = 0.0

    @property
    def is_quiet(self) -> bool:
        """Whether no request is being answered: there is none, or not all of its body has come."""
        return self.cycle is None or bool(self.cycle.response_complete or self.cycle.more_body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with a connection, and end another one where there are too many."""
        super().connection_made(transport)
        self.quiet_since_s = self._taken_at_s = self.loop.time()
        self._timer = self.loop.call_later(self._bounds.head_s, self._look)
        kept = [each for each in self.connections if not each.transport.is_closing()]
        if len(kept) > self._bounds.connections:
            quiet = (each for each in kept if each.is_quiet)
            min(quiet, key=lambda each: each.quiet_since_s).transport.close()  # this one is quiet
            self._endings[Ending.CROWDED] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """End with a connection."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self.quiet_since_s = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in JSON as all that is refused, and end the connection."""
        text = "no valid HTTP request; expected an address of ASCII, all else percent-encoded"
        body = encode({"error": text})
        head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        self.transport.close()

    def shutdown(self) -> None:
        """Take no more requests, and wait no longer than a moment for the client."""
        super().shutdown()
        stop_s = self._bounds.stop_s
        self._bounds = self._bounds._replace(head_s=stop_s, stalled_s=stop_s)
        self._note_taken()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(stop_s, self._look)
        self.loop.call_later(self._bounds.answer_s, self.transport.abort)

    def _look(self) -> None:
        """End a connection that has been quiet for too long, or look again when it may have been.

        One that is closed stays until its client took all, so it is looked at, too. A timer for
        each answer would cost some 5 us more (measured).
        """
        waits = self._note_taken()
        now_s = self.loop.time()
        if now_s - self._taken_at_s >= self._bounds.stalled_s:
            self._endings[Ending.STALLED] += 1
            self.transport.abort()  # which waits for nothing to be taken
            return
        quiet_s = 0.0 if waits or not self.is_quiet else now_s - self.quiet_since_s
        if quiet_s >= self._bounds.head_s:
            self._endings[Ending.SILENT] += 1
            self.transport.close()
            return
        again_s = min(self._bounds.head_s - quiet_s, self._bounds.stalled_s)
        self._timer = self.loop.call_later(again_s, self._look)

    def _note_taken(self) -> bool:
        """Note when the client took something last; tell whether something waits for it."""
        taken_bytes = self.transport.taken_bytes
        waits = bool(self.transport.get_write_buffer_size())
        if not waits or taken_bytes != self._taken_bytes:
            self._taken_bytes = taken_bytes
            self._taken_at_s = self.loop.time()
        return waits


class BoundedRequests:
    """ASGI middleware: answers so many requests at once, and refuses more.

    Args:
        app: answers them.
        most: how many.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 503."""
        if self._count >= self._most:
            await refuse(send, 503, f"{self._most} requests wait already, which is the most", 1)
            return
        self._count += 1
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            pass  # at a stop, which has hung up: uvicorn would take it for a fault of the app's
        finally:
            self._count -= 1
