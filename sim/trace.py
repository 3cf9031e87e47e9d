"""Trace files: everything that a simulated network told its nodes, and what they made of it.

A trace holds inputs, not states: with the scenario and the seed, which give the keys, it is enough
to run the nodes again without links, brokers and clocks (`tastemesh.sim.replay`), and to find out
why something happened (`tastemesh.sim.inspection`). Format: a magic line, then gzip of frames, each
a length of four bytes, big-endian, and MessagePack: first a `Header`, then lists of entries.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tastemesh.errors import TraceError, UsageError
from tastemesh.gossip import inputs
from tastemesh.sim.scenario import Scenario

_MAGIC = b"tastemesh trace 1\n"
_FRAME_ENTRIES = 2_000
_FRAME_BYTES = 64 << 20  # a frame that says it is longer is none of ours
_GZIP_LEVEL = 1  # payloads are mostly hashes and signatures: a higher one buys little


class Header(msgspec.Struct, frozen=True):
    """What a trace is of.

    Attributes:
        scenario: all of it.
        seed: every key and draw follows from it.
    """

    scenario: Scenario
    seed: int


class Carried(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A message that a station published, once for every time that a broker hands it on."""

    number: int
    sender: int
    broker: str
    topic: str
    payload: bytes


class Delivered(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A message reached some stations, in this order."""

    at_ms: int
    number: int
    readers: list[int]


class Happened(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Any other input: its kind is a name in `tastemesh.gossip.inputs`.

    What the store held (`Restored`) and what was fetched from it (`Fetched`) is not repeated: the
    store follows from the rest. `body` then has the wall clock, or what was asked for.
    """

    at_ms: int
    station: int
    kind: str
    body: bytes


class Sent(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A station ordered a message in answer to the entry before; its BLAKE2b, 16 bytes."""

    station: int
    digest: bytes


class Revived(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """A node came back from a crash with nothing but its store."""

    at_ms: int
    station: int


class Listed(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """What a node recommends to its user: MessagePack of the list, reasons included."""

    at_ms: int
    station: int
    advice: bytes


class End(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """The end, and the digest of the run."""

    digest: str


Entry = Carried | Delivered | Happened | Sent | Revived | Listed | End

_encoder = msgspec.msgpack.Encoder()
_entries = msgspec.msgpack.Decoder(list[Entry])
_header = msgspec.msgpack.Decoder(Header)


class TraceWriter:
    """Writes a trace; to be closed, best as a context manager.

    Args:
        path: of the file, which is replaced.
        header: what it is of.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        with self._writing():
            self._file = path.open("wb")
            self._file.write(_MAGIC)
        # No GzipFile: of one whose disk is full Python 3.14 says more on stderr, when it is let go.
        self._packer = zlib.compressobj(_GZIP_LEVEL, wbits=16 + zlib.MAX_WBITS)
        self._waiting: list[Entry] = []
        self._frame(_encoder.encode(header))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def put(self, entry: Entry) -> None:
        """Write one entry.

        Raises:
            UsageError: the file cannot be written, as of a full disk.
        """
        self._waiting.append(entry)
        if len(self._waiting) >= _FRAME_ENTRIES:
            self._flush()

    def put_input(self, at_ms: int, station: int, event: inputs.Input) -> None:
        """Write an input that is no message."""
        match event:
            case inputs.Restored():
                body = _encoder.encode(event.wall_ms)
            case inputs.Fetched():
                body = _encoder.encode([event.topic, event.broker])
            case _:
                body = _encoder.encode(event)
        self.put(Happened(at_ms, station, type(event).__name__, body))

    def close(self) -> None:
        """Write what waits, and close.

        Raises:
            UsageError: the file cannot be written.
        """
        with self._writing():
            try:
                self._flush()
                self._file.write(self._packer.flush())
            finally:
                self._file.close()

    def _flush(self) -> None:
        if self._waiting:
            self._frame(_encoder.encode(self._waiting))
            self._waiting.clear()

    def _frame(self, content: bytes) -> None:
        with self._writing():
            self._file.write(self._packer.compress(len(content).to_bytes(4, "big") + content))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(f"trace {self._path}: {error.strerror}") from None


class Trace:
    """A trace file that can be gone through.

    Args:
        path: of the file.

    Raises:
        TraceError: there is no such file, or it is no trace.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as file:
            self.header = self._decoded_header(file)

    def entries(self) -> Iterator[Entry]:
        """Go through the entries.

        Raises:
            TraceError: the file is cut off or damaged.
        """
        with self._opened() as file:
            self._decoded_header(file)
            ended = False
            while (content := self._frame(file)) is not None:
                try:
                    entries = _entries.decode(content)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise self._damaged(str(error)) from None
                yield from entries
                ended = bool(entries) and isinstance(entries[-1], End)
            if not ended:
                raise self._damaged("it ends before the run did")

    def _decoded_header(self, file: gzip.GzipFile) -> Header:
        content = self._frame(file)
        if content is None:
            raise self._damaged("it is empty")
        try:
            return _header.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, UsageError) as error:
            raise self._damaged(f"its header: {error}") from None

    @contextmanager
    def _opened(self) -> Iterator[gzip.GzipFile]:
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise TraceError(f"trace {self.path}: {error.strerror}") from None
        with file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise TraceError(
                    f"{self.path} is not a trace; expected a file that "
                    "`tastemesh sim SCENARIO --record FILE` wrote"
                )
            with gzip.open(file, "rb") as packed:
                yield packed

    def _frame(self, file: gzip.GzipFile) -> bytes | None:
        try:
            head = file.read(4)
            if not head:
                return None
            size_bytes = int.from_bytes(head, "big")
            content = file.read(size_bytes) if size_bytes <= _FRAME_BYTES else b""
        except (OSError, EOFError, zlib.error) as error:
            raise self._damaged(str(error)) from None
        if len(content) != size_bytes:
            raise self._damaged("a frame is cut off")
        return content

    def _damaged(self, why: str) -> TraceError:
        return TraceError(f"trace {self.path} is damaged: {why}")
