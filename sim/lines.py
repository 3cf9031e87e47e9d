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

    @property
    def is_behind(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._to_write)

    def fileno(self) -> int:
        """Return the socket's descriptor, for `select`."""
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

    def take(self) -> bytes | None:
        """Return the next frame, None if it is not whole yet.

        Raises:
            ProcessError: the other process has ended.
        """
        frame = self._whole()
        while frame is None:
            try:
                piece = self._end.recv(_PIECE_BYTES)
            except BlockingIOError:
                return None
            except OSError as error:
                raise _ended() from error
            if not piece:
                raise _ended()
            self._read += piece
            frame = self._whole()
        return frame

    def _whole(self) -> bytes | None:
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
    frames: dict[Line, bytes] = {}
    while True:
        for line in lines:
            if line not in frames and (frame := line.take()) is not None:
                frames[line] = frame
        if len(frames) == len(lines) and not any(line.is_behind for line in lines):
            return [frames[line] for line in lines]
        missing = [line for line in lines if line not in frames]
        _, writable, _ = select.select(missing, [line for line in lines if line.is_behind], [])
        for line in writable:
            line.write()


def _ended() -> ProcessError:
    return ProcessError(
        "a process of the simulation ended before its work did; if it said nothing above, "
        "the system may have stopped it for want of memory"
    )
