"""Finished cells on disk, so that an experiment that was cut off goes on where it stood.

One line of JSON an attempt, with the cell of each group of egos and the fingerprint of the data and
of who is asked. It may hold attempts that are not asked for: a grid may grow, or shrink. A line is
whole or the last one: what a power cut left of it is cut off, and the attempt made again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from tastemesh.errors import DataError, UsageError
from tastemesh.sim.attack.cells import Attempt, Cell


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fingerprint: str
    cells: Annotated[list[Cell], msgspec.Meta(min_length=1)]


_EXPECTED = "expected finished cells of tastemesh attack"
_START = b'{"fingerprint":"'


class Journal:
    """Finished cells of one experiment.

    Args:
        path: made if it is not there.
        fingerprint: of what all its cells share; `tastemesh.sim.attack.options.fingerprint`.

    Raises:
        UsageError: the file cannot be used, or belongs to another experiment.
        DataError: it is damaged before its last line, or is something else.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self._fingerprint = fingerprint
        if path.exists() and not path.is_file():  # a device may go on for ever
            raise UsageError(f"--resume {path}: expected a file")
        try:
            whole = path.read_bytes() if path.exists() else b""
            path.open("ab").close()
        except OSError as error:
            raise UsageError(f"--resume {path}: {error.strerror}") from None
        *lines, torn = whole.split(b"\n")
        self._done = dict(self._read(number, line) for number, line in enumerate(lines, start=1))
        if torn and not (torn.startswith(_START) or _START.startswith(torn)):
            raise DataError(str(path), len(lines) + 1, f"{_EXPECTED}")
        if torn:
            with path.open("r+b") as file:
                file.truncate(len(whole) - len(torn))

    def finished(self, attempts: Sequence[Attempt]) -> dict[Attempt, list[Cell]]:
        """Return the cells of the attempts that are done.

        Args:
            attempts: of this experiment.
        """
        return {attempt: self._done[attempt] for attempt in attempts if attempt in self._done}

    def append(self, cells: list[Cell]) -> None:
        """Add an attempt's cells.

        Raises:
            UsageError: the file cannot be written.
        """
        line = msgspec.json.encode(_Line(self._fingerprint, cells))
        try:
            with self._path.open("ab") as file:
                file.write(line + b"\n")
        except OSError as error:
            raise UsageError(f"--resume {self._path}: {error.strerror}") from None

    def _read(self, number: int, text: bytes) -> tuple[Attempt, list[Cell]]:
        try:
            line = msgspec.json.decode(text, type=_Line)
        except msgspec.DecodeError as error:
            raise DataError(str(self._path), number, f"{_EXPECTED}: {error}") from None
        if line.fingerprint != self._fingerprint:
            raise UsageError(
                f"--resume {self._path}: made from other data, with other --egos or --with, or "
                f"by another version (line {number}: {line.fingerprint}, this experiment: "
                f"{self._fingerprint}); expected the same, or another file"
            )
        first = line.cells[0]
        attempt = Attempt(
            first.seed, first.strategy, first.identities, first.attack_edges, first.system
        )
        return attempt, line.cells
