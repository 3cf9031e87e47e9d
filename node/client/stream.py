"""A daemon's events as they come over the line, for a thread that waits for them."""

import http.client
import os
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec

from tastemesh.errors import UsageError
from tastemesh.node.client.line import Line
from tastemesh.node.events import Event

# Without any sign of life for so long the daemon is taken for gone: it gives one every 15 s.
QUIET_S = 60.0

_CHUNK_BYTES = 64 * 1024

_EVENTS = {kind.__name__: msgspec.json.Decoder(kind) for kind in Event.__subclasses__()}


class _Dropped(msgspec.Struct):
    count: int


class RemoteSubscription(Iterator[Event]):
    """Events as an iterator that waits for the next one, and ends when the daemon does.

    Where the daemon is lost, and does not end, the next event is a `DaemonError`. It belongs to the
    process that made it.

    Args:
        line: to the daemon.
        watch: local names of users whose lists are watched.
        k: length of those lists.
    """

    def __init__(self, line: Line, watch: list[str], k: int) -> None:
        self._has_ended = True  # until it has begun
        self._line = line
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._waiting: deque[Event] = deque()
        self._rest = b""
        self.dropped_count = 0
        """Events lost since it was made, because they were not read in time."""
        self._connection, self._answer = line.follow("/v1/events", {"watch": watch, "k": k})
        self._socket = self._connection.sock
        self._socket.settimeout(QUIET_S)
        self._has_ended = False

    def __next__(self) -> Event:
        """Wait for the next event."""
        if self._process != os.getpid():
            raise UsageError("the events belong to another process; subscribe in this one")
        with self._lock:
            while not self._waiting:
                if self._has_ended or not self._read():
                    self._end()
                    raise StopIteration
            return self._waiting.popleft()

    def close(self) -> None:
        """End the iteration, in whichever thread it waits; closing again does nothing."""
        if self._process != os.getpid():
            if not self._has_ended:  # past all locks: who held one, waiting, is not in this process
                self._has_ended = True
                os.close(self._socket.detach())
            return
        self._has_ended = True
        with suppress(OSError):  # wakes the thread that waits, which has the lock
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        with self._lock:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._has_ended:
            self.close()

    def _read(self) -> bool:
        """Take in what comes next; tell whether anything did.

        Raises:
            DaemonError: the daemon is lost.
        """
        try:
            chunk = self._answer.read1(_CHUNK_BYTES)
        except (OSError, ValueError, http.client.HTTPException) as error:
            if self._has_ended:  # closed, while we waited
                return False
            self._end()
            raise self._line.gone(error) from None
        except BaseException:  # Ctrl-C: what was half read cannot be gone on with
            self._end()
            raise
        *messages, self._rest = (self._rest + chunk).split(b"\n\n")
        for message in messages:
            self._take(message)
        return bool(chunk)

    def _take(self, message: bytes) -> None:
        lines = message.split(b"\n")
        fields = dict(line.partition(b": ")[::2] for line in lines)
        data = fields.get(b"data", b"")
        try:
            name = fields.get(b"event", b"").decode()
            if name == "Dropped":
                self.dropped_count += msgspec.json.decode(data, type=_Dropped).count
            elif name in _EVENTS:
                self._waiting.append(_EVENTS[name].decode(data))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._line.foreign(error) from None

    def _end(self) -> None:
        self._has_ended = True
        self._answer.close()
        self._connection.wire.close()
