"""The service's own data: accounts, sessions, tracks, plays and friends, in one SQLite file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiosqlite

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: the node's keys are named after it
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    salt BLOB NOT NULL,
    password BLOB NOT NULL,
    taste_id TEXT UNIQUE,            -- the identity that the node hosts for this user
    is_private INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS sessions (
    digest BLOB PRIMARY KEY,         -- of the cookie: a stolen copy of this file opens no account
    user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    ends_s INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS failures (name TEXT NOT NULL COLLATE NOCASE, time_s INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tracks (
    id INTEGER PRIMARY KEY,
    item TEXT NOT NULL UNIQUE,       -- what the network calls it
    artist TEXT NOT NULL,
    title TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS plays (
    user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    track_id INTEGER NOT NULL REFERENCES tracks,
    time_s INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS plays_of_user ON plays (user_id, time_s);
CREATE TABLE IF NOT EXISTS friends (
    user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    taste_id TEXT NOT NULL,          -- here or on another service
    PRIMARY KEY (user_id, taste_id)
);
"""


class User(NamedTuple):
    """An account."""

    id: int
    name: str
    salt: bytes
    password: bytes
    taste_id: str | None
    is_private: bool


class Track(NamedTuple):
    """A track of the catalogue."""

    id: int
    item: str
    artist: str
    title: str


