"""The censorship meter: what each broker did not deliver although others did.

A record that another broker pushed and that this one, connected all the while, has still not pushed
a minute later is *missing* on it. Relaying (`tastemesh.gossip.relay`) sees to it that an honest
broker gets every record, so a broker's share of missing records is its links' loss. With a single
broker what reconciliation brought stands for the others; there an author who could not reach the
broker looks as if it withheld him.

An author is named whose missing records what the broker does to all others does not explain. Losses
are no coin tosses: an author's line, or one bad minute, strikes several of his records together. So
the number missing among n of an author's is taken for beta-binomial, with the mean share p and the
correlation rho of two records of one author as the other authors show them there:

    E[m / n] = p        E[m (m - 1) / (n (n - 1))] = p^2 + rho p (1 - p)

both pooled over authors (the moment estimator; Kleinman 1973, *JASA* 68, p. 46). Authors of whom
nothing at all came are left out of that, so that two who are withheld do not excuse each other. One
is named if the probability of so many, times the number of authors looked at (Bonferroni), is below
`NAMED_PROBABILITY`. What it says is local and told to nobody: it is this node's experience of its
own brokers, and an accusation that travels would be a weapon.

Source: p2p research, section 4 (coverage per broker).
"""

import math

import msgspec

# An author is named by mistake once in a thousand looks at a broker (guess: a person reads it).
NAMED_PROBABILITY = 1e-3

# Records of an author that a broker had to deliver before anything is said of him: at fewer, no
# loss worth the name can be told from censorship.
_LEAST_COUNT = 4

# A broker's loss is never taken for smaller than this, so that two records lost by chance on a
# perfect line name nobody; it equals one in fifty. Nor is the correlation, of which few records say
# little: it is a guess, held with the weight of so many pairs of records of one author.
_LEAST_LOSS = 0.02
_LEAST_CORRELATION = 0.02
_PRIOR_PAIRS = 20.0

# Authors counted per broker, least recently heard out first: 4,096 of about 150 bytes.
_AUTHOR_COUNT = 4_096

# Counts are halved when they come to these, so the past fades: about six hours of an author who
# records ten things an hour, and some minutes of a busy broker.
_AUTHOR_FADE = 64
_BROKER_FADE = 16_384


class BrokerReport(msgspec.Struct, frozen=True):
    """What this node has seen of one broker.

    Attributes:
        connected: whether the connection stands.
        expected: records that it had to deliver, lately.
        coverage: share of these that it did deliver, or None where there were none.
        lateness_ms: mean delay behind the first copy of what it delivered, or None.
        replayed: old records that it delivered again; a count.
        withheld: ids of the authors that it seems to withhold, most records missing first.
    """

    connected: bool
    expected: int
    coverage: float | None
    lateness_ms: float | None
    replayed: int
    withheld: tuple[bytes, ...]


class _Tally(msgspec.Struct, gc=False):
    expected: int = 0
    missing: int = 0

    @property
    def is_bare(self) -> bool:
        """Whether so many were to come, and none did."""
        return self.missing == self.expected >= _LEAST_COUNT

    def count(self, missing: bool, fade: int) -> None:
        if self.expected >= fade:
            self.expected //= 2
            self.missing //= 2
        self.expected += 1
        self.missing += missing


class Meter:
    """What one broker owed and delivered."""

    __slots__ = ("_all", "_authors", "_late_count", "_late_ms", "replayed")

    def __init__(self) -> None:
        self._all = _Tally()
        self._authors: dict[bytes, _Tally] = {}
        self._late_count = 0
        self._late_ms = 0
        self.replayed = 0

    def judge(self, author: bytes, delivered: bool) -> None:
        """Count a record that this broker had to deliver."""
        self._all.count(not delivered, _BROKER_FADE)
        tally = self._authors.pop(author, None) or _Tally()
        self._authors[author] = tally  # the most recent stands last
        tally.count(not delivered, _AUTHOR_FADE)
        if len(self._authors) > _AUTHOR_COUNT:
            del self._authors[next(iter(self._authors))]

    def time(self, late_ms: int) -> None:
        """Count how far behind the first copy this broker's came."""
        if self._late_count >= _BROKER_FADE:
            self._late_count //= 2
            self._late_ms //= 2
        self._late_count += 1
        self._late_ms += late_ms

    def withheld(self) -> tuple[bytes, ...]:
        """Return the authors whom chance does not explain, most records missing first."""
        looked_at = [(a, t) for a, t in self._authors.items() if t.expected >= _LEAST_COUNT]
        suspects = [each for each in looked_at if each[1].missing]
        if not suspects:
            return ()
        null = _Null()
        for tally in self._authors.values():
            if not tally.is_bare:
                null.take(tally, 1)
        named: list[tuple[int, bytes]] = []
        for author, tally in suspects:
            if not tally.is_bare:
                null.take(tally, -1)  # himself apart
            chance = null.tail(tally.missing, tally.expected, NAMED_PROBABILITY / len(looked_at))
            if not tally.is_bare:
                null.take(tally, 1)
            if chance * len(looked_at) < NAMED_PROBABILITY:
                named.append((-tally.missing, author))
        return tuple(author for _, author in sorted(named))

    def report(self, connected: bool) -> BrokerReport:
        """Return what is to be said of the broker."""
        expected = self._all.expected
        return BrokerReport(
            connected,
            expected,
            1.0 - self._all.missing / expected if expected else None,
            self._late_ms / self._late_count if self._late_count else None,
            self.replayed,
            self.withheld(),
        )


class _Null(msgspec.Struct):
    """What a broker does to authors in general, as sums over authors."""

    expected: int = 0
    missing: int = 0
    pairs: int = 0
    missing_pairs: int = 0

    def take(self, tally: _Tally, sign: int) -> None:
        """Take an author into the sums, or, at a sign of -1, out of them."""
        self.expected += sign * tally.expected
        self.missing += sign * tally.missing
        self.pairs += sign * tally.expected * (tally.expected - 1)
        self.missing_pairs += sign * tally.missing * (tally.missing - 1)

    def tail(self, at_least: int, count: int, least: float) -> float:
        """Return P(X >= at_least) for X beta-binomial(count, p, rho).

        Or a part of it that is above `least`: of nearly all authors one term is, and all terms of
        4,096 authors would take half a second.
        """
        p = min(0.99, max(_LEAST_LOSS, (self.missing + 1) / (self.expected + 2)))
        spread = p * (1.0 - p)
        prior = _PRIOR_PAIRS * (p * p + _LEAST_CORRELATION * spread)
        together = (self.missing_pairs + prior) / (self.pairs + _PRIOR_PAIRS)
        rho = min(0.99, max(_LEAST_CORRELATION, (together - p * p) / spread))
        alpha, beta = p * (1.0 - rho) / rho, (1.0 - p) * (1.0 - rho) / rho
        whole = math.lgamma(count + 1) - _log_beta(alpha, beta)
        reached = 0.0
        for hits in range(at_least, count + 1):
            reached += math.exp(
                whole
                - math.lgamma(hits + 1)
                - math.lgamma(count - hits + 1)
                + _log_beta(hits + alpha, count - hits + beta)
            )
            if reached > least:
                break
        return reached


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
