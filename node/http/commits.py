"""The wait for a commit, which answers of all that is said share."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from tastemesh.errors import StorageError
from tastemesh.node.node import Node

COMMIT_S = 10.0  # until a client is told that the disk does not take it (guess)

# Calls of a node that go on although their client was told so, and what waits with them: as many
# as turns in a full backlog (guess). A disk that hangs is no fault yet, and clients go on asking.
GOING_ON_COUNT = 256

_Done = TypeVar("_Done")

_going_on: WeakKeyDictionary[Node, set[asyncio.Task[Any]]] = WeakKeyDictionary()


async def committed(node: Node, saying: Coroutine[Any, Any, _Done]) -> _Done:
    """Wait for the commit, and not for ever: a node with a faulty disk keeps trying.

    What was begun goes on, whether or not anybody waits for it.

    Raises:
        StorageError: the disk does not take it; the text says what becomes of it.
    """
    going_on = _going_on.setdefault(node, set())
    fault = node.storage_fault
    if len(going_on) >= GOING_ON_COUNT:
        fault = fault or f"{GOING_ON_COUNT} calls wait for the disk"
    if fault:
        saying.close()
        raise StorageError(f"{fault}; nothing was recorded")
    task = asyncio.ensure_future(saying)
    going_on.add(task)
    task.add_done_callback(going_on.discard)
    task.add_done_callback(_heard)
    done, _ = await asyncio.wait([task], timeout=COMMIT_S)
    if done:
        return task.result()
    fault = node.storage_fault or f"not on disk after {COMMIT_S:g} s"
    raise StorageError(f"{fault}; kept in memory, and tried again while the node runs")


def _heard(task: asyncio.Task[Any]) -> None:
    """Note that it may end with an error although nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
