"""What SQLite and the operating system report, told as one `StorageError` that says what to do."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiosqlite

from tastemesh.errors import StorageCause, StorageError
from tastemesh.storage.files import log_of

# Besides SQLite's and the system's own: integers past 64 bits and text with lone surrogates, which
# the sqlite3 module refuses before SQLite sees them.
_REPORTED = (sqlite3.Error, OSError, OverflowError, UnicodeError)

# A disk with less room than this is taken to be full; SQLite reports a full disk and a database at
# its own bound by the same code. Guess: a few of the largest records.
_FULL_DISK_BYTES = 1024 * 1024

_RECOVER = (
    "a start keeps what can be read of it, and the network sends the rest; or put back a backup"
)

_LOCKED = "is in use by another process: stop that one, or choose another home"
_READ_ONLY = "cannot be written: the file or its directory is read-only"

# What the sqlite3 module says, without a code, of text that is no UTF-8; we store none.
_UNREADABLE = "Could not decode to UTF-8"

# By primary result code; the low byte of the extended one.
_CAUSES = {
    sqlite3.SQLITE_BUSY: (StorageCause.LOCKED, _LOCKED),
    sqlite3.SQLITE_LOCKED: (StorageCause.LOCKED, _LOCKED),
    sqlite3.SQLITE_READONLY: (StorageCause.READ_ONLY, _READ_ONLY),
    sqlite3.SQLITE_CANTOPEN: (
        StorageCause.IO,
        "cannot be opened: its directory must exist and be writable",
    ),
    sqlite3.SQLITE_NOTADB: (
        StorageCause.DAMAGED,
        f"is not a database, or its start is damaged: {_RECOVER}",
    ),
    sqlite3.SQLITE_CORRUPT: (StorageCause.DAMAGED, f"is damaged: {_RECOVER}"),
    # Our statements fit the tables that we make: these are others.
    sqlite3.SQLITE_ERROR: (StorageCause.DAMAGED, f"is damaged, as its tables are: {_RECOVER}"),
    sqlite3.SQLITE_IOERR: (StorageCause.IO, "could not be read or written by the system"),
}


def damaged(path: Path, problem: str) -> StorageError:
    """Return the error for a file that fails its integrity check, with the check's last line."""
    text = f"{path} is damaged ({problem.splitlines()[-1]}): {_RECOVER}"
    return StorageError(text, StorageCause.DAMAGED)


async def check_pages(db: aiosqlite.Connection, path: Path) -> None:
    """Check every page of a database.

    Args:
        db: open on it, or on a copy.
        path: what is damaged where this one is.

    Raises:
        StorageError: it is damaged.
    """
    ((verdict,),) = await db.execute_fetchall("PRAGMA quick_check(1)")
    if verdict != "ok":
        raise damaged(path, verdict)


def gone(path: Path) -> StorageError:
    """Return the error for a database whose files are no longer those that were opened."""
    text = f"{path} or its log was deleted or replaced while it is in use: put it back, or restart"
    return StorageError(text, StorageCause.GONE)


def _told(path: Path, error: BaseException) -> tuple[StorageCause, str]:
    if isinstance(error, OSError):
        return StorageCause.of(error), error.strerror or str(error)
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, UnicodeDecodeError) or (code is None and _UNREADABLE in str(error)):
        return StorageCause.DAMAGED, f"is damaged, as text in it is: {_RECOVER}"
    if code is None:
        return StorageCause.OTHER, str(error)
    primary = code & 0xFF
    if primary in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        free_bytes = shutil.disk_usage(path.parent).free
        if free_bytes < _FULL_DISK_BYTES:
            return StorageCause.DISK_FULL, f"the disk is full: {free_bytes} bytes are free"
    if primary == sqlite3.SQLITE_FULL:
        text = "disk bound reached: evict records, or allow more bytes on disk"
        return StorageCause.DISK_BOUND, text
    if primary == sqlite3.SQLITE_IOERR and not _are_writable(path):
        primary = sqlite3.SQLITE_READONLY
    cause, text = _CAUSES.get(primary, (StorageCause.OTHER, "failed"))
    return cause, f"{text} ({error.sqlite_errorname}: {error})"  # type: ignore[attr-defined]


def _are_writable(path: Path) -> bool:
    """Tell whether the file system would let the database and its log be written.

    A file system that turns read-only under an open file is reported as one more I/O error.
    """
    files = (path.parent, path, log_of(path))
    return all(os.access(each, os.W_OK) for each in files if each.exists())


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
        cause, text = _told(path, error)
        raise StorageError(f"{path}: {text}", cause) from error
