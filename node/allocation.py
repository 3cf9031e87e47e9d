"""Memory given back to the system: glibc keeps what a question needed for a moment.

A question makes arrays of a megabyte, and what is freed of them stays with the process. Having
glibc map each such array apart would avoid it, and take a question four times as long (measured).
"""

import asyncio
import ctypes

PERIOD_S = 60.0  # a call takes some milliseconds where there is much to give back


async def give_back_memory() -> None:
    """Give free memory back now and once a minute, where the C library is glibc; or do nothing.

    For a process of our own: an application that embeds a node has its own ideas.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        trim(0)
        await asyncio.sleep(PERIOD_S)
