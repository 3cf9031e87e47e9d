"""A home in one file, and back: keys, configuration and window as a zip archive.

The archive is as secret as the keys in it, so it is readable by its owner only. The API token stays
behind: a restored home makes its own. A restored window starts new epochs
(`tastemesh.node.home.is_copy`), under a node key of its own, so the original may go on, as a second
device.
"""

import asyncio
import os
import shutil
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO

from tastemesh.errors import DataError, StorageError, UsageError
from tastemesh.node.config import FILE_NAME
from tastemesh.node.home import WINDOW_FILE
from tastemesh.storage.failures import reported
from tastemesh.storage.files import log_of, sync_folder
from tastemesh.storage.store import Store

_KEYS = "keys"
_OPEN_COPY = "window.copy"  # in the home, while a node archives it; a command has its own name
_UNFINISHED = "restoring"  # in the home, while a backup is restored

# What zipfile raises for bytes that were altered: it takes them for packed otherwise, encrypted, of
# a later version, named in no alphabet.
_ALTERED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)


async def archive_open_home(home: Path, store: Store, file: Path) -> None:
    """Write the archive of a home whose window is open here and goes on; one at a time.

    Args:
        home: has keys and configuration.
        store: its window, open.
        file: must not exist; where it cannot be taken that is told before anything is copied.

    Raises:
        UsageError: as `write_archive`.
        StorageError: the window cannot be copied.
    """
    await asyncio.to_thread(_check_free, file)
    copy = home / _OPEN_COPY
    with reported(copy):
        await asyncio.to_thread(copy.unlink, missing_ok=True)  # of one that a crash cut short
    try:
        await store.backup(copy)
        await asyncio.to_thread(write_archive, home, copy, file)
    finally:
        with suppress(OSError):  # the next one will say so
            copy.unlink(missing_ok=True)


def write_archive(home: Path, window: Path, file: Path) -> None:
    """Write a home's archive, durably; it appears only when it is complete.

    Args:
        home: has keys and configuration.
        window: a copy of its window, as `Store.backup` makes it.
        file: must not exist.

    Raises:
        UsageError: the file exists already, or cannot be written.
    """
    _check_free(file)
    partial = file.with_name(f"{file.name}.partial")
    try:
        try:
            partial.unlink(missing_ok=True)
            with os.fdopen(
                os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as raw:
                _write_all(raw, home, window)
                raw.flush()
                os.fsync(raw.fileno())
            partial.rename(file)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from None
    with suppress(OSError):  # of a file system that does not do that for folders
        sync_folder(file.absolute().parent)


def _check_free(file: Path) -> None:
    if file.exists():
        raise UsageError(f"{file} exists already; a backup replaces nothing")


def _write_all(raw: IO[bytes], home: Path, window: Path) -> None:
    # A machine without a battery makes its first keys in 1970, and zip begins in 1980.
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for key in sorted((home / _KEYS).glob("*.key")):
            archive.write(key, f"{_KEYS}/{key.name}")
        if (home / FILE_NAME).exists():
            archive.write(home / FILE_NAME, FILE_NAME)
        archive.write(window, WINDOW_FILE)


def restore_archive(file: Path, home: Path) -> None:
    """Make a home from an archive.

    Args:
        file: as `write_archive` wrote it.
        home: a folder without keys and window; made when missing.

    Raises:
        UsageError: the file cannot be read, or the home has keys or a window already.
        DataError: it is no archive of a home, or damaged.
        StorageError: the home cannot be written.
    """
    if any((home / _KEYS).glob("*.key")):
        raise UsageError(f"{home} has keys already; restore into another folder")
    if (home / WINDOW_FILE).exists() or log_of(home / WINDOW_FILE).exists():
        raise UsageError(f"{home} has a window already; restore into another folder")
    try:
        with zipfile.ZipFile(file) as archive:
            _check(archive, file)
            _write_home(archive, home)
    except _ALTERED as error:
        raise DataError(str(file), 0, f"damaged, or no backup: {error}") from None
    except FileNotFoundError:
        raise UsageError(f"there is no file {file}") from None
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror or error}") from None


def _check(archive: zipfile.ZipFile, file: Path) -> None:
    names = archive.namelist()
    wrong = [name for name in names if not _belongs(name)]
    if wrong or WINDOW_FILE not in names or f"{_KEYS}/me.key" not in names:
        raise DataError(str(file), 0, "expected a backup made by tastemesh backup")
    packed = {each.compress_type for each in archive.infolist()}
    if not packed <= {zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED}:
        raise DataError(str(file), 0, "damaged: packed as no backup is")
    altered = archive.testzip()
    if altered is not None:
        raise DataError(str(file), 0, f"damaged: {altered}")


def _belongs(name: str) -> bool:
    folder, _, key = name.rpartition("/")
    is_key = folder == _KEYS and key.endswith(".key") and ".." not in key
    return name in (FILE_NAME, WINDOW_FILE) or is_key


def _write_home(archive: zipfile.ZipFile, home: Path) -> None:
    """Write all of it beside where it belongs, then put it there: the keys last, and at once.

    So a full disk leaves a folder into which the same archive can be restored once there is room.
    """
    staged = home / _UNFINISHED
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        home.chmod(0o700)
        if staged.exists():  # of a restore that a crash cut short
            shutil.rmtree(staged)
        try:
            (staged / _KEYS).mkdir(parents=True, mode=0o700)
            for name in archive.namelist():
                with archive.open(name) as content:
                    _write(staged / name, content)
            for name in (FILE_NAME, WINDOW_FILE):
                if (staged / name).exists():
                    (staged / name).replace(home / name)
            if (home / _KEYS).exists():
                (home / _KEYS).rmdir()
            (staged / _KEYS).rename(home / _KEYS)
            sync_folder(home)
        finally:
            shutil.rmtree(staged)
    except OSError as error:
        raise StorageError(f"cannot write {home}: {error.strerror}") from None


def _write(path: Path, content: IO[bytes]) -> None:
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(target, "wb") as written:
        shutil.copyfileobj(content, written, 1 << 20)
        written.flush()
        os.fsync(written.fileno())
