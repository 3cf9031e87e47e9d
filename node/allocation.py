"""Memory given back to the system: glibc keeps what a question needed for a moment.

A question makes arrays of a megabyte, and what is freed of them stays with the process. Having
glibc map each such array apart would avoid it, and take a question four times as long (measured).
"""

import asyncio
import ctypes
import os
from pathlib import Path

LOOK_S = 1.0

# Growth that is worth a call, which takes some milliseconds, and the memory is asked for anew by
# the next question: half of what a first list needs for a moment (measured).
GROWTH_BYTES = 4 * 1024 * 1024

_STATM = Path("/proc/self/statm")
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)


async def give_back_memory() -> None:
    """Give free memory back now and whenever the process has grown, where the C library is glibc.

    For a process of our own: an application that embeds a node has its own ideas.
    """
    least = -GROWTH_BYTES
    while _TRIM is not None:
        if resident_bytes() >= least + GROWTH_BYTES:
            trim()
            least = resident_bytes()
        least = min(least, resident_bytes())
        await asyncio.sleep(LOOK_S)


def trim() -> None:
    """Give what is free back to the system, where the C library is glibc."""
    if _TRIM is not None:
        _TRIM(0)


def resident_bytes() -> int:
    """Return how much memory this process has now."""
    return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
