"""The hash of what happened, by which two runs of a simulation are told to be the same."""

from hashlib import sha256

_PIECE_BYTES = 65_536


class TraceHash:
    """Lines and their hash, taken in larger pieces."""

    __slots__ = ("_hash", "_waiting")

    def __init__(self) -> None:
        self._hash = sha256()
        self._waiting = bytearray()

    def note(self, at_ms: int, number: int, what: bytes) -> None:
        """Take in a line: when, the number of a station or a message, and what."""
        self._waiting += b"%d %d %b\n" % (at_ms, number, what)
        if len(self._waiting) > _PIECE_BYTES:
            self.digest()

    def digest(self) -> bytes:
        """Return the hash of all lines so far, 32 bytes."""
        self._hash.update(self._waiting)
        self._waiting.clear()
        return self._hash.digest()
