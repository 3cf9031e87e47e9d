"""What a local user has said so far: brought in from elsewhere, written out, and told apart."""

import math
from base64 import b64encode
from collections.abc import Callable, Sequence

import msgspec

from tastemesh.gossip.identity import format_id
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import WEIGHT_SCALE, Endorsement, Interaction, Record
from tastemesh.node.plays import Play, as_interaction


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What came of bringing plays in.

    Attributes:
        added: interactions recorded.
        known: plays that the user's history had already.
        left_out: plays for which there was no room beside what he has said.
        records: ids of the signed records that carry the added ones, as hex; none for private ones.
    """

    added: int
    known: int
    left_out: int
    records: list[str]


class SaidInteraction(msgspec.Struct, frozen=True, kw_only=True):
    """One interaction in an export.

    Attributes:
        item: its id.
        kind: a word, such as `listen`.
        weight: strength in (0, 1].
        time_s: when, seconds since 1970.
        private: whether it never left this node.
    """

    item: str
    kind: str
    weight: float
    time_s: float
    private: bool = False


class SaidEndorsement(msgspec.Struct, frozen=True, kw_only=True):
    """One endorsement in an export, the latest about its subject.

    Attributes:
        peer: the subject's id as hex.
        weight: trust in [-1, 1].
    """

    peer: str
    weight: float


class InteractionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a user's own interactions.

    Attributes:
        interactions: newest first.
        next: what to give as `after` for the next page; null on the last one.
    """

    interactions: list[SaidInteraction]
    next: str | None


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """All that a local user has said and that is still in the window.

    Attributes:
        network: network id.
        identity: his id as hex.
        interactions: oldest first.
        endorsements: as they stand.
        records: the signed envelopes that published them, base64, oldest first.
    """

    network: str
    identity: str
    interactions: list[SaidInteraction]
    endorsements: list[SaidEndorsement]
    records: list[str]


# Of an author's quota in the window as much is left by imports as he says in some weeks (guess):
# past the quota his oldest record goes, and an import made that be all of 64 plays each time.
_ORDINARY_COUNT = 100

PrivateInteraction = tuple[Interaction, int]
"""What stays on this node, and the wall clock, milliseconds, when it was said."""


def imported_count(limits: Limits, *, private: bool) -> int:
    """Return how many interactions a user holds at most once an import has added some.

    Args:
        limits: the node's.
        private: of private interactions, which are bounded apart.
    """
    if private:
        return limits.private_interaction_count
    return max(0, limits.author_interaction_count - _ORDINARY_COUNT)


def sifted(
    plays: Sequence[Play],
    records: Sequence[Record],
    private: Sequence[PrivateInteraction],
    wall_ms: int,
    limits: Limits,
    *,
    stays: Callable[[Play], bool],
) -> tuple[list[Play], Imported]:
    """Return what of some plays is to be recorded, in the order it happened, and what came of all.

    A play is known if the history has the same kind of interaction with the item at the same second
    or later; one without a date, if it has one at all. Of the others those that happened last are
    recorded, as far as there is room: nothing that the user said himself, today perhaps, leaves for
    what happened years ago. What was left out once is left out again. So bringing the same plays in
    again adds nothing.

    Args:
        plays: with dates or without.
        records: the user's own published ones.
        private: the user's private interactions.
        wall_ms: wall clock; a play that is later is refused, known or not.
        limits: the node's.
        stays: whether a play would be private; asked only of plays that are right.

    Raises:
        UsageError: a play's weight or time is out of range.
    """
    for play in plays:
        as_interaction(play, wall_ms, ahead_ms=0)  # as one of now it would not be known again
    unknown = _unknown(plays, records, private)
    held = {False: sum(len(each.interactions) for each in records), True: len(private)}
    room = {each: imported_count(limits, private=each) - held[each] for each in held}
    new: list[Play] = []
    for play in sorted(unknown, key=happened_s, reverse=True):
        is_private = stays(play)
        if room[is_private] > 0:
            room[is_private] -= 1
            new.append(play)
    known, left_out = len(plays) - len(unknown), len(unknown) - len(new)
    return new[::-1], Imported(added=len(new), known=known, left_out=left_out, records=[])


def _unknown(
    plays: Sequence[Play], records: Sequence[Record], private: Sequence[PrivateInteraction]
) -> list[Play]:
    latest: dict[tuple[str, str], int] = {}
    said = [(each, record.created_ms) for record in records for each in record.interactions]
    for each, wall_ms in [*said, *private]:
        time_s = (wall_ms - each.ago_ms) // 1000
        key = (each.item, each.kind)
        latest[key] = max(latest.get(key, time_s), time_s)
    return [
        play for play in plays if int(play.time_s or 0) > latest.get((play.item, play.kind), -1)
    ]


def happened_s(play: Play) -> float:
    """Return when a play happened, in seconds since 1970; one without a date is of now."""
    return math.inf if play.time_s is None else play.time_s


def exported(
    network: str, author: bytes, records: Sequence[Record], private: Sequence[PrivateInteraction]
) -> Export:
    """Return what a user has said.

    Args:
        network: network id.
        author: his id.
        records: his own published ones, oldest first.
        private: his private interactions.
    """
    said = [
        said_of(each, record.created_ms, private=False)
        for record in records
        for each in record.interactions
    ]
    said += [said_of(each, wall_ms, private=True) for each, wall_ms in private]
    return Export(
        network=network,
        identity=format_id(author),
        interactions=sorted(said, key=lambda each: each.time_s),
        endorsements=endorsed(records),
        records=[b64encode(record.envelope).decode() for record in records],
    )


def endorsed(records: Sequence[Record]) -> list[SaidEndorsement]:
    """Return the latest word on each whom the author of some records endorses or distrusts."""
    vouched: dict[bytes, Endorsement] = {}
    for record in sorted(records, key=lambda record: record.slot):
        vouched.update((each.subject, each) for each in record.endorsements)
    return [
        SaidEndorsement(peer=format_id(each.subject), weight=each.weight)
        for each in vouched.values()
        if each.weight_q
    ]


def said_of(said: Interaction, wall_ms: int, *, private: bool) -> SaidInteraction:
    """Return an interaction as it is written out.

    Args:
        said: what was done.
        wall_ms: when that was said, wall clock.
        private: whether it never left this node.
    """
    return SaidInteraction(
        item=said.item,
        kind=said.kind,
        weight=said.weight_q / WEIGHT_SCALE,
        time_s=(wall_ms - said.ago_ms) / 1000,
        private=private,
    )
