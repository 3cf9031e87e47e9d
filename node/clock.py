"""The only place where a clock is read, and where one that was set is noticed."""

import time
from typing import Protocol

import structlog

_log = structlog.get_logger(__name__)

# A wall clock that leaves the monotonic one by more than this in one look was set, or the machine
# slept: as much as a record may be dated ahead (`Limits.skew_ms`), so less than that harms nobody.
STEP_MS = 120_000


class Clock(Protocol):
    """What a driver needs to know of time."""

    def now_ms(self) -> int:
        """Return monotonic milliseconds."""
        ...

    def wall_ms(self) -> int:
        """Return milliseconds since 1970; may step in either direction."""
        ...


def elapsed_s() -> float:
    """Return seconds since some moment, as finely as this machine counts them: for durations."""
    return time.perf_counter()


class SystemClock:
    """This machine's clocks."""

    def now_ms(self) -> int:
        """Return monotonic milliseconds."""
        return time.monotonic_ns() // 1_000_000

    def wall_ms(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // 1_000_000


class StepWatch:
    """Another clock, watched for its being set forwards or back.

    Args:
        clock: the one to read.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lead_ms = clock.wall_ms() - clock.now_ms()
        self.step_count = 0
        self.last_step_s = 0.0

    def now_ms(self) -> int:
        """Return monotonic milliseconds."""
        return self._clock.now_ms()

    def wall_ms(self) -> int:
        """Return milliseconds since 1970, and note a step since the last time."""
        wall_ms = self._clock.wall_ms()
        lead_ms = wall_ms - self._clock.now_ms()
        step_ms, self._lead_ms = lead_ms - self._lead_ms, lead_ms
        if abs(step_ms) > STEP_MS:
            self.step_count += 1
            self.last_step_s = step_ms / 1000
            _log.warning("the clock was set, or the machine slept", step_s=self.last_step_s)
        return wall_ms
