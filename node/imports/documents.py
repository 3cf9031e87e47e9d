"""The JSON documents of an export: a file, the members of a zip archive, or a folder of files."""

import json
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tastemesh.errors import DataError, UsageError
from tastemesh.node.imports.history import Reading

DOCUMENT_BYTES = 512 << 20  # exports come in files of some 12 MB; a zip bomb does not


def documents(path: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Give (name for messages, content) of each document, by name.

    Args:
        path: a file, read whatever its name; a zip archive or a folder, of which the documents
            that match are read.
        patterns: of the names' last part in an archive or a folder.

    Raises:
        UsageError: there is no such file, or nothing in it matches.
        DataError: an archive is damaged or a document is too large.
    """
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.is_file() and _matches(p.name, patterns))
        if not found:
            raise UsageError(f"{path}: no file in it matches {' or '.join(patterns)}")
        for each in found:
            yield from documents(each, patterns)
        return
    try:
        if zipfile.is_zipfile(path):
            yield from _members(path, patterns)
        else:
            yield str(path), path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def entries(name: str, content: bytes, reading: Reading) -> Iterator[tuple[int, Any]]:
    """Give (line number, entry) of a JSON document: a list of entries, or one entry a line.

    Lists keep no line numbers, so that the line of the list's entry n is given as n.

    Raises:
        DataError: it is not JSON.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(name, line, "expected UTF-8") from None
    if text.lstrip().startswith("["):
        try:
            yield from enumerate(json.loads(text), 1)
        except (ValueError, RecursionError) as error:
            raise DataError(name, *_place(error)) from None
        return
    for number, written in enumerate(text.split("\n"), 1):
        if written.strip():
            try:
                entry = json.loads(written)
            except (ValueError, RecursionError) as error:
                reading.fault(name, number, f"not JSON: {_place(error)[1]}")
            else:
                yield number, entry


def _place(error: ValueError | RecursionError) -> tuple[int, str]:
    if isinstance(error, json.JSONDecodeError):
        return error.lineno, f"{error.msg} at column {error.colno}"
    return 0, str(error)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _members(path: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
            found = [name for name in names if _matches(Path(name).name, patterns)]
            if not found:
                raise UsageError(f"{path}: no file in it matches {' or '.join(patterns)}")
            for name in found:
                if archive.getinfo(name).file_size > DOCUMENT_BYTES:
                    raise DataError(f"{path}!{name}", 0, "larger than 512 MiB")
                yield f"{path}!{name}", archive.read(name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(str(path), 0, f"damaged archive: {error}") from None