class Database:
    """One connection; SQLite waits for the disk in a thread of its own.

    Args:
        path: the file, made on first use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sql: aiosqlite.Connection

    async def __aenter__(self) -> Self:
        """Open it and make what is missing."""
        self._sql = await aiosqlite.connect(self._path, isolation_level=None)
        await self._sql.executescript("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;")
        await self._sql.executescript(SCHEMA)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self._sql.close()

    # --- accounts --------------------------------------------------------------------------

    async def add_user(self, name: str, salt: bytes, password: bytes) -> int | None:
        """Make an account; None where the name is taken."""
        try:
            done = await self._sql.execute(
                "INSERT INTO users (name, salt, password) VALUES (?, ?, ?)", (name, salt, password)
            )
        except aiosqlite.IntegrityError:
            return None
        return done.lastrowid

    async def set_taste_id(self, user_id: int, taste_id: str) -> None:
        """Note which identity the node hosts for a user."""
        await self._sql.execute("UPDATE users SET taste_id = ? WHERE id = ?", (taste_id, user_id))

    async def set_private(self, user_id: int, is_private: bool) -> None:
        """Say whether a user's plays stay on this service."""
        await self._sql.execute(
            "UPDATE users SET is_private = ? WHERE id = ?", (is_private, user_id)
        )

    async def remove_user(self, user_id: int) -> None:
        """Delete an account and all that belongs to it."""
        await self._sql.execute("DELETE FROM users WHERE id = ?", (user_id,))

    async def user_named(self, name: str) -> User | None:
        """Return the account of a name."""
        return await self._user("WHERE name = ?", name)

    async def user_of_session(self, digest: bytes, now_s: int) -> User | None:
        """Return whose session it is, if it has not ended."""
        return await self._user(
            "JOIN sessions ON user_id = users.id WHERE digest = ? AND ends_s > ?", digest, now_s
        )

    async def _user(self, where: str, *values: object) -> User | None:
        columns = "users.id, name, salt, password, taste_id, is_private"
        query = f"SELECT {columns} FROM users {where}"  # noqa: S608 (our own words)
        async with self._sql.execute(query, values) as rows:
            row = await rows.fetchone()
        return _user(row) if row else None

    async def people(self, wanted: str, limit: int) -> list[User]:
        """Return accounts whose names begin so, by name."""
        query = "SELECT * FROM users WHERE name LIKE ? ESCAPE '\\' ORDER BY name LIMIT ?"
        return [_user(row) for row in await self._all(query, _like(wanted), limit)]

    async def names(self, taste_ids: Iterable[str]) -> dict[str, str]:
        """Return the names of those who are users here, by identity."""
        wanted = sorted(set(taste_ids))
        marks = ", ".join("?" * len(wanted))
        query = f"SELECT taste_id, name FROM users WHERE taste_id IN ({marks})"  # noqa: S608
        return dict(await self._all(query, *wanted))

    # --- sessions --------------------------------------------------------------------------

    async def begin_session(self, digest: bytes, user_id: int, ends_s: int, now_s: int) -> None:
        """Begin a session, and drop those that have ended."""
        await self._sql.execute("DELETE FROM sessions WHERE ends_s <= ?", (now_s,))
        await self._sql.execute("INSERT INTO sessions VALUES (?, ?, ?)", (digest, user_id, ends_s))

    async def end_session(self, digest: bytes) -> None:
        """End a session."""
        await self._sql.execute("DELETE FROM sessions WHERE digest = ?", (digest,))

    async def note_failure(self, name: str, now_s: int) -> None:
        """Note a wrong password."""
        await self._sql.execute("INSERT INTO failures VALUES (?, ?)", (name, now_s))

    async def failure_count(self, name: str, since_s: int) -> int:
        """Return how often a wrong password was given for a name lately; older ones are dropped."""
        await self._sql.execute("DELETE FROM failures WHERE time_s < ?", (since_s,))
        rows = await self._all("SELECT count(*) FROM failures WHERE name = ?", name)
        return int(rows[0][0])

    # --- music -----------------------------------------------------------------------------

    async def add_tracks(self, tracks: Iterable[tuple[str, str, str]]) -> None:
        """Add (item, artist, title) to the catalogue; those that it has are left alone."""
        await self._sql.executemany(
            "INSERT OR IGNORE INTO tracks (item, artist, title) VALUES (?, ?, ?)", tracks
        )

    async def track(self, track_id: int) -> Track | None:
        """Return one track."""
        rows = await self._all("SELECT * FROM tracks WHERE id = ?", track_id)
        return Track(*rows[0]) if rows else None

    async def search(self, wanted: str, limit: int) -> list[Track]:
        """Return tracks whose artist or title has these words, by artist."""
        query = (
            "SELECT * FROM tracks WHERE artist || ' ' || title LIKE ? ESCAPE '\\' "
            "ORDER BY artist, title LIMIT ?"
        )
        return [Track(*row) for row in await self._all(query, f"%{_like(wanted)}", limit)]

    async def tracks_of(self, items: Sequence[str]) -> dict[str, Track]:
        """Return the catalogue's tracks among some items, by item."""
        marks = ", ".join("?" * len(items))
        query = f"SELECT * FROM tracks WHERE item IN ({marks})"  # noqa: S608
        tracks = [Track(*row) for row in await self._all(query, *items)]
        return {track.item: track for track in tracks}

    async def add_play(self, user_id: int, track_id: int, now_s: int) -> None:
        """Note that a user played a track."""
        await self._sql.execute("INSERT INTO plays VALUES (?, ?, ?)", (user_id, track_id, now_s))

    async def recent(self, user_id: int, limit: int) -> list[Track]:
        """Return what a user played last, each track once."""
        query = (
            "SELECT tracks.* FROM plays JOIN tracks ON tracks.id = track_id WHERE user_id = ? "
            "GROUP BY track_id ORDER BY max(time_s) DESC, track_id LIMIT ?"
        )
        return [Track(*row) for row in await self._all(query, user_id, limit)]

    # --- friends ---------------------------------------------------------------------------

    async def add_friend(self, user_id: int, taste_id: str) -> None:
        """Note whom a user endorses."""
        await self._sql.execute("INSERT OR IGNORE INTO friends VALUES (?, ?)", (user_id, taste_id))

    async def remove_friend(self, user_id: int, taste_id: str) -> None:
        """Note whom a user endorses no longer."""
        await self._sql.execute(
            "DELETE FROM friends WHERE user_id = ? AND taste_id = ?", (user_id, taste_id)
        )

    async def friends(self, user_id: int) -> list[str]:
        """Return whom a user endorses."""
        rows = await self._all(
            "SELECT taste_id FROM friends WHERE user_id = ? ORDER BY rowid", user_id
        )
        return [str(row[0]) for row in rows]

    async def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        async with self._sql.execute(query, values) as rows:
            return [tuple(row) for row in await rows.fetchall()]


def _user(row: Iterable[Any]) -> User:
    """Return a row as an account; SQLite has no truth values."""
    *fields, is_private = row
    return User._make((*fields, bool(is_private)))


def _like(words: str) -> str:
    r"""Return words as the beginning of a LIKE pattern.

    >>> _like("50%")
    '50\\%%'
    """
    return "".join(f"\\{c}" if c in "%_\\" else c for c in words.strip()) + "%"
