"""Lines and cells of a text table: plain, gzipped or zipped, in any usual delimiter, streamed.

A file may be ``archive.zip!member``. Bytes that are not UTF-8 are read as Latin-1, line by line; a
byte-order mark is skipped. Leading lines that begin with ``#`` or ``%`` are comments, as in the
SNAP and KONECT collections.
"""

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO

from tastemesh.errors import DataError, UsageError

_SAMPLE_LINES = 200  # enough to tell a delimiter from a comma inside a title; guess
_CONSISTENT = 0.5  # share of sampled lines that must split alike: the rest may be bad lines; guess
_WHITESPACE = " "
_NONE = "\n"  # stands in no line: each is one cell
_QUOTED = (",", ";", "|")  # with these a cell in quotes may hold the delimiter; tabs need none
_SHOWN_CHARACTERS = 60  # enough to find the cell by; guess
_JSON = re.compile(r'\s*(\[\s*)?\{\s*"|\s*[\[{]\s*$')  # how it begins, in one line or in many
_DELIMITERS = ("\t", "::", ";", ",", "|", _WHITESPACE)  # rarest in ordinary text first


class Table:
    """An open text table: iterate over it for (line number, cells), header and comments included.

    Args:
        path: the file as the user named it, for messages.
        lines: numbered lines of text without their ends.
        narrow: a table of one column is fine.
    """

    def __init__(self, path: str, lines: Iterator[tuple[int, str]], *, narrow: bool) -> None:
        sample = list(islice(lines, _SAMPLE_LINES))
        while sample and (sample[0][1].strip() or "#").startswith(("#", "%")):
            sample = [*sample[1:], *islice(lines, 1)]
        if not sample:
            raise DataError(path, 0, "the file is empty; expected a table of text")
        if _JSON.match(sample[0][1]):
            raise DataError(path, sample[0][0], "this is JSON; expected a table of text")
        self.path = path
        self.delimiter = _sniff(sample)
        if narrow and (not self.delimiter or _is_prose(sample, self.delimiter)):
            self.delimiter = _NONE
        if not self.delimiter:
            raise DataError(
                path,
                sample[0][0],
                "expected columns parted by tab, comma, semicolon, '::' or blanks",
            )
        self._lines = chain(sample, lines)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        if self.delimiter in _QUOTED:
            yield from self._quoted()
            return
        for number, text in self._lines:
            if text.strip():
                yield number, _split(text, self.delimiter)

    def _quoted(self) -> Iterator[tuple[int, list[str]]]:
        number = first = 0
        is_over = False

        def texts() -> Iterator[str]:
            nonlocal number, first, is_over
            for number, text in self._lines:
                first = first or number
                yield text + "\n"
            is_over = True

        rows = csv.reader(texts(), delimiter=self.delimiter)
        while True:
            first = 0
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:  # found many lines on, where a field has become too long
                raise DataError(self.path, first, f"broken quoting: {error}") from error
            if is_over and cells and cells[-1].endswith("\n"):  # all the rest became one field
                raise DataError(self.path, first, "broken quoting: a quote is never closed")
            if any(cell.strip() for cell in cells):
                yield number, [cell.strip() for cell in cells]


@contextmanager
def open_table(path: str | Path, *, narrow: bool = False) -> Iterator[Table]:
    """Open a text table.

    Args:
        path: a file, or ``archive.zip!member``. A zip archive with one file needs no member.
        narrow: a table of one column is fine.

    Raises:
        UsageError: there is no such file or member.
        DataError: the file is empty, damaged, or not delimited text.
    """
    with ExitStack() as stack:
        raw = _open_bytes(str(path), stack)
        yield Table(str(path), _decoded(str(path), raw), narrow=narrow)


def shown(cell: str) -> str:
    """Return a cell as a message quotes it, a long one by its beginning."""
    return repr(cell if len(cell) <= _SHOWN_CHARACTERS else cell[:_SHOWN_CHARACTERS] + "…")


def _split(text: str, delimiter: str) -> list[str]:
    """Return the cells of one line without blanks and quotes around them."""
    if delimiter == _WHITESPACE:
        return text.split()
    cells = [cell.strip() for cell in text.split(delimiter)]
    return [cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell for cell in cells]


