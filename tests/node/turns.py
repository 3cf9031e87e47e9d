"""Turns of the event loop, counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tastemesh.node.tasks import end


class Turns:
    """Counts turns of the event loop, while it goes on."""

    def __init__(self) -> None:
        self.count = 0

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._count())
        try:
            yield
        finally:
            await end(task)

    async def _count(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)
