import asyncio
import os
import signal

import pytest

from tastemesh.node.stop_signals import stop_event


@pytest.mark.usefixtures("terminal")
async def test_a_closed_terminal_tells_it_twice_and_ends_us_in_order() -> None:
    """The shell sends SIGHUP, and so does the kernel."""
    with stop_event() as stopped:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
            async with asyncio.timeout(60):
                await stopped.wait()


async def test_what_nohup_started_outlives_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_event() as stopped:
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert not stopped.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)
