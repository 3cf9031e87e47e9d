"""The window's database: one writer, batched commits, a hard bound on bytes.

One connection does everything, on aiosqlite's thread; a lock keeps one operation's statements
together, and reads wait for the write before them. The connection holds SQLite's exclusive lock
(`locking_mode = EXCLUSIVE`) from `open` to `close`. Two nodes on one home would both sign with the
same sequence numbers, which reads as equivocation and ruins the identity for good, so the second
one must fail at once. SQLite's lock does that without a second file that could be left behind,
copied or deleted: the kernel drops it with the process, a `kill -9` included. Its price: nothing
else can read the file while a node runs, other than through `Store.backup`.

Costs: a commit is one hop to the thread per statement kind, eight at most; see ADR 5 for figures.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import aiosqlite

from tastemesh.errors import StorageCause, StorageError, UsageError
from tastemesh.gossip.inputs import Restored, Stored
from tastemesh.gossip.record import Interaction
from tastemesh.storage.batch import STORED, StorageEffect, fold
from tastemesh.storage.connecting import connect
from tastemesh.storage.failures import check_pages, gone, reported
from tastemesh.storage.files import bytes_on_disk, claim, claim_copy, discard, is_there, places_of
from tastemesh.storage.frames import check_log
from tastemesh.storage.lookup import look_up
from tastemesh.storage.migrations import check_origin, migrate, read_pragma, shipped_migrations
from tastemesh.storage.private import Numbered, Place, all_of, before
from tastemesh.storage.restore import AGAIN, SAID_HERE, joined, restore
from tastemesh.storage.salvage import COPIED, Salvage, salvage_of
from tastemesh.storage.statistics import Statistics, optimize, statistics_of
from tastemesh.storage.values import check_values

__all__ = [
    "COPIED",
    "DISK_BYTES",
    "MIN_DISK_BYTES",
    "STORED",
    "WAL_BYTES",
    "Statistics",
    "StorageEffect",
    "Store",
]

DISK_BYTES = 256 * 1024 * 1024
"""Default bound: 200,000 records of one statement with an item id of 256 bytes take 160 MB."""

WAL_BYTES = 16 * 1024 * 1024
"""Share of the bound that is the write-ahead log's. It is folded into the database from half of it
on, so that the other half is there for the batch that reaches that. Measured: half of 4 MiB costs a
quarter of the speed of inserts, half of 16 MiB nothing: more changes meet on one page (ADR 5)."""

MIN_DISK_BYTES = 2 * WAL_BYTES

_REINDEX = "REINDEX records"


class Store:
    """The window on disk. Made by `Store.open`, closed by `close` or by leaving `async with`."""

    def __init__(self, db: aiosqlite.Connection, path: Path, disk_bytes: int) -> None:
        self._db = db
        self._path = path.absolute()  # the process may change its folder
        self._disk_bytes = disk_bytes
        self._lock = asyncio.Lock()
        self._closed = False
        self._places: tuple[tuple[int, int], ...] = ()
        self._salvage: Salvage | None = None
        self._used_bytes = 0
        self.damage: StorageError | None = None
        """What could not be read lately, until `look_again` finds that all can be."""

    @classmethod
    async def open(
        cls, path: Path, *, disk_bytes: int = DISK_BYTES, busy_timeout_ms: int = 5_000
    ) -> Self:
        """Open the database, creating it if the file is not there, and bring it up to date.

        Every page is checked (`quick_check`), so that damage shows here and not weeks later; and
        before SQLite drops them, the commits in the log.

        Args:
            path: the file; its directory must exist. Created readable by its owner only.
            disk_bytes: hard bound on the files, at least 32 MiB. The database cannot grow past it
                less 16 MiB, which are the write-ahead log's: a batch that would is refused. Only a
                batch of nearly 8 MiB stretches the log past them, until the one after it.
            busy_timeout_ms: how long to wait for another process that holds it, such as one that
                is just shutting down; 5 s (ecosystem research, section 3).

        Raises:
            UsageError: `disk_bytes` is below the minimum.
            StorageError: it cannot be opened; the text says why and what to do.
        """
        if disk_bytes < MIN_DISK_BYTES:
            raise UsageError(f"disk_bytes is {disk_bytes}; expected at least {MIN_DISK_BYTES}")
        with reported(path):
            claim(path)
            check_log(path)
            db = await connect(path, busy_timeout_ms)
            store = cls(db, path, disk_bytes)
            try:
                await store._prepare()
            except BaseException:
                await db.close()
                raise
        return store

    async def _prepare(self) -> None:
        """Take the lock, refuse what is not ours or damaged, set the pragmas, migrate."""
        migrations = shipped_migrations()
        await self._db.execute_fetchall("PRAGMA locking_mode = EXCLUSIVE")
        await check_origin(self._db, self._path, migrations)
        # Only a file without tables takes it; must come before the first page is written.
        await self._db.execute_fetchall("PRAGMA auto_vacuum = INCREMENTAL")
        ((mode,),) = await self._db.execute_fetchall("PRAGMA journal_mode = WAL")
        if mode != "wal":
            raise StorageError(f"{self._path}: no write-ahead log here, journal mode is {mode}")
        await check_pages(self._db, self._path)
        page_bytes = await read_pragma(self._db, "page_size")
        await self._db.executescript(
            f"""
            PRAGMA synchronous = FULL;
            PRAGMA foreign_keys = ON;
            PRAGMA temp_store = MEMORY;
            PRAGMA secure_delete = ON; -- what is forgotten is overwritten
            PRAGMA journal_size_limit = {WAL_BYTES};
            PRAGMA wal_autocheckpoint = {WAL_BYTES // 2 // page_bytes};
            BEGIN EXCLUSIVE; -- in this locking mode, the lock stays from here on
            COMMIT;
            """
        )
        await migrate(self._db, self._path, migrations)
        await self._set_bound()  # now: one that is reached must not end the start
        self._places = places_of(self._path)
        self._salvage = await salvage_of(self._db, self._path)

    async def _set_bound(self) -> int:
        """Set the most pages that the file may have, and return it.

        SQLite never sets it below the pages that the file has; as vacuuming frees those, setting it
        again brings it down to a bound that was lowered.
        """
        page_count = (self._disk_bytes - WAL_BYTES) // await read_pragma(self._db, "page_size")
        return await read_pragma(self._db, f"max_page_count = {page_count}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def _alone(self, *, reads: bool = True) -> AsyncIterator[aiosqlite.Connection]:
        """Hold the connection for several statements; what fails in reading is noted."""
        async with self._lock:
            if self._closed:
                raise StorageError(f"{self._path} is closed")
            with self._noting() if reads else reported(self._path):
                yield self._db

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Note what fails in reading."""
        try:
            with reported(self._path):
                yield
        except StorageError as error:
            if error.cause in (StorageCause.DAMAGED, StorageCause.IO):
                self.damage = error
            raise

    @asynccontextmanager
    async def _transaction(self, *, durable: bool) -> AsyncIterator[aiosqlite.Connection]:
        """Commit what is executed inside, or none of it.

        The rollback is queued to the connection's thread behind whatever a cancelled statement left
        there, so cancellation never leaves a transaction open.
        """
        level = "FULL" if durable else "NORMAL"
        async with self._alone(reads=False) as db:
            if places_of(self._path) != self._places:  # SQLite writes on, into files without names
                raise gone(self._path)
            try:
                # The level cannot change inside a transaction; one script is one hop.
                await db.executescript(f"PRAGMA synchronous = {level}; BEGIN IMMEDIATE;")
                yield db
                await db.commit()
            except BaseException as error:
                with suppress(sqlite3.Error):
                    await db.rollback()
                    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT:
                        # A damaged page stays cached; the next attempt is to read the file again.
                        await db.execute_fetchall("PRAGMA shrink_memory")
                raise

    async def commit(self, changes: Sequence[StorageEffect]) -> None:
        """Carry out the core's effects, all or none, as if one after the other.

        A batch with own records, private interactions or reservations is on the disk itself when
        this returns (`synchronous = FULL`): no other node has those, and a sequence number used
        twice is equivocation. Anything else may be lost to power failure, though not to a crash of
        the process (`NORMAL`): the network sends it again, and it costs no fsync.

        Persisting a record that is there does nothing, so a batch may be committed again. Private
        interactions have no id: each of them counts.

        Args:
            changes: in the order in which the core gave them.

        Raises:
            StorageError: nothing of it was written, and it may be tried again; or it is closed.
        """
        batch = fold(changes)
        async with self._transaction(durable=batch.durable) as db:
            if batch.mends:
                await db.execute_fetchall(_REINDEX)
            for statement, rows in batch.statements():
                await db.executemany(statement, rows)
        if batch.forgets:
            await self._wipe()

    async def _wipe(self) -> None:
        """Leave no trace of deleted rows: they are zeroed in the pages; now also in the log.

        If it fails, the log holds them until it is next folded in, which is no reason to fail what
        was committed.
        """
        with suppress(StorageError):
            async with self._alone() as db:
                await db.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")

    async def look_again(self) -> None:
        """Check pages and values, as the disk has them now, after something could not be read.

        Raises:
            StorageError: it is damaged still, or is closed.
        """
        async with self._alone() as db:
            await db.execute_fetchall("PRAGMA shrink_memory")  # pages that are cached prove nothing
            await check_pages(db, self._path)
            await check_values(db, self._path)
            self.damage = None

    async def check_values(self) -> None:
        """Refuse what no node writes, as damage; see `tastemesh.storage.values`."""
        async with self._alone() as db:
            await check_values(db, self._path)

    async def load(self, wall_ms: int) -> Restored:
        """Return what the core is fed at start at once; see `parts`."""
        return joined([part async for part in self.parts(wall_ms)])

    async def parts(self, wall_ms: int) -> AsyncIterator[Restored]:
        """Yield what the core is fed at start, records in the order in which they arrived.

        Args:
            wall_ms: wall clock, handed on to the core.

        Raises:
            StorageError: it cannot be read, or is closed.
        """
        async with self._alone() as db:
            async for part in restore(db, wall_ms):
                yield part

    async def inspect(self, after: int, count: int) -> tuple[tuple[Stored, ...], int]:
        """Return records as they are on the disk now, for whoever can tell whether they are sound.

        An index that does not lead to one of them is made anew.

        Args:
            after: 0 to begin, then what the call before returned.
            count: at most so many.

        Returns:
            The records, and where to go on; 0 at the end.

        Raises:
            StorageError: they cannot be read, or it is closed.
        """
        async with self._alone() as db:
            rows = list(await db.execute_fetchall(AGAIN, (after, count)))
        if any(arrival != found for *_, arrival, found in rows):
            async with self._transaction(durable=True) as db:
                await db.execute_fetchall(_REINDEX)
        following = rows[-1][3] if len(rows) == count else 0
        return tuple(Stored(*row[:3]) for row in rows), following

    async def fetch(self, record_ids: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return the envelopes of these records in the order asked, without those not there.

        Raises:
            StorageError: it cannot be read, or is closed.
        """
        async with self._alone() as db:
            found = dict(await look_up(db, "id, envelope", record_ids))
        return tuple(found[each] for each in record_ids if each in found)

    async def said_here(self, record_ids: Sequence[bytes]) -> frozenset[bytes]:
        """Return those of some records that were said on this node, or on the one it is a copy of.

        Raises:
            StorageError: it cannot be read, or is closed.
        """
        async with self._alone() as db:
            rows = await look_up(db, f"id, {SAID_HERE}", record_ids)
        return frozenset(record_id for record_id, is_ours in rows if is_ours)

    async def private_of(self, author: bytes) -> list[tuple[Interaction, int]]:
        """Return an author's private interactions, oldest first, each with when it was said.

        Raises:
            StorageError: it cannot be read, or is closed.
        """
        async with self._alone() as db:
            return await all_of(db, author)

    async def private_before(self, author: bytes, place: Place, count: int) -> list[Numbered]:
        """Return the next of an author's private interactions, newest first; reads no others.

        Args:
            author: id.
            place: date in ms and number of the one before; the number 0 for what is earlier.
            count: at most so many.

        Returns:
            Each with when it was said (wall clock, ms) and its number.

        Raises:
            StorageError: it cannot be read, or is closed.
        """
        async with self._alone() as db:
            return await before(db, author, place, count)

    @property
    def disk_bytes(self) -> int:
        """What the files take, log included; the last that is known if they are out of reach."""
        with suppress(OSError):
            self._used_bytes = bytes_on_disk(self._path)
        return self._used_bytes

    @property
    def salvage(self) -> Salvage | None:
        """What it was made of, while the damaged file still lies beside it."""
        with suppress(OSError):
            if self._salvage and not is_there(self._path.with_name(self._salvage.file)):
                self._salvage = None
        return self._salvage

    async def statistics(self) -> Statistics:
        """Return how much it holds and takes; reads the whole table.

        Raises:
            StorageError: it cannot be read, or is closed.
        """
        async with self._alone() as db:
            return await statistics_of(db, self.disk_bytes, self._disk_bytes)

    async def get_meta(self, name: str) -> bytes | None:
        """Return what is kept under a name (the network, the node's id), or None.

        Raises:
            StorageError: it cannot be read, or is closed.
        """
        async with self._alone() as db:
            rows = await db.execute_fetchall("SELECT value FROM meta WHERE name = ?", (name,))
            return next((bytes(value) for (value,) in rows), None)

    async def set_meta(self, name: str, value: bytes) -> None:
        """Keep a value under a name, against power loss, in place of the one that was there.

        Raises:
            StorageError: it was not written, or it is closed.
        """
        async with self._transaction(durable=True) as db:
            await db.execute_fetchall(
                "REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value)
            )

    async def backup(self, path: Path) -> None:
        """Copy the database, as of now, to a new file that `open` accepts.

        The copy has `COPIED` in its `meta`. Whoever opens it must start a new epoch for its
        identities: the original may have signed sequence numbers that the copy does not know of.

        Args:
            path: must not exist. Appears only when it is complete.

        Raises:
            StorageError: it cannot be written, exists already, or this store is closed or damaged.
        """
        partial = path.with_name(f"{path.name}.partial")
        async with self._alone(reads=False) as db:
            with reported(path):
                try:
                    claim_copy(path, partial)
                    async with aiosqlite.connect(partial, isolation_level=None) as copy:
                        await db.backup(copy)
                        with self._noting():  # or a good copy of earlier gave way to this one
                            await check_pages(copy, self._path)
                        await copy.execute("REPLACE INTO meta VALUES (?, x'01')", (COPIED,))
                    partial.rename(path)
                finally:
                    discard(partial)

    async def vacuum_step(self, page_count: int = 4_096) -> int:
        """Give free pages back to the file system, a few at a time, and return how many.

        Args:
            page_count: at most so many; 4,096 take 10 ms. The file shrinks at the next checkpoint.

        Raises:
            StorageError: it cannot be written, or is closed.
        """
        async with self._alone() as db:
            before = await read_pragma(db, "page_count")
            # Frees one page a step; only a script is stepped to its end, as there is no column.
            await db.executescript(f"PRAGMA incremental_vacuum({page_count});")
            await self._set_bound()
            return before - await read_pragma(db, "page_count")

    async def close(self) -> None:
        """Finish what was asked before, fold the log into the file, and let go of it.

        Closing again does nothing; anything else raises from now on.

        Raises:
            StorageError: the last checkpoint failed; the next `open` makes up for it.
        """
        async with self._lock:
            if self._closed:
                return
            self._closed = True
            with reported(self._path):
                try:
                    await optimize(self._db)
                    await self._db.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    await self._db.close()
