"""The connection to a database, and its thread."""

import asyncio
from pathlib import Path

import aiosqlite


async def connect(path: Path, busy_timeout_ms: int) -> aiosqlite.Connection:
    """Return a connection; who is cancelled meanwhile leaves none, nor a thread of one.

    Args:
        path: the file.
        busy_timeout_ms: how long to wait for somebody else's lock.
    """
    connecting = asyncio.ensure_future(
        aiosqlite.connect(path, timeout=busy_timeout_ms / 1000, isolation_level=None)
    )
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        await (await connecting).close()
        raise