def _sniff(sample: Sequence[tuple[int, str]]) -> str:
    """Return the delimiter that splits most lines alike, of equals the one with most columns.

    Nothing if none does.
    """
    texts = [text for _, text in sample if text.strip()]
    best, best_share, best_width = "", 0.0, 1
    for delimiter in _DELIMITERS:
        if delimiter == _WHITESPACE:
            best = best or _broken_off(texts)
            if best:
                break
        widths = _widths(texts, delimiter)
        width = max(set(widths), key=lambda value: (widths.count(value), value))
        share = widths.count(width) / len(widths)
        enough = width > 1 and share >= _CONSISTENT and len(widths) >= _CONSISTENT * len(texts)
        if enough and (share, width) > (best_share, best_width):
            best, best_share, best_width = delimiter, share, width
    return best


def _is_prose(sample: Sequence[tuple[int, str]], delimiter: str) -> bool:
    """Tell whether blanks part words and not columns: lines have more of them and fewer."""
    widths = {len(text.split()) for _, text in sample if text.strip()}
    return delimiter == _WHITESPACE and len(widths) > 1


def _widths(texts: Sequence[str], delimiter: str) -> list[int]:
    """Return the number of columns of each row; a quoted cell may run over several lines."""
    if delimiter not in _QUOTED:
        return [len(_split(text, delimiter)) for text in texts]
    try:
        return [len(row) for row in csv.reader(texts, delimiter=delimiter)]
    except csv.Error:
        return [1]


def _broken_off(texts: Sequence[str]) -> str:
    """Return the delimiter of a sample that no longer splits from a broken quote on, or nothing.

    Whoever reads the table comes to that quote and names its line.
    """
    for delimiter in _QUOTED:
        widths: list[int] = []
        try:
            widths.extend(len(row) for row in csv.reader(texts, delimiter=delimiter))
            broken = len(widths) < len(texts)
        except csv.Error:
            broken = True
        if broken and len(widths) > 1 and min(widths[:-1]) == max(widths[:-1]) > 1:
            return delimiter
    return ""


def _open_bytes(path: str, stack: ExitStack) -> IO[bytes]:
    file, member = Path(path), ""
    if not file.exists() and "!" in path:
        archive, _, member = path.partition("!")
        file = Path(archive)
    if not file.is_file():
        raise UsageError(f"{path or 'no name is given'}: {_why_no_file(path, file)}")
    try:
        raw: IO[bytes] = stack.enter_context(file.open("rb"))
        start = raw.read(4)
        raw.seek(0)
        if start == b"PK\x03\x04" or member:
            raw = stack.enter_context(_open_member(path, raw, member, stack))
            return _unzipped(raw, stack)
        return _unzipped(raw, stack)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(path, 0, f"cannot be opened: {error}") from error


def _why_no_file(path: str, file: Path) -> str:
    if not path or not file.exists():
        return "there is no such file"
    if file.is_dir():
        return "there is no such file: it is a folder"
    return "it is a pipe or a device; expected a file, which is read more than once"


def _open_member(
    path: str, raw: IO[bytes], member: str, stack: ExitStack
) -> AbstractContextManager[IO[bytes]]:
    archive = stack.enter_context(zipfile.ZipFile(raw))
    # A Mac puts a file of its own beside each one, below __MACOSX/.
    names = [name for name in archive.namelist() if not name.endswith("/")]
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if not member and len(names) == 1:
        member = names[0]
    if member not in names:
        # Archives are packed with and without their folder: one file of that name is meant anyway.
        alike = [name for name in names if name.split("/")[-1] == member.split("/")[-1]]
        member = alike[0] if len(alike) == 1 else member
    if member not in names:
        what = f"has no member {member!r}" if member else "has several members"
        raise UsageError(f"{path} {what}; name one as ARCHIVE!MEMBER: {', '.join(names[:20])}")
    return archive.open(member)


def _unzipped(raw: IO[bytes], stack: ExitStack) -> IO[bytes]:
    buffered = io.BufferedReader(raw)  # type: ignore[type-var] # a zip member is readable enough
    if buffered.peek(2)[:2] == b"\x1f\x8b":
        return io.BufferedReader(stack.enter_context(gzip.GzipFile(fileobj=buffered)))
    return buffered


def _decoded(path: str, raw: IO[bytes]) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        for number, line in enumerate(raw, start=1):
            if number == 1:
                if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise DataError(path, 1, "the text is UTF-16; expected UTF-8 or Latin-1")
                line = line.removeprefix(b"\xef\xbb\xbf")
                if b"\r" in line and not line.endswith(b"\n"):  # the whole file is one line
                    raise DataError(path, 1, "lines end in CR, as old Macs' did; expected LF")
            try:
                yield number, line.decode().rstrip("\r\n")
            except UnicodeDecodeError:
                yield number, line.decode("latin-1").rstrip("\r\n")
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(path, number + 1, f"cannot be read further: {error}") from error
