"""The only place where a clock is read."""

import time
from typing import Protocol


class Clock(Protocol):
    """What a driver needs to know of time."""

    def now_ms(self) -> int:
        """Return monotonic milliseconds."""
        ...

    def wall_ms(self) -> int:
        """Return milliseconds since 1970; may step in either direction."""
        ...


class SystemClock:
    """This machine's clocks."""

    def now_ms(self) -> int:
        """Return monotonic milliseconds."""
        return time.monotonic_ns() // 1_000_000

    def wall_ms(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // 1_000_000
