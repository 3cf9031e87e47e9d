"""What SQLite and the operating system report, told as one `StorageError` that says what to do."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tastemesh.errors import StorageError

# Besides SQLite's and the system's own: integers past 64 bits and text with lone surrogates, which
# the sqlite3 module refuses before SQLite sees them.
_REPORTED = (sqlite3.Error, OSError, OverflowError, UnicodeError)

# A disk with less room than this is taken to be full; SQLite reports a full disk and a database at
# its own bound by the same code. Guess: a few of the largest records.
_FULL_DISK_BYTES = 1024 * 1024

_RECOVER = (
    "move it away and put back a backup, or start without it: "
    "the network sends the window again, private interactions are lost"
)

# By primary result code; the low byte of the extended one.
_CAUSES = {
    sqlite3.SQLITE_BUSY: "is in use by another process: stop that one, or choose another home",
    sqlite3.SQLITE_LOCKED: "is in use by another process: stop that one, or choose another home",
    sqlite3.SQLITE_READONLY: "cannot be written: the file or its directory is read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: its directory must exist and be writable",
    sqlite3.SQLITE_NOTADB: f"is not a database, or its start is damaged: {_RECOVER}",
    sqlite3.SQLITE_CORRUPT: f"is damaged: {_RECOVER}",
    sqlite3.SQLITE_IOERR: "could not be read or written by the system",
}


def damaged(path: Path, problem: str) -> StorageError:
    """Return the error for a file that fails its integrity check, with the check's last line."""
    return StorageError(f"{path} is damaged ({problem.splitlines()[-1]}): {_RECOVER}")


def _cause(path: Path, error: BaseException) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return str(error)
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        free_bytes = shutil.disk_usage(path.parent).free
        if free_bytes < _FULL_DISK_BYTES:
            return f"the disk is full: {free_bytes} bytes are free"
        return "disk bound reached: evict records, or allow more bytes on disk"
    return f"{_CAUSES.get(primary, 'failed')} ({error.sqlite_errorname}: {error})"  # type: ignore[attr-defined]


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn what fails inside into a `StorageError` that names `path` and the cause.

    Args:
        path: the database file.

    Raises:
        StorageError: SQLite or the operating system refused.
    """
    try:
        yield
    except _REPORTED as error:
        raise StorageError(f"{path}: {_cause(path, error)}") from error
