"""Which shards a node reads, so that what comes in is bounded whatever the network's size.

A small network is read whole. Once what was pushed in a period exceeds the node's budget, it reads
the shards of those whom trust reaches, the most populous first and then those of its own users, who
may have other devices, for at most three quarters of the budget, and fills the rest with shards
drawn at random; the draw changes every few periods, so a node gets to see everybody in the course
of time and a broker cannot tell from one subscription whose taste is wanted (p2p research,
section 4). Presence is read by the same rule without contacts.

One shard is read whatever it costs, unless it is dear beside the others. Where it leaves no room
for another, time is shared instead of bytes: three draws in four the contacts' come first, and one
in four the one drawn.

Rates are measured where a shard is read and assumed to be their mean where it is not: ids are
hashes, so shards are alike, unless somebody grinds ids into one or floods it. That is remembered
for long: it is left out when it has been read once, and keeps nobody from the others.

Whoever comes into a large network hears a minute's worth of presence in a second, and a crowd that
starts at one moment says at once what it has. So a period whose budget is used up
may be ended early, though only one in a row: the next one lasts. What a burst suggests is believed
for that next one only: rates are taken from periods that ran. What is remembered of it is a shard
that alone brought more than a period may: so much it costs in a minute that ends here.

Rates are added up by `fsum`, which rounds once: `sum` rounds otherwise from Python 3.12 on, and one
seed gives one trace under any.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from hashlib import sha256
from math import fsum

import msgspec

from tastemesh.gossip.topics import ALL_SHARDS, SHARD_COUNT

# Of the budget; the rest goes to shards drawn at random, which find new contacts (guess). Where not
# both fit, one draw in so many begins with a random one: the same share.
_CONTACT_SHARE = 0.75
_EXPLORING_DRAWS = 4

# Of the budget; left free when shards are added, so that a minute's noise drops none of them again:
# each change brings a history to catch up with (guess).
_SLACK_SHARE = 0.2

# Periods after which the random shards change: ten minutes at the default period (guess). Records
# of shards that are no longer read stay in the window until they age.
_ROTATION_PERIODS = 10

# Weight of the newest period in a shard's rate: a minute's burst counts half (guess). One that is
# not read follows the mean of those that are with the same weight, as if it had been measured.
_NEWEST_WEIGHT = 0.5

# Unless it was dear when it was read last: then it goes so far towards the mean in a period. Half
# of what somebody floods it with is forgotten after a quarter of an hour (guess).
_DEAR_WEIGHT = 0.05

# At so many times the rate of the others, and of an equal share of the budget, a shard is *dear*
# and taken after all of them: it may fit and leave no room (guess).
_DEAR = 4.0

# The shortest time over which a burst is measured, and the rates that are remembered, unless whole
# periods are shorter (guess).
_LEAST_BURST_MS = 1_000
_LEAST_PERIOD_MS = 10_000

_NOTHING = bytes(8 * SHARD_COUNT)  # as numbers: arrays are small, and lie in one place

_EVERY_SHARD = tuple(range(SHARD_COUNT))
_OCTETS = [bytes([shard]) for shard in _EVERY_SHARD]


def mask_of(shards: Iterable[int]) -> int:
    """Return the 64-bit mask of these shards; bit s stands for shard s."""
    mask = 0
    for shard in shards:
        mask |= 1 << shard
    return mask


def _shards_of(mask: int) -> list[int]:
    return [shard for shard in _EVERY_SHARD if mask >> shard & 1]


def _parted(order: list[int], first: Set[int]) -> list[int]:
    """Return these shards with those that come first before all others, else in the same order."""
    others = [shard for shard in order if shard not in first]
    return [shard for shard in order if shard in first] + others if others else order


class _Prices(msgspec.Struct, frozen=True, gc=False):
    """What shards cost, bytes a second.

    Attributes:
        expected: the rate to expect of each.
        least: the smallest of these.
        dear_rate: above it, a shard is dear.
        kept: the shards of a choice that stands; others would be added with their history.
    """

    expected: list[float]
    least: float
    dear_rate: float
    kept: Set[int]


class Interest:
    """The shards that one node reads of one kind of topic.

    Args:
        bytes_per_s: how much may come in.
        period_ms: how often the choice is made anew, as a rule; above 0.
        seed: keys the random draw; unforeseeable to others, or they would know where to be.
        burst_periods: for how many periods' budget a burst may be taken in, 1 and up.
    """

    __slots__ = (
        "_began_ms", "_bytes_per_s", "_contacts", "_drawn", "_ended_early", "_exploring_turn",
        "_heard_bytes", "_known", "_left_bytes", "_period_bytes", "_period_ms", "_rates", "_read",
        "_rotated_ms", "_rotation", "_seed", "_since_ms", "_wanted", "mask", "rotation_ms",
    )  # fmt: skip

    def __init__(
        self, bytes_per_s: float, period_ms: int, seed: bytes, burst_periods: float = 1.0
    ) -> None:
        self._bytes_per_s = bytes_per_s
        self._period_ms = period_ms
        self._period_bytes = bytes_per_s * period_ms / 1000 * burst_periods
        self._left_bytes = self._period_bytes
        self._began_ms = 0
        self._ended_early = False
        self._seed = seed
        self._rotation = 0
        # Another draw for each node: where all explore at once, nobody would know a shard's past.
        self._exploring_turn = sha256(seed + b"turn").digest()[0] % _EXPLORING_DRAWS
        self._drawn = self._draw()
        self._rotated_ms = 0
        self.rotation_ms = _ROTATION_PERIODS * period_ms
        """How long a draw of random shards stands."""
        self._heard_bytes = array("q", _NOTHING)
        self._rates = array("d", _NOTHING)
        self._known = 0  # a mask: whose rate was measured
        self._contacts: Counter[int] = Counter()  # authors whom trust reaches, by shard
        self._wanted: list[int] = []
        self._since_ms = [0] * SHARD_COUNT
        self._read: Sequence[int] = _EVERY_SHARD  # what the mask says, in order
        self.mask = ALL_SHARDS

    def begin(self, now_ms: int) -> None:
        """Start the first period, at a moment of the monotonic clock.

        The first draw stands for a part of its time only, another part for each node: where all who
        came together drew anew together, nobody would be left who knows a shard's past.
        """
        self._began_ms = now_ms
        phase = int.from_bytes(sha256(self._seed + b"phase").digest()[:4], "big") / 2**32
        self._rotated_ms = now_ms - round(phase * self.rotation_ms)

    def hear(self, shard: int, size_bytes: int) -> bool:
        """Count what came in on a shard; True if the period's budget is used up and it ends now."""
        self._heard_bytes[shard] += size_bytes
        self._left_bytes -= size_bytes
        return self._left_bytes < 0.0 and not self._ended_early

    def reads(self, shard: int) -> bool:
        """Tell whether a shard is read now."""
        return bool(self.mask >> shard & 1)

    def read_since_ms(self, shard: int) -> int:
        """Return since when (monotonic) a shard is read; meaningless for one that is not."""
        return self._since_ms[shard]

    def move(self, gained: Iterable[int], lost: Iterable[int], own: Iterable[int]) -> None:
        """Tell of changes since; see `set_contacts`.

        Args:
            gained: shards of authors whom trust reaches now, once an author.
            lost: shards of those whom it does not reach any more.
            own: as for `set_contacts`.
        """
        self._contacts.update(gained)
        self._contacts.subtract(lost)
        self.set_contacts(self._contacts, own)

    def set_contacts(self, contacts: dict[int, int], own: Iterable[int] = ()) -> None:
        """Tell how many authors whom trust reaches each shard has; those without may be absent.

        Args:
            contacts: authors by shard, local ones among them.
            own: the shards of local authors; what they say on other devices comes second.
        """
        self._contacts = +Counter(contacts)
        by_count = sorted(self._contacts, key=lambda shard: (-self._contacts[shard], shard))
        own = frozenset(own)
        self._wanted = by_count[:1] + sorted(by_count[1:], key=lambda shard: shard not in own)

    def refresh(self, now_ms: int, *, early: bool = False) -> bool:
        """Choose anew at the end of a period; True if the choice has changed.

        Args:
            now_ms: monotonic time.
            early: the period ends because its budget is used up.
        """
        expected = self._expected(now_ms - self._began_ms, early)
        self._began_ms = now_ms
        self._ended_early = early
        self._left_bytes = self._period_bytes
        is_due = now_ms - self._rotated_ms >= self.rotation_ms
        is_new_draw = is_due or self.mask == ALL_SHARDS
        if is_due:
            self._rotation += 1
            self._rotated_ms = now_ms
            self._drawn = self._draw()
        before = self.mask
        slack = 0.0 if before == ALL_SHARDS else self._bytes_per_s * _SLACK_SHARE
        if fsum(expected) <= self._bytes_per_s - slack:
            self._read, self.mask = _EVERY_SHARD, ALL_SHARDS
        else:
            self._read = sorted(frozenset(self._choose(expected, is_new_draw)))
            self.mask = mask_of(self._read)
        added_mask = self.mask & ~before
        for shard in _shards_of(added_mask) if added_mask else ():
            self._since_ms[shard] = now_ms
        return self.mask != before

    def _choose(self, expected: list[float], is_new_draw: bool) -> list[int]:
        """Return the shards to read where not all fit: one at least, and more only if they fit."""
        budget, dear_rate = self._bytes_per_s, self._dear(expected)
        kept = frozenset(() if self.mask == ALL_SHARDS else self._read)
        prices = _Prices(expected, min(expected), dear_rate, kept)
        wanted, drawn = self._wanted, self._drawn
        if max(expected) > dear_rate:
            cheap = {shard for shard, rate in enumerate(expected) if rate <= dear_rate}
            wanted, drawn = _parted(wanted, cheap), _parted(drawn, cheap)
        contacts = self._add(wanted, [], prices, budget * (_CONTACT_SHARE + _SLACK_SHARE))
        taken = frozenset(contacts)
        others = [shard for shard in drawn if shard not in taken]
        if not is_new_draw:
            others = _parted(others, kept)
        chosen = self._add(others, contacts, prices, budget)
        explores = self._rotation % _EXPLORING_DRAWS == self._exploring_turn
        if chosen == contacts and explores:
            return self._add(wanted, others[:1], prices, budget)
        return chosen

    def _dear(self, rates: list[float]) -> float:
        """Return the rate above which a shard is dear, bytes a second; half of them are below."""
        return _DEAR * max(sorted(rates)[SHARD_COUNT // 2], self._bytes_per_s / SHARD_COUNT)

    def _add(self, order: list[int], taken: list[int], prices: _Prices, budget: float) -> list[int]:
        """Return what is taken and those in order that fit: slack is left where any is new.

        The first is taken in any case, unless it is dear: one that somebody floods is left out and
        keeps nobody from those behind it, whoever is in it.
        """
        expected, kept = prices.expected, prices.kept
        slack = self._bytes_per_s * _SLACK_SHARE
        chosen, has_new = taken.copy(), not kept >= frozenset(taken)
        left = budget - fsum([expected[shard] for shard in taken])
        for shard in order:
            is_new = has_new or shard not in kept
            rate = expected[shard]
            if rate > (left - slack if is_new else left) and (chosen or rate > prices.dear_rate):
                continue
            chosen.append(shard)
            has_new = is_new
            left -= rate
            if (left - slack if has_new else left) < prices.least:  # so no other fits
                break
        return chosen

    def _expected(self, period_ms: int, early: bool) -> list[float]:
        """Return the rate to expect of each shard, bytes a second, and forget what was heard."""
        if early:
            rates, known = self._burst(max(_LEAST_BURST_MS, period_ms))
        else:
            if period_ms >= min(_LEAST_PERIOD_MS, self._period_ms):
                self._measure(period_ms)
            rates, known = self._rates, self._known
        expected = list(rates)
        if known != ALL_SHARDS:
            measured = [rates[shard] for shard in _shards_of(known)]
            mean = fsum(measured) / len(measured) if measured else 0.0
            for shard in _shards_of(~known):
                expected[shard] = mean
        if early:
            self._remember_floods(expected)
        # All of it: what comes of a shard after it is left would else count when it is read again.
        self._heard_bytes = array("q", _NOTHING)
        return expected

    def _remember_floods(self, expected: list[float]) -> None:
        """Take what one shard alone used a period's budget up with for what it brings in a period.

        Otherwise who floods enough that every period ends early would never be found dear, and his
        shard be read again in each of them.
        """
        if not self._known:  # or all the others would be taken for as busy
            return
        dear = self._dear(expected)
        for shard, heard_bytes in enumerate(self._heard_bytes):
            rate = heard_bytes * 1000 / self._period_ms
            if rate > self._bytes_per_s and expected[shard] > dear:
                self._learn(shard, rate)

    def _learn(self, shard: int, newest: float) -> None:
        """Take a period's rate into a shard's."""
        old = self._rates[shard] if self._known >> shard & 1 else newest
        self._rates[shard] = old + _NEWEST_WEIGHT * (newest - old)
        self._known |= 1 << shard

    def _burst(self, period_ms: int) -> tuple[Sequence[float], int]:
        """Return the rates as of a period that ended early, and for which shards they are known.

        None is taken for quieter than half of the others: what used the budget up in a moment may
        be one message a shard, and silence says nothing then.
        """
        read = self._read
        heard = [self._heard_bytes[shard] * 1000 / period_ms for shard in read]
        median = sorted(heard)[len(heard) // 2]
        rates = self._rates.tolist()
        for shard, rate in zip(read, heard, strict=True):
            rates[shard] = max(rate, median)
        return rates, self._known | self.mask

    def _measure(self, period_ms: int) -> None:
        rates, heard_bytes = self._rates, self._heard_bytes
        if self.mask == self._known == ALL_SHARDS:  # as below, for a fifth
            measured = [
                old + _NEWEST_WEIGHT * (heard * 1000 / period_ms - old)
                for old, heard in zip(rates, heard_bytes, strict=True)
            ]
            self._rates = array("d", measured)
            return
        for shard in self._read:
            self._learn(shard, heard_bytes[shard] * 1000 / period_ms)
        read = frozenset(self._read)
        mean = fsum([rates[shard] for shard in self._read]) / len(read)
        dear_rate = _DEAR * max(mean, self._bytes_per_s / SHARD_COUNT)
        measured = [
            rate
            if shard in read
            else rate + (_DEAR_WEIGHT if rate > dear_rate else _NEWEST_WEIGHT) * (mean - rate)
            for shard, rate in enumerate(rates)
        ]
        self._rates = array("d", measured)

    def _draw(self) -> list[int]:
        """Return all shards in the random order of this rotation."""
        prefix = self._seed + self._rotation.to_bytes(8, "big")
        lots = [sha256(prefix + octet).digest() for octet in _OCTETS]
        return sorted(_EVERY_SHARD, key=lots.__getitem__)
