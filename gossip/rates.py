"""How fast one author's records come in, and how many signatures are checked: token buckets."""


class AuthorRates:
    """Token buckets keyed by author, so many at most, least recent out first.

    An author who comes back after being forgotten starts with a full bucket: with 8,192 buckets he
    needs as many other *signing* identities in between, and those pay a verification each.

    Args:
        rate_per_s: records a second that an author may have for long.
        burst_count: records that he may have at once.
        bucket_count: authors who are remembered.
    """

    __slots__ = ("_bucket_count", "_buckets", "_full", "_rate_per_ms")

    def __init__(self, rate_per_s: float, burst_count: int, bucket_count: int) -> None:
        self._full = float(burst_count)
        self._rate_per_ms = rate_per_s / 1000
        self._bucket_count = bucket_count
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
        """Return how many tokens this author has, taking none; below 1 they come too fast.

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

    __slots__ = ("_at_ms", "_full", "_owed", "_rate_per_ms", "_tokens")

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

    def take(self, count: int, now_ms: int) -> bool:
        """Take so many tokens; False if there are fewer, and then none is taken."""
        if self.tokens(now_ms) < count:
            return False
        self._tokens -= count
        return True

    def give_back(self, count: int) -> None:
        """Put back tokens that were taken."""
        self._tokens = min(self._full, self._tokens + count)

    def spend(self, tokens: float, now_ms: int) -> None:
        """Take tokens, whether they are there or not."""
        self._tokens = max(-self._owed, self.tokens(now_ms) - tokens)
