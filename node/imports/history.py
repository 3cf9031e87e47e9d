"""Listens, and what they come to: an interaction an item, the newest that the window can hold."""

import math
from collections import Counter
from collections.abc import Iterable

import msgspec

from tastemesh.errors import DataError
from tastemesh.gossip.record import WEIGHT_SCALE
from tastemesh.node.plays import Play

_LEAST_WEIGHT = 1 / WEIGHT_SCALE
_EXAMPLES_KEPT = 5  # bad entries shown; enough to see what is wrong with a file


class Listen(msgspec.Struct, frozen=True):
    """One entry of a history.

    Attributes:
        item: normalised id.
        time_s: when, seconds since 1970; None if nothing says so.
        weight: how much it counts, above 0; 1 for a listen.
    """

    item: str
    time_s: int | None
    weight: float = 1.0


class Reading:
    """What a reader left out, and whether it goes on past what it cannot read.

    Args:
        skip_bad: count bad entries instead of raising on the first one.
    """

    def __init__(self, *, skip_bad: bool = False) -> None:
        self._skip_bad = skip_bad
        self.left_out: Counter[str] = Counter()
        """Entries that were understood and do not count, by reason."""
        self.bad_count = 0
        self.examples: list[str] = []
        """The first bad entries."""

    def fault(self, path: str, line: int, problem: str) -> None:
        """Refuse an entry.

        Raises:
            DataError: unless bad entries are skipped.
        """
        error = DataError(path, line, problem)
        if not self._skip_bad:
            raise error
        self.bad_count += 1
        if len(self.examples) < _EXAMPLES_KEPT:
            self.examples.append(str(error))


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A history as it would be recorded.

    Attributes:
        plays: one an item, newest first.
        listen_count: entries that went into the history.
        item_count: distinct items among them.
        older_count: items for which the window has no room, all of them older than `plays`.
        first_s: date of the oldest listen, seconds since 1970; 0 if there is none.
        last_s: date of the newest one.
    """

    plays: tuple[Play, ...]
    listen_count: int
    item_count: int
    older_count: int
    first_s: int
    last_s: int


def summarise(
    listens: Iterable[Listen], reading: Reading, *, kind: str, item_limit: int, now_s: int
) -> Summary:
    """Fold a history into one interaction an item.

    Its date is that of the last listen. Its weight grows with the logarithm of the number of
    listens, as implicit feedback is damped (Hu, Koren and Volinsky 2008, section 4): the
    hundredth listen says less than the second.

    Args:
        listens: in any order; those without a date are of now.
        reading: takes what does not count.
        kind: of the interactions.
        item_limit: items kept, the last listened to; an author's quota in the window.
        now_s: seconds since 1970.
    """
    played: dict[str, tuple[float, int]] = {}
    undated: set[str] = set()  # a date of now would make them new each time
    count, first_s, last_s = 0, 0, 0
    for listen in listens:
        time_s = now_s if listen.time_s is None else listen.time_s
        if listen.time_s is None:
            undated.add(listen.item)
        if not 0 < time_s <= now_s:
            reading.left_out["dated before 1970 or in the future"] += 1
            continue
        weight, latest_s = played.get(listen.item, (0.0, 0))
        played[listen.item] = (weight + listen.weight, max(latest_s, time_s))
        first_s = min(first_s, time_s) if count else time_s
        last_s = max(last_s, time_s)
        count += 1
    newest = sorted(played.items(), key=lambda entry: (-entry[1][1], entry[0]))[:item_limit]
    heaviest = max((weight for _, (weight, _) in newest), default=1.0)
    plays = tuple(
        Play(
            item=item,
            kind=kind,
            weight=max(_LEAST_WEIGHT, math.log1p(weight) / math.log1p(heaviest)),
            time_s=None if item in undated else float(time_s),
        )
        for item, (weight, time_s) in newest
    )
    return Summary(
        plays=plays,
        listen_count=count,
        item_count=len(played),
        older_count=len(played) - len(plays),
        first_s=first_s,
        last_s=last_s,
    )
