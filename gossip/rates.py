"""How fast one author may push, and how many signatures of strangers are checked: token buckets."""

from tastemesh.gossip.limits import Limits


class AuthorRates:
    """Token buckets keyed by author, at most `Limits.author_bucket_count`, least recent out first.

    An author who comes back after being forgotten starts with a full bucket: with 8,192 buckets he
    needs as many other *signing* identities in between, and those pay a verification each.

    Args:
        limits: rate, burst and bucket count are used.
    """

    def __init__(self, limits: Limits) -> None:
        self._full = float(limits.author_burst_count)
        self._rate_per_ms = limits.author_rate_per_s / 1000
        self._bucket_count = limits.author_bucket_count
        self._buckets: dict[bytes, tuple[float, int]] = {}  # tokens left, as of this monotonic ms

    def spend(self, author: bytes, tokens: float, now_ms: int) -> None:
        """Take a token for a record that this author really signed.

        Args:
            author: who.
            tokens: what `tokens` returned for him at this moment.
            now_ms: monotonic time.
        """
        buckets = self._buckets
        buckets.pop(author, None)
        buckets[author] = (tokens - 1.0, now_ms)
        if len(buckets) > self._bucket_count:
            del buckets[next(iter(buckets))]

    def tokens(self, author: bytes, now_ms: int) -> float:
        """Return how many tokens this author has, taking none; below 1 he pushes too fast.

        It may be asked before it is known who signed: nobody can spend another's tokens.
        """
        bucket = self._buckets.get(author)
        if bucket is None:
            return self._full
        return min(self._full, bucket[0] + (now_ms - bucket[1]) * self._rate_per_ms)


class Bucket:
    """A token bucket: earned by the second, saved up to a bound, owed down to another.

    Args:
        rate_per_s: tokens earned in a second, 0 and up.
        full: tokens saved at most, and held at first.
        owed: tokens that may be owed; spending past it is forgiven.
    """

    def __init__(self, rate_per_s: float, full: float, owed: float = 0.0) -> None:
        self._rate_per_ms = rate_per_s / 1000
        self._full = full
        self._owed = owed
        self._tokens = full
        self._at_ms = 0

    def tokens(self, now_ms: int) -> float:
        """Return what is there now, below 0 if it is owed."""
        self._tokens = min(self._full, self._tokens + (now_ms - self._at_ms) * self._rate_per_ms)
        self._at_ms = now_ms
        return self._tokens

    def take(self, now_ms: int) -> bool:
        """Take one token; False if there is none."""
        if self.tokens(now_ms) < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def spend(self, tokens: float, now_ms: int) -> None:
        """Take tokens, whether they are there or not."""
        self._tokens = max(-self._owed, self.tokens(now_ms) - tokens)
