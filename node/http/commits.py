"""The wait for a commit, which answers of all that is said share."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from tastemesh.errors import StorageError
from tastemesh.node.node import Node

COMMIT_S = 10.0  # until a client is told that the disk does not take it (guess)

_Done = TypeVar("_Done")


async def committed(node: Node, saying: Coroutine[Any, Any, _Done]) -> _Done:
    """Wait for the commit, and not for ever: a node with a faulty disk keeps trying.

    Raises:
        StorageError: the disk does not take it; the text says what becomes of it.
    """
    fault = node.storage_fault
    if fault:
        saying.close()
        raise StorageError(f"{fault}; nothing was recorded")
    try:
        async with asyncio.timeout(COMMIT_S):
            return await saying
    except TimeoutError:
        fault = node.storage_fault or f"not on disk after {COMMIT_S:g} s"
        raise StorageError(
            f"{fault}; kept in memory, and tried again while the node runs"
        ) from None
