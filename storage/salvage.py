"""A damaged database made whole again from what can be read of it.

The rows that are readable go into a new database, and the damaged one is set aside, never deleted.
The swap survives a crash: the new file waits under `…salvaged` until the damaged one has another
name, and whoever finds it there at the next start goes on. Log and database must go together, or
SQLite would fold the old log into the new file.

An altered record is left out, as its id no longer fits, and the network brings back what is
missing. Nothing tells an altered reservation of sequence numbers from a good one, so a salvaged
window counts as a copy: its identities begin new epochs.
"""

import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiosqlite
import msgspec

from tastemesh.errors import StorageCause, StorageError
from tastemesh.gossip.identity import ID_BYTES
from tastemesh.storage.failures import reported
from tastemesh.storage.files import claim, discard, is_there, log_of, sync_folder
from tastemesh.storage.migrations import migrate, shipped_migrations
from tastemesh.storage.pages import Pages, Value
from tastemesh.storage.private import DATE_SHIFT_MS
from tastemesh.storage.values import MAX_ARRIVAL, MAX_DATE_MS, could_be_reserved, could_be_said

COPIED = "copied"
"""Name in `meta` that only copies have: see `Store.backup`."""

_SALVAGE = "salvage"

# Bytes that SQLite locks, and how many: "pending", "reserved" and "shared" (os.h of its sources).
_LOCK_START, _LOCK_COUNT = 0x40000000, 512

_RECORD = "INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PRIVATE = "INSERT OR IGNORE INTO private_interactions VALUES (?, ?, ?, ?, ?, ?, ?)"
_PROOF = "INSERT OR IGNORE INTO proofs VALUES (?, ?)"
_LINEAGE = "INSERT OR IGNORE INTO lineages (author, checksum, lineage) VALUES (?, ?, ?)"
_SEQUENCE = """
INSERT INTO own_sequences VALUES (?, ?, ?)
ON CONFLICT (author, epoch) DO UPDATE SET until = max(until, excluded.until)
"""


