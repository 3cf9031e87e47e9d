"""A line between two processes: whole frames, and neither side waits for the other to write.

Two processes that both write more than a pipe holds before either reads would wait for each other
for ever; so what a line does not take at once is kept and written while its end waits for a frame.
"""

import select
from collections.abc import Sequence
from socket import socket

from tastemesh.errors import ProcessError

_HEAD_BYTES = 8
_PIECE_BYTES = 1 << 18


class Line:
    """One end of a line.

    Args:
        end: a connected stream socket, which the line closes.
    """

    def __init__(self, end: socket) -> None:
        end.setblocking(False)
        self._end = end
        self._to_write = bytearray()
        self._read = bytearray()
        self.has_ended = False
        """Whether the other process has, as far as was read."""

    @property
    def is_behind(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._to_write)

    def fileno(self) -> int:
        """Return the socket's descriptor, for `poll`."""
        return self._end.fileno()

    def post(self, frame: bytes) -> None:
        """Send a frame, as far as it goes at once.

        Raises:
            ProcessError: the other process has ended.
        """
        self._to_write += len(frame).to_bytes(_HEAD_BYTES, "big") + frame
        self.write()

    def write(self) -> None:
        """Write what waits, as far as it goes at once.

        Raises:
            ProcessError: the other process has ended.
        """
        try:
            del self._to_write[: self._end.send(self._to_write)]
        except BlockingIOError:
            pass
        except OSError as error:
            raise _ended() from error

    def read(self) -> None:
        """Read what has come."""
        try:
            piece = self._end.recv(_PIECE_BYTES)
        except OSError:  # it was cut off with something on its way to the other process
            piece = b""
        self._read += piece
        self.has_ended = not piece

    def take(self) -> bytes | None:
        """Return the next frame of what was read, None if it is not whole yet."""
        if len(self._read) < _HEAD_BYTES:
            return None
        end = _HEAD_BYTES + int.from_bytes(self._read[:_HEAD_BYTES], "big")
        if len(self._read) < end:
            return None
        frame = bytes(self._read[_HEAD_BYTES:end])
        del self._read[:end]
        return frame

    def close(self) -> None:
        """Close it; the other end is told."""
        self._end.close()


def take_from_each(lines: Sequence[Line]) -> list[bytes]:
    """Wait for a frame on every line, and write meanwhile what waits.

    Args:
        lines: to the others.

    Returns:
        The frames, in the order of the lines.

    Raises:
        ProcessError: another process has ended.
    """
    frames = [line.take() for line in lines]
    while None in frames or any(line.is_behind for line in lines):
        if any(line.has_ended for line, frame in zip(lines, frames, strict=True) if frame is None):
            raise _ended()
        _write_and_read(lines)
        frames = [
            line.take() if frame is None else frame
            for frame, line in zip(frames, lines, strict=True)
        ]
    return [frame for frame in frames if frame is not None]


def _write_and_read(lines: Sequence[Line]) -> None:
    """Wait until something can be written or read, and do it.

    Who waits until he has written reads as well, or two of them would wait for each other.
    """
    waiting = select.poll()  # `select.select` knows no descriptor from 1,024 on
    wanted: dict[int, Line] = {}
    for line in lines:
        events = select.POLLIN * (not line.has_ended) | select.POLLOUT * line.is_behind
        if events:
            wanted[line.fileno()] = line
            waiting.register(line, events)
    for descriptor, events in waiting.poll():
        line = wanted[descriptor]
        # An end that was closed has other bits than these two.
        if line.is_behind and events & ~select.POLLIN:
            line.write()
        if not line.has_ended and events & ~select.POLLOUT:
            line.read()


def _ended() -> ProcessError:
    return ProcessError(
        "a process of the simulation ended before its work did; if it said nothing above, "
        "the system may have stopped it for want of memory"
    )
