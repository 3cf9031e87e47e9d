"""Python's search for cycles, kept away from work that makes millions of objects and no cycle."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
