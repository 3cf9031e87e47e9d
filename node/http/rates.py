"""How fast one client may ask: token buckets, one for each address with the token and without.

The API shares its event loop with gossip: a client that runs wild must not starve it. Those without
the token have a bucket of their own, so that they cannot lock out who has it.
"""

import math
import time
from collections.abc import Callable

import msgspec

from tastemesh.errors import UsageError

# Clients remembered, the least recently heard forgotten first; whoever comes back starts afresh.
# On loopback there is one; behind a host application, its services or users.
CLIENT_COUNT = 1_024


# Requests a second with the token, for long: at 7 ms for a list that tells its reasons (measured)
# most of a core; a client that waits for each commit does not reach it.
REQUESTS_PER_S = 100
REQUESTS_PER_S_MAX = 100_000  # more than any node answers: who wants no bound sets this
_BURST_S = 10.0  # seconds' worth at once: an import of 64,000 plays


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one client may do.

    Attributes:
        known_per_s: requests a second with the token, for long.
        known_burst: requests at once with the token.
        unknown_per_s: without the token, 20: a page, a probe, a collector of metrics (guess).
        unknown_burst: 200 at once: the dashboard, reloaded a dozen times (guess).
    """

    known_per_s: float = REQUESTS_PER_S
    known_burst: int = round(_BURST_S * REQUESTS_PER_S)
    unknown_per_s: float = 20.0
    unknown_burst: int = 200

    @classmethod
    def of(cls, requests_per_s: int) -> "RateLimits":
        """Return what clients may do where so many requests a second are let in for long.

        Args:
            requests_per_s: with the token, 1 to `REQUESTS_PER_S_MAX`.

        Raises:
            UsageError: it is no such number.
        """
        if type(requests_per_s) is not int or not 1 <= requests_per_s <= REQUESTS_PER_S_MAX:
            raise UsageError(
                f"requests_per_s is {requests_per_s!r}; expected 1 to {REQUESTS_PER_S_MAX}"
            )
        return cls(known_per_s=requests_per_s, known_burst=round(_BURST_S * requests_per_s))


class Rates:
    """Counts requests by client.

    Args:
        limits: what one client may do.
        now_s: monotonic clock, seconds.
    """

    def __init__(
        self, limits: RateLimits | None = None, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits or RateLimits()
        self._now_s = now_s
        self._buckets: dict[tuple[str, bool], tuple[float, float]] = {}  # tokens, when

    def take(self, client: str, *, known: bool) -> int:
        """Count one request.

        Args:
            client: its address.
            known: whether it has the token.

        Returns:
            0 if it may pass, else the seconds after which one may.
        """
        limits = self._limits
        per_s = limits.known_per_s if known else limits.unknown_per_s
        burst = limits.known_burst if known else limits.unknown_burst
        now_s = self._now_s()
        tokens, seen_s = self._buckets.pop((client, known), (float(burst), now_s))
        tokens = min(burst, tokens + (now_s - seen_s) * per_s)
        granted = tokens >= 1.0
        self._buckets[client, known] = (tokens - granted, now_s)
        if len(self._buckets) > CLIENT_COUNT:
            del self._buckets[next(iter(self._buckets))]
        return 0 if granted else max(1, math.ceil((1.0 - tokens) / per_s))
