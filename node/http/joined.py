"""An answer's head and body sent together: uvicorn writes each by itself, and asyncio sends each.

A send over loopback takes some 30 us and wakes the client, so of a hundred requests that come at
once the last were answered a tenth later (measured).
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

# Held at most: asyncio's own mark for a connection whose other end is slow, beyond which it says
# so; a stream that is written without a pause must hear of it.
HELD_BYTES = 64 * 1024


class JoinedWrites:
    """A transport that sends what is written in one turn of the event loop at its end.

    All but writing and closing is the transport's own.

    Args:
        transport: of a connection.
        loop: the connection's event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = bytearray()

    def write(self, data: bytes) -> None:
        """Send this, soon."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held += data
        if len(self._held) > HELD_BYTES:
            self._send()

    def close(self) -> None:
        """Close the connection once all that was written is sent."""
        self._send()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send(self) -> None:
        if self._held:
            held, self._held = self._held, bytearray()
            self._transport.write(held)


class JoinedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Uvicorn's protocol, whichever is installed, over such transports."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with a connection."""
        joined = JoinedWrites(cast("asyncio.Transport", transport), self.loop)
        super().connection_made(joined)
