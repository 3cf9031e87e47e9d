"""What a local user says, in the units of the application, and in those of the wire."""

from collections.abc import Iterable
from numbers import Real
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from tastemesh.errors import UsageError
from tastemesh.gossip.effects import Effect, Persist
from tastemesh.gossip.identity import format_id, parse_id
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import WEIGHT_SCALE, Interaction

_T = TypeVar("_T")

# Who asks from another machine may have a clock that is ahead of the node's: as far as a record's
# may be (`Limits.skew_ms`), that is now.
_AHEAD_MS = Limits().skew_ms

# What the wire format allows, for schemas alone: the core checks it, and names it better.
ItemId = Annotated[
    str,
    Meta(
        description="opaque id, 1 to 256 bytes of UTF-8",
        extra_json_schema={
            "minLength": 1,
            "maxLength": 256,
            "pattern": r"^[^\u0000-\u001F\u007F-\u009F\uD800-\uDFFF]+$",
        },
    ),
]
Kind = Annotated[
    str,
    Meta(
        description="a word, such as listen, like, skip",
        extra_json_schema={"minLength": 1, "maxLength": 32, "pattern": "^[a-z0-9-]+$"},
    ),
]
Strength = Annotated[
    float,
    Meta(
        description="strength in (0, 1]",
        extra_json_schema={"exclusiveMinimum": 0, "maximum": 1},
    ),
]
PastTime = Annotated[
    float | None,
    Meta(description="when, seconds since 1970; null for now", extra_json_schema={"minimum": 0}),
]


class _OfItem(msgspec.Struct, frozen=True):
    item: ItemId  # the one field that a `Play` takes by its place


class Play(_OfItem, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something a local user did, for `Node.record_many`; takes what `Node.record` takes.

    Attributes:
        item: opaque id, 1 to 256 bytes of UTF-8, no control characters.
        kind: a word; `skip` and `dislike` say "not for me", all others that he holds the item.
        weight: strength in (0, 1].
        time_s: when, seconds since 1970; None for now, and up to 120 s ahead is taken for it.
    """

    kind: Kind = "listen"
    weight: Strength = 1.0
    time_s: PastTime = None


def check_text(name: str, value: object) -> None:
    """Check that a value from an application is text at all; the core checks what it says.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(value, str):
        raise UsageError(f"{name} is {value!r}; expected text")


def as_id(name: str, text: str) -> bytes:
    """Return the id of a peer or a record that 64 hex digits spell.

    Raises:
        UsageError: it is something else.
    """
    check_text(name, text)
    try:
        return parse_id(text)
    except UsageError:
        raise UsageError(f"{name} {text!r} is not 64 hex digits") from None


def as_units(weight: float, low: float, high: float) -> int:
    """Return a weight as the wire has it, in units of 1 / `WEIGHT_SCALE`.

    Raises:
        UsageError: it is no number, not within [low, high], or so small that it would be 0, which
            withdraws an endorsement.
    """
    if not isinstance(weight, Real):
        raise UsageError(f"weight is {weight!r}; expected a number, {low:g} to {high:g}")
    if not low <= weight <= high:  # also refuses NaN
        raise UsageError(f"weight is {weight}; expected {low:g} to {high:g}")
    units = round(weight * WEIGHT_SCALE)
    if weight and not units:
        raise UsageError(f"weight is {weight}; expected at least {1 / WEIGHT_SCALE} of either sign")
    return units


def check_flag(name: str, value: object) -> None:
    """Check that a value is a yes or a no: nothing is published, or lost, for one that is unclear.

    Raises:
        UsageError: it is neither True nor False.
    """
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {value!r}; expected True or False")


def several(name: str, values: Iterable[_T], things: str) -> list[_T]:
    """Return several things from an application as a list; one text would be a thing a letter.

    Args:
        name: of the argument, for the message.
        values: to be looked at.
        things: what there is to be several of, for the message.

    Raises:
        UsageError: it is one text, or nothing that there can be several of.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise UsageError(f"{name} is {values!r}; expected several {things}, as a list")
    return list(values)


def as_interaction(play: Play, wall_ms: int, ahead_ms: int = _AHEAD_MS) -> Interaction:
    """Return a play as the statement that is signed at `wall_ms`.

    Args:
        play: what was done.
        wall_ms: wall clock.
        ahead_ms: how far ahead of it a play may be, at least 0; it is one of now then.

    Raises:
        UsageError: a value is of another type, or its weight or time is out of range.
    """
    if not isinstance(play, Play):
        raise UsageError(f"{play!r} is no tastemesh.Play")
    check_text("item", play.item)
    check_text("kind", play.kind)
    units = as_units(play.weight, 0.0, 1.0)
    if units == 0:
        raise UsageError(f"weight is {play.weight}; expected above 0, to 1")
    item, kind = map(str.__str__, (play.item, play.kind))  # only str itself can be encoded
    if play.time_s is None:
        return Interaction(item, kind, units)
    if not isinstance(play.time_s, Real):
        raise UsageError(f"time_s is {play.time_s!r}; expected seconds since 1970")
    if not 0 <= play.time_s * 1000 < wall_ms + ahead_ms + 1:  # a clock's seconds are finer than ms
        raise UsageError(f"time_s is {play.time_s}; expected seconds since 1970, not the future")
    return Interaction(item, kind, units, max(0, wall_ms - int(play.time_s * 1000)))


def record_ids(done: list[Effect]) -> list[str]:
    """Return the ids of the records that some effects commit, as hex."""
    return [format_id(each.record.id) for each in done if isinstance(each, Persist)]
