"""SIGTERM, SIGINT and SIGHUP as an event to wait for."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def stop_event() -> Iterator[asyncio.Event]:
    """Give an event that the first stop signal sets.

    The same signal again has its usual effect: whoever presses Ctrl-C twice means it. Not so
    SIGHUP: of a terminal that is closed, shell and kernel tell us one after the other. Where it is
    ignored, as nohup has it, it stays so.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    heeded = [
        number
        for number in STOP_SIGNALS
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    ]

    def on_signal(number: signal.Signals) -> None:
        stopped.set()
        if number != signal.SIGHUP:
            loop.remove_signal_handler(number)

    for number in heeded:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield stopped
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
