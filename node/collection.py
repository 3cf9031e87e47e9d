"""Python's search for cycles, kept away from millions of objects among which it finds none."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

from tastemesh.node.kernels import KERNELS

LOOK_S = 1.0


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python's search for cycles from going over millions of objects again and again.

    Nodes are made of trees: a simulation takes as much memory with the search as without, and a
    restart takes a sixth less time without (measured). What is to go through no search either must
    be gone when this ends.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


async def spare_what_stays() -> None:
    """Leave out of each later search what is there for as long as the process: modules and code.

    A whole search over them stops the event loop of a node with a full window for 35 to 80 ms, some
    minutes apart and then in the midst of somebody's request (measured). Once when a daemon is
    ready, and once more when its compiled kernels are, which come with a compiler's modules.

    For a process of our own: an application that embeds a node has its own ideas.
    """
    gc.freeze()
    while not KERNELS.are_ready:  # noqa: ASYNC110 (an event is of one loop, kernels of a process)
        await asyncio.sleep(LOOK_S)
    gc.collect()  # what is garbage now must not stay with the rest
    gc.freeze()
