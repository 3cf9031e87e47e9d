"""The files of a database: made, measured and named."""

import os
from pathlib import Path

from tastemesh.errors import StorageError


def log_of(path: Path) -> Path:
    """Return where SQLite keeps a database's write-ahead log."""
    return path.with_name(f"{path.name}-wal")


def is_there(path: Path) -> bool:
    """Tell whether there is a file of this name.

    `Path.exists` says no of one that is out of reach, too, from Python 3.14 on.

    Raises:
        OSError: it cannot be told.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last: no name has a NUL
        return False
    return True


def claim(path: Path) -> None:
    """Make sure that the file is there and ours to write, for the system's own words if not.

    An existing file is never opened here: closing any handle of it would drop the locks that SQLite
    holds on it elsewhere in this process (SQLite, "How to corrupt a database", section 2.2).
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if not path.is_file():
            raise StorageError(f"{path} is not a file") from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise StorageError(f"{path}: no permission to read and write it") from None


def claim_copy(path: Path, partial: Path) -> None:
    """Make an empty file for a backup, in place of what an interrupted one left."""
    if is_there(path):
        raise StorageError(f"{path} exists already: choose another path for the backup")
    discard(partial)
    claim(partial)


def discard(path: Path) -> None:
    """Delete an unfinished database, and what SQLite leaves beside one that it could not finish."""
    for ending in ("", "-journal", "-wal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def places_of(path: Path) -> tuple[tuple[int, int], ...]:
    """Return what a database and its log are for the system, as (device, inode) each."""
    found = [each.stat() for each in (path, log_of(path)) if is_there(each)]
    return tuple((each.st_dev, each.st_ino) for each in found)


def bytes_on_disk(path: Path) -> int:
    """Return the bytes of a database and of its write-ahead log."""
    return sum(each.stat().st_size for each in (path, log_of(path)) if is_there(each))


def sync_folder(folder: Path) -> None:
    """Have the system write a folder's names to the disk."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
