"""A write-ahead log, read frame by frame, past those that are damaged.

SQLite takes the first frame whose checksum does not fit for the log's end, as after a crash it is.
Where something overwrote a frame in its middle, it drops all commits from there on without a word,
reservations of sequence numbers included, and the node would sign with numbers that it has used. A
checksum goes on from the frame before, which stores its own; so the frames behind a damaged one can
still be checked. Source: "SQLite Database File Format" (sqlite.org/fileformat2.html), section 4.
"""

import struct
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tastemesh.storage.failures import damaged
from tastemesh.storage.files import is_there, log_of

PAGE_BYTES = 4_096
"""SQLite's default, which we leave; where no header can be read."""

_HEADER = struct.Struct(">IIIIIIII")
_FRAME = struct.Struct(">IIIIII")
_MAGIC = 0x377F0682  # its last bit says whether checksums read words with the high byte first

_Sums = tuple[int, int]


class Log:
    """The pages in a write-ahead log, as its commits left them.

    Args:
        path: the log; need not be there.
        page_bytes: size of a page, where the log's header does not say.

    Attributes:
        places: where in the log each page's last content is.
        page_bytes: size of a page.
        page_count: pages of the database after the last commit; 0 without one.
        is_damaged: whether a commit stands behind a frame that is not what was written.
    """

    def __init__(self, path: Path, page_bytes: int = PAGE_BYTES) -> None:
        self._content = path.read_bytes() if is_there(path) else b""
        self.places: dict[int, int] = {}
        self.page_bytes = page_bytes
        self.page_count = 0
        self.is_damaged = False
        if len(self._content) >= _HEADER.size + _FRAME.size:
            self._scan()

    def page(self, number: int) -> bytes | None:
        """Return what the log has for a page, or None."""
        place = self.places.get(number)
        return None if place is None else self._content[place : place + self.page_bytes]

    def _scan(self) -> None:
        content = self._content
        magic, _, page_bytes, _, *salts, first, second = _HEADER.unpack_from(content)
        order = ">" if magic & 1 else "<"
        sums: _Sums | None = first, second
        is_broken = magic & ~1 != _MAGIC or _summed((0, 0), content[:24], order) != sums
        if is_broken:
            order = ">" if sys.byteorder == "big" else "<"
            salts, sums = self._began_with((first, second), order)
        elif is_page_size(page_bytes):
            self.page_bytes = page_bytes
        since_commit: dict[int, int] = {}
        for at in range(_HEADER.size, len(content) - _FRAME.size - self.page_bytes + 1, self._step):
            number, page_count, *marks, first, second = _FRAME.unpack_from(content, at)
            page = at + _FRAME.size
            is_good = marks == salts and sums is not None
            if is_good and sums is not None:
                found = _summed(sums, content[at : at + 8], order)
                found = _summed(found, content[page : page + self.page_bytes], order)
                is_good = found == (first, second)
            sums = (first, second) if marks == salts else None
            if not is_good:
                is_broken = True
                continue
            since_commit[number] = page
            if page_count:
                self.places.update(since_commit)
                self.page_count = page_count
                self.is_damaged |= is_broken
                since_commit.clear()

    def _began_with(self, told: _Sums, order: str) -> tuple[list[int], _Sums | None]:
        """Return the salts and the sums that the log begins with, where its header is damaged.

        What is written now stands at the log's start. Behind it may be much more of what was folded
        into the database long ago, under other salts: taken for the last commits, those would bring
        back what was deleted since and hide what was added.

        Args:
            told: the sums in the header, which may be what is sound of it.
            order: of the bytes in a word.
        """
        content = self._content
        places = [
            place
            for place in range(_HEADER.size, len(content) - self._step + 1, self._step)
            if any(content[place : place + _FRAME.size])  # zeros are no frame; their sums fit, too
        ]
        if places[:1] == [_HEADER.size]:
            at = _HEADER.size
            *_, first, second = marks = _FRAME.unpack_from(content, at)
            page = content[at + _FRAME.size : at + self._step]
            for sums in (told, _summed((0, 0), content[:24], order)):
                found = _summed(_summed(sums, content[at : at + 8], order), page, order)
                if found == (first, second):
                    return list(marks[2:4]), sums
        salts = [_FRAME.unpack_from(content, place)[2:4] for place in places]
        repeated = (each for each, following in pairwise(salts) if each == following)
        return list(next(repeated, salts[0] if salts else (0, 0))), None

    @property
    def _step(self) -> int:
        return _FRAME.size + self.page_bytes


def check_log(path: Path) -> None:
    """Refuse a database of whose log SQLite would drop commits; a tenth of a second for a full one.

    Args:
        path: the database, which is there. SQLite deletes a log beside an empty one.

    Raises:
        StorageError: a commit in the log is damaged, or the database is empty and its log is not.
    """
    log = Log(log_of(path))
    if log.is_damaged:
        raise damaged(path, "a commit in its log is not what was written")
    if log.page_count and not path.stat().st_size:
        raise damaged(path, "it is empty, and its log has commits")


def is_page_size(size: int) -> bool:
    """Tell whether SQLite has pages of this size."""
    return 512 <= size <= 1 << 16 and size & (size - 1) == 0


def _summed(sums: _Sums, content: bytes, order: str) -> _Sums:
    """Return the log's running checksum after some more bytes (section 4.2).

    It adds each pair of words in turn, `first += even + second; second += odd + first`, which is
    linear: so a page is two sums of products, modulo 2^32.
    """
    words = np.frombuffer(content, dtype=f"{order}u4").astype(np.uint32)
    factors, carried = _factors(len(words) // 2)
    state = carried @ np.array(sums, dtype=np.uint32) + factors @ words
    return int(state[0]), int(state[1])


@cache
def _factors(pair_count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return what each word counts in the sums after so many pairs, and what the old sums do."""
    step = np.array([[1, 1], [1, 2]], dtype=np.uint32)
    carried = np.eye(2, dtype=np.uint32)
    factors = np.empty((2, 2 * pair_count), dtype=np.uint32)
    for pair in range(pair_count - 1, -1, -1):
        factors[:, 2 * pair : 2 * pair + 2] = carried @ np.array([[1, 0], [1, 1]], dtype=np.uint32)
        carried = carried @ step
    return factors, carried
