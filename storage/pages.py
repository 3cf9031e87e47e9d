"""The rows of a damaged database, read page by page and without its trees.

SQLite finds rows from the root of a tree down, so one lost page hides all that hang below it. But
every leaf says by itself what rows it holds, and so does every node of an index. This reads all of
them, from the file and from the write-ahead log's committed frames over it; what does not make
sense is passed over. SQLite's own recovery extension does the same and is not part of what Python
is built with. Source: "SQLite Database File Format" (sqlite.org/fileformat2.html), of which
section 1.5 has the pages, 1.6 the cells, 1.8 the pointer maps and 2.1 the rows.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tastemesh.storage.frames import PAGE_BYTES, Log, is_page_size

Value = bytes | str | int | None

_MAGIC = b"SQLite format 3\x00"
_ROW_BYTES = 1 << 20  # far above our largest row, a proof: two records of 16 KiB

_INDEX_NODE, _INDEX_LEAF, _TABLE_LEAF = 0x02, 0x0A, 0x0D
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


class Row(NamedTuple):
    """One row of a table, or one entry of an index.

    Attributes:
        number: the row's, 0 in an index.
        values: one a column; an integer primary key stands as None.
        in_index: whether it is an entry of an index; tables WITHOUT ROWID are such.
    """

    number: int
    values: tuple[Value, ...]
    in_index: bool


class Pages:
    """The pages of a database as its last commit left them, as far as they can be read.

    Args:
        file: descriptor of the database, which stays the caller's.
        log: its write-ahead log; need not be there.
    """

    def __init__(self, file: int, log: Path) -> None:
        self._file = file
        head = _read(file, 0, 100).ljust(100, b"\x00")
        self._page_bytes = _page_bytes(head)
        frames = Log(log, self._page_bytes)
        self._frames = frames
        self._page_bytes = frames.page_bytes
        self._usable = self._page_bytes - (head[20] if head.startswith(_MAGIC) else 0)
        self.count = frames.page_count or -(-os.fstat(file).st_size // self._page_bytes)

    def rows(self) -> Iterator[Row]:
        """Yield what all pages hold, in no order that means anything."""
        map_distance = self._usable // 5 + 1
        for number in range(1, self.count + 1):
            if (number - 2) % map_distance:  # or it is a pointer map
                yield from self._rows_of(number)

    def _page(self, number: int) -> bytes:
        """Return a page, or less of it where the file ends or the disk does not give it back."""
        if not 1 <= number <= self.count:
            return b""
        logged = self._frames.page(number)
        if logged is not None:
            return logged
        return _read(self._file, (number - 1) * self._page_bytes, self._page_bytes)

    def _rows_of(self, number: int) -> Iterator[Row]:
        page, start = self._page(number), 100 if number == 1 else 0
        if len(page) < self._page_bytes:
            return
        kind = page[start]
        if kind not in (_INDEX_NODE, _INDEX_LEAF, _TABLE_LEAF):
            return
        first = start + (12 if kind == _INDEX_NODE else 8)
        cell_count = int.from_bytes(page[start + 3 : start + 5], "big")
        for pointer in range(first, min(first + 2 * cell_count, self._usable), 2):
            try:
                yield self._row(page, kind, int.from_bytes(page[pointer : pointer + 2], "big"))
            except (ValueError, IndexError):  # bad UTF-8 is a ValueError, too
                continue

    def _row(self, page: bytes, kind: int, at: int) -> Row:
        if kind == _INDEX_NODE:
            at += 4  # the page below
        size, at = _varint(page, at)
        number = 0
        if kind == _TABLE_LEAF:
            number, at = _varint(page, at)
            number -= (number >> 63) << 64
        content = self._content(page, at, size, kind == _TABLE_LEAF)
        return Row(number, _values(content), kind != _TABLE_LEAF)

    def _content(self, page: bytes, at: int, size: int, in_table: bool) -> bytes:
        """Return a row's bytes, those on overflow pages included.

        Raises:
            ValueError: they are not all there.
        """
        usable = self._usable
        if size > _ROW_BYTES:
            raise ValueError("no row of ours is as large")
        most = usable - 35 if in_table else (usable - 12) * 64 // 255 - 23
        kept = size
        if size > most:
            least = (usable - 12) * 32 // 255 - 23
            kept = least + (size - least) % (usable - 4)
            kept = least if kept > most else kept
        pieces = [page[at : at + kept]]
        following = int.from_bytes(page[at + kept : at + kept + 4], "big")
        missing = size - kept
        while missing > 0:
            more = self._page(following)
            pieces.append(more[4 : 4 + min(missing, usable - 4)])
            if not pieces[-1]:
                raise ValueError("an overflow page is missing")
            missing -= len(pieces[-1])
            following = int.from_bytes(more[:4], "big")
        content = b"".join(pieces)
        if len(content) != size:
            raise ValueError("a row ends before its time")
        return content


def _read(file: int, at: int, size: int) -> bytes:
    """Return what the disk gives back: a sector that cannot be read is nothing."""
    try:
        return os.pread(file, size, at)
    except OSError:
        return b""


def _page_bytes(head: bytes) -> int:
    size = int.from_bytes(head[16:18], "big")
    size = 1 << 16 if size == 1 else size
    return size if head.startswith(_MAGIC) and is_page_size(size) else PAGE_BYTES


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length integer, 64 bits without sign, and where it ends."""
    value = 0
    for place in range(at, at + 8):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    return value << 8 | data[at + 8], at + 9


def _values(content: bytes) -> tuple[Value, ...]:
    """Return the columns of a row.

    Raises:
        ValueError: it is not a row, or has a column of a kind that no table of ours has.
        IndexError: it is not a row.
    """
    end, at = _varint(content, 0)
    place = end
    values: list[Value] = []
    while at < end:
        kind, at = _varint(content, at)
        if kind in (0, 8, 9):
            values.append(None if kind == 0 else kind - 8)
            continue
        size = _INTEGER_BYTES[kind] if kind in _INTEGER_BYTES else (kind - 12) // 2
        value = content[place : place + size]
        if size < 0 or len(value) != size:
            raise ValueError("a column ends before its time")
        if kind in _INTEGER_BYTES:
            values.append(int.from_bytes(value, "big", signed=True))
        else:
            values.append(value.decode() if kind % 2 else value)
        place += size
    if at != end or place != len(content):
        raise ValueError("columns and their sizes disagree")
    return tuple(values)
