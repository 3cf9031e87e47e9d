"""The censorship meter: what each broker did not deliver although others did.

A record that came by some way and that a broker, connected all the while, has still not pushed a
minute later is *missing* on that broker. Relaying (`tastemesh.gossip.relay`) sees to it that an
honest broker gets every record, so a broker's share of missing records is its links' loss. An
author of whom so much is missing that this loss cannot explain it is named: the probability of the
count under the loss that all other authors show there, times the number of authors looked at
(Bonferroni), is below `NAMED_PROBABILITY`. What it says is local and told to nobody: it is this
node's experience of its own brokers, and an accusation that travels would be a weapon.

Sources: p2p research, section 4 (coverage per broker); the test is the binomial tail.
"""

import math

import msgspec

# An author is named by mistake once in a thousand looks at a broker (guess: a person reads it).
NAMED_PROBABILITY = 1e-3

# Records of an author that a broker had to deliver before anything is said of him: at fewer, no
# loss worth the name can be told from censorship.
_LEAST_COUNT = 4

# A broker's loss is never taken for smaller than this, so that two records lost by chance on a
# perfect line name nobody; it equals one in fifty.
_LEAST_LOSS = 0.02

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


class _Tally(msgspec.Struct):
    expected: int = 0
    missing: int = 0

    def count(self, missing: bool, fade: int) -> None:
        if self.expected >= fade:
            self.expected //= 2
            self.missing //= 2
        self.expected += 1
        self.missing += missing


class Meter:
    """What one broker owed and delivered."""

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
        named: list[tuple[int, bytes]] = []
        for author, tally in looked_at:
            others = self._all.expected - tally.expected
            loss = max(_LEAST_LOSS, (self._all.missing - tally.missing + 1) / (others + 2))
            chance = _tail(tally.missing, tally.expected, min(loss, 0.99))
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


def _tail(at_least: int, count: int, probability: float) -> float:
    """Return P(X >= at_least) for X binomial(count, probability), probability in (0, 1)."""
    total = 0.0
    for hits in range(at_least, count + 1):
        total += math.exp(
            math.lgamma(count + 1)
            - math.lgamma(hits + 1)
            - math.lgamma(count - hits + 1)
            + hits * math.log(probability)
            + (count - hits) * math.log1p(-probability)
        )
    return total
