"""SIGTERM and SIGINT as an event to wait for."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_event() -> Iterator[asyncio.Event]:
    """Give an event that the first stop signal sets.

    The same signal again has its usual effect: whoever presses Ctrl-C twice means it.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        stopped.set()
        loop.remove_signal_handler(number)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield stopped
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
