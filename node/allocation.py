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


async def give_back_memory() -> None:
    """Give free memory back now and whenever the process has grown, where the C library is glibc.

    For a process of our own: an application that embeds a node has its own ideas.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    least = -GROWTH_BYTES
    while trim is not None:
        if _resident_bytes() >= least + GROWTH_BYTES:
            trim(0)
            least = _resident_bytes()
        least = min(least, _resident_bytes())
        await asyncio.sleep(LOOK_S)


def _resident_bytes() -> int:
    return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
