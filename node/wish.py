"""What an application may say of a list beside whose it is and how long: which items, like what."""

from collections.abc import Iterable
from typing import TypedDict

import msgspec

from tastemesh.errors import UsageError
from tastemesh.node.plays import check_text, several

# Ids in one call, each looked up while nothing else has its turn: some 2 ms (measured).
ITEM_COUNT = 10_000

# Items that a list may be like: of more, evidence would leave some out
# (`tastemesh.ranking.evidence.FEATURE_LIMIT`, which a client does not load).
LIKE_COUNT = 64


class Wishes(TypedDict, total=False):
    """What may be wished of a list, as arguments.

    Attributes:
        candidates: the only items that may be listed, what is in stock say; at most 10,000. None
            for all. A list of candidates is them ranked, without those that nothing speaks for.
        exclude: items that are not listed, what was shown already say; at most 10,000. None for
            none.
        like: rank as if the user held just these, each as much as the other: what goes with an
            item, or with what a visitor looked at; at most 64. Whom he trusts decides as ever. They
            are not listed. Empty, or None, for what he holds.
    """

    candidates: Iterable[str] | None
    exclude: Iterable[str] | None
    like: Iterable[str] | None


class Wish(msgspec.Struct, frozen=True):
    """`Wishes`, checked."""

    candidates: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()
    like: frozenset[str] = frozenset()


ANY = Wish()
"""Nothing is wished."""


def wished(wishes: Wishes) -> Wish:
    """Check what an application wishes.

    Raises:
        TypeError: there is no such wish.
        UsageError: one is no collection of texts, or has too many.
    """
    known = Wish.__struct_fields__
    for name in wishes:
        if name not in known:
            raise TypeError(f"unknown argument {name!r}; expected {', '.join(known)}")
    candidates = wishes.get("candidates")
    return Wish(
        None if candidates is None else _items("candidates", candidates, ITEM_COUNT),
        _items("exclude", wishes.get("exclude"), ITEM_COUNT),
        _items("like", wishes.get("like"), LIKE_COUNT),
    )


def _items(name: str, items: Iterable[str] | None, most: int) -> frozenset[str]:
    found = several(name, () if items is None else items, "items")
    if len(found) > most:  # before they are looked at: in a body there can be 300,000
        raise UsageError(f"{name} has {len(found)} items; expected at most {most}")
    for item in found:
        check_text(f"an item of {name}", item)
    try:
        "".join(found).encode()
    except UnicodeEncodeError:
        raise UsageError(f"an item of {name} is not valid UTF-8") from None
    return frozenset(found)
