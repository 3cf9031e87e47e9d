"""When records have aged out: at the window's age, but only as fast as time can have passed.

A clock that is wrong by months, as of a machine without a battery or after a slip of an operator's
hand, would have a node throw its whole window away, its own people's past included, before anybody
notices. So the date before which records leave follows the clock at `PACE` times the speed of time
at most. A clock that is ahead for ten minutes costs the ten oldest hours at most; a node that was
away for two months has let go of what aged meanwhile a day after its return. Until then such
records are held and listed, and offered to nobody (`tastemesh.gossip.itemset`). What lies more than
a window's age before all that is held takes no time: a node that was started in 1970, as one
without a battery is, would else let go of nothing for a year.
"""

# An hour a minute (guess): half an hour in which nobody sets the clock right costs a day or so of
# the window's 30, and what has aged rightly is gone soon enough that disk and lists are the same.
PACE = 60


class Horizon:
    """The date before which records leave.

    Args:
        age_ms: of the window.
    """

    def __init__(self, age_ms: int) -> None:
        self._age_ms = age_ms
        self._at_ms: int | None = None
        self._seen_ms = 0

    def advance(self, now_ms: int, wall_ms: int, oldest_ms: int | None) -> int:
        """Return the date, milliseconds since 1970; it may fall where the clock is set back.

        Args:
            now_ms: monotonic time.
            wall_ms: wall clock.
            oldest_ms: date of the oldest record held, None where there is none. The first time,
                nothing is older than this date: how long a node was away only the clock could say.
        """
        reached_ms = wall_ms - self._age_ms
        if self._at_ms is None:
            limit_ms = reached_ms if oldest_ms is None else oldest_ms
        else:
            limit_ms = self._at_ms + PACE * (now_ms - self._seen_ms)
            if oldest_ms is not None:
                limit_ms = max(limit_ms, oldest_ms - self._age_ms)
        self._at_ms, self._seen_ms = min(reached_ms, limit_ms), now_ms
        return self._at_ms