class Salvage(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a damaged database.

    Attributes:
        file: name under which it was set aside, in the same folder.
        problem: what was wrong with it.
        records: signed records that could be read.
        lost_records: that an index still names and that could not be read; at least so many.
        private: private interactions that could be read.
        lost_private: the same of these; nobody can bring them back.
    """

    file: str
    problem: str
    records: int
    lost_records: int
    private: int
    lost_private: int


async def salvage(
    path: Path, own: Collection[bytes], is_whole: Callable[[bytes, bytes], bool], problem: str
) -> Salvage:
    """Put a new database in the place of a damaged one, with all that can be read of that.

    Args:
        path: the damaged file; nobody has it open.
        own: ids of the local identities: nobody else has private interactions here.
        is_whole: tells of a record's id and envelope whether they belong together.
        problem: what is wrong with it, to be kept with the new one.

    Raises:
        StorageError: another process uses it, or the new file cannot be written; nothing has
            changed then.
    """
    partial = path.with_name(f"{path.name}.partial")
    with reported(path), _held(path) as file:
        try:
            discard(partial)
            claim(partial)
            found = _Found(Pages(file, log_of(path)), frozenset(own), is_whole)
            done = await _rewrite(partial, found, _aside(path).name, problem)
            partial.rename(_ready(path))
        finally:
            discard(partial)
        _swap(path)
    return done


def finish_salvage(path: Path) -> None:
    """Go on with a swap that a crash has interrupted; do nothing where there is none.

    Raises:
        StorageError: another process is about it, or files cannot be renamed.
    """
    if not is_there(_ready(path)):
        return
    with reported(path):
        if is_there(path):
            with _held(path):
                _swap(path)
        else:
            _swap(path)


async def salvage_of(db: aiosqlite.Connection, path: Path) -> Salvage | None:
    """Return what a database was salvaged from, while the damaged file is still there.

    Args:
        db: the connection.
        path: its file.
    """
    rows = await db.execute_fetchall("SELECT value FROM meta WHERE name = ?", (_SALVAGE,))
    for (value,) in rows:
        with suppress(msgspec.DecodeError):  # an account that cannot be read is no reason to end
            done = msgspec.msgpack.decode(value, type=Salvage)
            if is_there(path.with_name(done.file)):
                return done
    return None


class _Found:
    """The rows of ours in a damaged database.

    Args:
        pages: of the database.
        own: ids of the local identities.
        is_whole: see `salvage`.
    """

    def __init__(
        self, pages: Pages, own: frozenset[bytes], is_whole: Callable[[bytes, bytes], bool]
    ) -> None:
        self._pages = pages
        self._own = own
        self._is_whole = is_whole
        self._ids: set[bytes] = set()
        self._named: set[tuple[bytes, int]] = set()
        self.private: dict[int, tuple[Value, ...]] = {}
        self.proofs: dict[bytes, bytes] = {}
        self.lineages: dict[bytes, tuple[Value, ...]] = {}
        self.sequences: list[tuple[Value, ...]] = []

    def records(self) -> Iterator[tuple[Value, ...]]:
        """Yield the rows of signed records; when it ends, the rest is known, too."""
        for row in self._pages.rows():
            if row.in_index:
                self._note_entry(row.values)
                continue
            match row.values:
                case (None, bytes(named), bytes(), *rest):
                    if self._is_record(row.number, named, rest):
                        self._ids.add(named)
                        yield row.number, *row.values[1:]
                case (None, bytes(author), str(), str(), int(units), int(ago_ms), int(wall_ms)):
                    if author in self._own and could_be_said(units, ago_ms, wall_ms):
                        self.private[row.number] = (row.number, *row.values[1:])
                case (bytes(author), bytes(proof)) if len(author) == ID_BYTES:
                    self.proofs[author] = proof
                case (bytes(author), int(), bytes()) if len(author) == ID_BYTES:
                    self.lineages[author] = row.values

    def _is_record(self, number: int, named: bytes, rest: list[Value]) -> bool:
        """Tell whether a row with this number, id and columns behind the author is a record."""
        match rest:
            case (int(), int(), int(), int(), 0 | 1, int(), bytes(envelope)):
                return 0 < number < MAX_ARRIVAL and self._is_whole(named, envelope)
        return False

    def _note_entry(self, values: tuple[Value, ...]) -> None:
        match values:
            case (bytes(named), int(number)) if len(named) == ID_BYTES:
                self._named.add((named, number))
            case (bytes(author), int(date), int(number)) if date > DATE_SHIFT_MS - MAX_DATE_MS:
                if author in self._own:  # or it was altered, and says nothing of records
                    self._named.add((author, number))  # `private_by_date`
            case (bytes(author), int(epoch), int(until)):
                if author in self._own and could_be_reserved(epoch, until):
                    self.sequences.append(values)

    def lost(self) -> tuple[int, int]:
        """Return how many records and private interactions are named and were not found."""
        named_private = {number for named, number in self._named if named in self._own}
        named_records = {named for named, _ in self._named if named not in self._own}
        return (
            len(named_records - self._ids - self.proofs.keys() - self.lineages.keys()),
            len(named_private - self.private.keys()),
        )


async def _rewrite(path: Path, found: _Found, aside: str, problem: str) -> Salvage:
    """Write what was found into a new database, durably.

    It is read on the connection's thread, a page at a time.
    """
    async with aiosqlite.connect(path, isolation_level=None) as db:
        await db.execute_fetchall("PRAGMA auto_vacuum = INCREMENTAL")
        await migrate(db, path, shipped_migrations())
        await db.execute_fetchall("BEGIN")
        await db.executemany(_RECORD, found.records())
        await db.executemany(_PRIVATE, found.private.values())
        await db.executemany(_PROOF, found.proofs.items())
        await db.executemany(_LINEAGE, found.lineages.values())
        await db.executemany(_SEQUENCE, found.sequences)
        ((record_count,),) = await db.execute_fetchall("SELECT count(*) FROM records")
        lost_records, lost_private = found.lost()
        done = Salvage(
            file=aside,
            problem=problem,
            records=record_count,
            lost_records=lost_records,
            private=len(found.private),
            lost_private=lost_private,
        )
        told = ((COPIED, b"\x01"), (_SALVAGE, msgspec.msgpack.encode(done)))
        await db.executemany("INSERT INTO meta VALUES (?, ?)", told)
        await db.execute_fetchall("COMMIT")
    return done


def _swap(path: Path) -> None:
    """Give the damaged files another name, and the new one theirs; each step may be the last."""
    aside = _aside(path)
    with suppress(FileNotFoundError):
        log_of(path).rename(log_of(aside))
    with suppress(FileNotFoundError):
        path.rename(aside)
    sync_folder(path.parent)
    with suppress(FileNotFoundError):  # somebody else has just done it
        _ready(path).rename(path)
    sync_folder(path.parent)


@contextmanager
def _held(path: Path) -> Iterator[int]:
    """Open a database and hold SQLite's own locks on it, against another node on this home.

    Raises:
        StorageError: another process holds it, or has just put another file in its place.
    """
    file = os.open(path, os.O_RDWR)
    try:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_COUNT, _LOCK_START)
        except OSError:
            raise _in_use(path) from None
        if os.fstat(file).st_ino != path.stat().st_ino:
            raise _in_use(path)
        yield file
    finally:
        os.close(file)


def _in_use(path: Path) -> StorageError:
    text = f"{path} is in use by another process: stop that one, or choose another home"
    return StorageError(text, StorageCause.LOCKED)


def _aside(path: Path) -> Path:
    """Return a name that no file has yet, nor its log."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return aside


def _ready(path: Path) -> Path:
    return path.with_name(f"{path.name}.salvaged")
