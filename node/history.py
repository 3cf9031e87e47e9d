"""What a local user has said so far: brought in from elsewhere, written out, and told apart."""

from base64 import b64encode
from collections.abc import Sequence

import msgspec

from tastemesh.gossip.identity import format_id
from tastemesh.gossip.record import WEIGHT_SCALE, Endorsement, Interaction, Record
from tastemesh.node.plays import Play, as_interaction


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What came of bringing plays in.

    Attributes:
        added: interactions recorded.
        known: plays that the user's history had already.
        records: ids of the signed records that carry the added ones, as hex; none for private ones.
    """

    added: int
    known: int
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


PrivateInteraction = tuple[Interaction, int]
"""What stays on this node, and the wall clock, milliseconds, when it was said."""


def unknown(
    plays: Sequence[Play],
    records: Sequence[Record],
    private: Sequence[PrivateInteraction],
    wall_ms: int,
) -> list[Play]:
    """Return the plays that a history lacks, so that bringing it in again adds nothing.

    A play is known if the history has the same kind of interaction with the item at the same second
    or later.

    Args:
        plays: with dates.
        records: the user's own published ones.
        private: the user's private interactions.
        wall_ms: wall clock; a play that is later is refused, known or not.

    Raises:
        UsageError: a play's weight or time is out of range.
    """
    for play in plays:
        as_interaction(play, wall_ms)
    latest: dict[tuple[str, str], int] = {}
    said = [(each, record.created_ms) for record in records for each in record.interactions]
    for each, wall_ms in [*said, *private]:
        time_s = (wall_ms - each.ago_ms) // 1000
        key = (each.item, each.kind)
        latest[key] = max(latest.get(key, time_s), time_s)
    return [
        play
        for play in plays
        if play.time_s is None or int(play.time_s) > latest.get((play.item, play.kind), -1)
    ]


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
        _said(each, record.created_ms, False) for record in records for each in record.interactions
    ]
    said += [_said(each, wall_ms, True) for each, wall_ms in private]
    vouched: dict[bytes, Endorsement] = {}
    for record in sorted(records, key=lambda record: record.slot):
        vouched.update((each.subject, each) for each in record.endorsements)
    return Export(
        network=network,
        identity=format_id(author),
        interactions=sorted(said, key=lambda each: each.time_s),
        endorsements=[
            SaidEndorsement(peer=format_id(each.subject), weight=each.weight)
            for each in vouched.values()
            if each.weight_q
        ],
        records=[b64encode(record.envelope).decode() for record in records],
    )


def _said(said: Interaction, wall_ms: int, private: bool) -> SaidInteraction:
    return SaidInteraction(
        item=said.item,
        kind=said.kind,
        weight=said.weight_q / WEIGHT_SCALE,
        time_s=(wall_ms - said.ago_ms) / 1000,
        private=private,
    )
