"""Ending background work."""

import asyncio
from contextlib import suppress


async def end(task: "asyncio.Task[None]") -> None:
    """Cancel a task and wait until it has ended; what it raised, it raises."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
