"""Statements held to the wire limits."""

import re
from collections.abc import Sequence

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.identity import ID_BYTES
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.record import (
    WEIGHT_SCALE,
    Endorsement,
    Forget,
    Interaction,
    Rotation,
    Statement,
)

MAX_EPOCH = 2**53 - 1  # what JSON readers hold without rounding
MAX_INT64 = 2**63 - 1

_CONTROL = re.compile("[\x00-\x1f\x7f]")
_KIND = re.compile("[a-z0-9-]+")
_INTERACTIONS_ONLY = {Interaction}


def check_statements(statements: Sequence[Statement], limits: Limits) -> bool:
    """Hold statements to the wire limits; tell whether all of them are interactions.

    Raises:
        RemoteProtocolError: with the reason; the detail says what was expected.
    """
    if len(statements) == 1:
        check_statement(statements[0], limits)
        return type(statements[0]) is Interaction
    is_plain = are_interactions(statements)
    if is_plain and _are_ordinary(statements, limits):  # type: ignore[arg-type] # told above
        return True
    for statement in statements:
        check_statement(statement, limits)
    return is_plain


def are_interactions(statements: Sequence[Statement]) -> bool:
    """Tell whether all of one or more statements are interactions."""
    return set(map(type, statements)) == _INTERACTIONS_ONLY


def _are_ordinary(said: Sequence[Interaction], limits: Limits) -> bool:
    """Tell whether interactions pass at a glance: a tenth of what looking at each would cost.

    Their ids are ASCII, as nearly all are; False for anything that has to be looked at.
    """
    items = [each.item for each in said]
    text = "".join(items)  # of ASCII, what cannot be printed is what is refused
    if not (text.isascii() and text.isprintable()):
        return False
    sizes = list(map(len, items))
    weights = [each.weight_q for each in said]
    ages_ms = [each.ago_ms for each in said]
    return (
        min(sizes) >= 1
        and max(sizes) <= limits.item_bytes
        and min(weights) >= 1
        and max(weights) <= WEIGHT_SCALE
        and min(ages_ms) >= 0
        and max(ages_ms) <= MAX_INT64
        and all(_is_kind(kind, limits) for kind in dict.fromkeys([each.kind for each in said]))
    )


def _is_kind(kind: str, limits: Limits) -> bool:
    return len(kind) <= limits.kind_chars and _KIND.fullmatch(kind) is not None


def check_statement(statement: Statement, limits: Limits) -> None:
    """Hold a statement to the wire limits.

    Raises:
        RemoteProtocolError: with the reason; the detail says what was expected.
    """
    if isinstance(statement, Interaction):
        item = statement.item
        size = len(item) if item.isascii() else _utf8_bytes(item)
        if not 1 <= size <= limits.item_bytes or _CONTROL.search(item):
            raise RemoteProtocolError(
                RejectReason.ITEM_LIMIT,
                f"item id of {size} bytes; expected 1 to {limits.item_bytes} bytes of UTF-8 "
                "without control characters",
            )
        if not _is_kind(statement.kind, limits):
            raise RemoteProtocolError(
                RejectReason.ITEM_LIMIT,
                f"kind {statement.kind[:40]!r}; expected 1 to {limits.kind_chars} of a-z, 0-9, -",
            )
        if not 1 <= statement.weight_q <= WEIGHT_SCALE:
            raise RemoteProtocolError(
                RejectReason.WEIGHT_RANGE, f"weight {statement.weight}; expected 0.0001 to 1"
            )
        if not 0 <= statement.ago_ms <= MAX_INT64:
            raise RemoteProtocolError(RejectReason.FROM_FUTURE, "an interaction after its record")
    elif isinstance(statement, Endorsement):
        if len(statement.subject) != ID_BYTES:
            raise RemoteProtocolError(
                RejectReason.MALFORMED, f"subject of {len(statement.subject)} bytes; expected 32"
            )
        if not -WEIGHT_SCALE <= statement.weight_q <= WEIGHT_SCALE:
            raise RemoteProtocolError(
                RejectReason.WEIGHT_RANGE, f"weight {statement.weight}; expected -1 to 1"
            )
    elif isinstance(statement, Forget):
        if not (
            0 <= statement.epoch <= MAX_EPOCH
            and 1 <= statement.first_seq <= statement.last_seq <= MAX_INT64
        ):
            raise RemoteProtocolError(
                RejectReason.MALFORMED, "forget: expected an epoch and a range of numbers from 1"
            )
    elif isinstance(statement, Rotation) and not 1 <= statement.number <= limits.rotation_count:
        raise RemoteProtocolError(
            RejectReason.MALFORMED,
            f"rotation {statement.number}; expected 1 to {limits.rotation_count}",
        )


def _utf8_bytes(text: str) -> int:
    """Return the encoded size, or 0 where the text has a lone surrogate and so no encoding."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0
