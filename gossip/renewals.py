"""Which of our own endorsements are to be said again.

A vouching for somebody holds until it is withdrawn, yet records leave the window: so it is said
again in time. It follows from what is held: what was taken back, or voided with a stolen key,
leaves what was said before it to stand. A withdrawal is said again where what it withdraws is
newer, as another device said that again before it had heard.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from tastemesh.gossip.limits import Limits
from tastemesh.gossip.lineage import ROTATION_BYTES
from tastemesh.gossip.pen import Latest, Pen
from tastemesh.gossip.record import Endorsement, Record

# A record of one endorsement, without what `ROTATION_BYTES` covers (measured: 288, and what that
# lacks of the first rotation, which is the largest).
_ENDORSING_BYTES = 320


def renewals(
    pen: Pen,
    before_ms: int,
    after_ms: int,
    date_ms: Callable[[bytes], int | None],
    limits: Limits,
) -> tuple[Endorsement, ...]:
    """Return what one of our identities has to say again now.

    What would stand as it does without all that is old needs no renewal: what another device said
    in a later epoch is said again in ours, and stays the last word until it leaves. What left for
    others of the author's is forgotten by this, as it is to be said again.

    Args:
        pen: of the identity.
        before_ms: what was last said before this date is old.
        after_ms: what is dated after this, by a clock that was ahead, others refuse.
        date_ms: of a record, as the window has it; None where it is not held.
        limits: the author's quota.
    """
    dates_ms = {i: date_ms(i) for i in pen.vouching}
    gone = {i for i, at_ms in dates_ms.items() if at_ms is None}
    old = {i for i, at_ms in dates_ms.items() if at_ms is None or at_ms < before_ms}
    ahead = {i for i, said in pen.vouching.items() if said.created_ms > after_ms}
    if not old and not ahead:
        return ()
    latest = pen.latest(pen.vouching.values())
    standing = {subject: each for subject, each in latest.items() if each[0]}
    spared = pen.crowded & gone
    if _has_room(pen, len(standing), limits):
        spared = {i for i in spared if pen.vouching[i].epoch != pen.epoch}
    pen.crowded.clear()
    # It is for others where theirs is the last word, even if they said what ours says.
    ours = {subject: each for subject, each in standing.items() if each[1].id not in spared}
    stays = pen.vouching.keys() - old - ahead
    missing = _missing(ours, pen.latest(pen.vouching[i] for i in stays))
    if any(
        record.id in ahead and (record.epoch <= pen.epoch or subject in missing)
        for subject, (_, record) in ours.items()
    ):  # these are the newest: what is older would leave for them
        missing = ours
    missing.update(_outlasted(latest, pen.vouching, dates_ms, old - spared))
    again = tuple(Endorsement(subject, said) for subject, (said, _) in missing.items())
    pen.vouching = {i: said for i, said in pen.vouching.items() if i not in gone}
    return again


def _has_room(pen: Pen, count: int, limits: Limits) -> bool:
    """Tell whether the quota keeps all that stands, were each said in a record of its own."""
    lineage = pen.signer.lineage
    steps = len(lineage.steps) if lineage else 0
    size = _ENDORSING_BYTES + steps * ROTATION_BYTES
    cost = -(-size // limits.statement_bytes)
    return count * cost <= limits.author_endorsement_count


def _missing(standing: Latest, kept: Latest) -> Latest:
    """Return what would not stand as it does if only this were kept."""
    return {
        subject: each
        for subject, each in standing.items()
        if subject not in kept or kept[subject][0] != each[0]
    }


def _outlasted(
    latest: Latest,
    vouching: dict[bytes, Record],
    dates_ms: dict[bytes, int | None],
    old: AbstractSet[bytes],
) -> Latest:
    """Return the old withdrawals that leave before what they withdraw, which would stand again."""
    newest_ms: dict[bytes, int] = {}
    for record_id, record in vouching.items():
        date_ms = dates_ms[record_id]
        for said in record.endorsements:
            if said.weight_q and date_ms is not None:
                newest_ms[said.subject] = max(date_ms, newest_ms.get(said.subject, date_ms))
    return {
        subject: (weight_q, record)
        for subject, (weight_q, record) in latest.items()
        if not weight_q and record.id in old
        if newest_ms.get(subject, -1) > (dates_ms[record.id] or -1)
    }
