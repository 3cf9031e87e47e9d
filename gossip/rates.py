"""How fast one author may push: a token bucket each, for the authors last seen."""

from tastemesh.gossip.limits import Limits


class AuthorRates:
    """Token buckets keyed by author, at most `Limits.author_bucket_count`, least recent out first.

    An author who comes back after being forgotten starts with a full bucket: with 8,192 buckets he
    needs as many other *signing* identities in between, and those pay a verification each.

    Args:
        limits: rate, burst and bucket count are used.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buckets: dict[bytes, tuple[float, int]] = {}  # tokens left, as of this monotonic ms

    def allow(self, author: bytes, now_ms: int) -> bool:
        """Take a token of this author's; False if there is none."""
        limits = self._limits
        tokens, since_ms = self._buckets.pop(author, (float(limits.author_burst_count), now_ms))
        tokens += (now_ms - since_ms) * limits.author_rate_per_s / 1000
        tokens = min(tokens, float(limits.author_burst_count))
        allowed = tokens >= 1.0
        self._buckets[author] = (tokens - 1.0 if allowed else tokens, now_ms)
        if len(self._buckets) > limits.author_bucket_count:
            del self._buckets[next(iter(self._buckets))]
        return allowed
