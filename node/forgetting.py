"""Taking back what was said: which records go, and what of them is said again.

A record carries up to 64 interactions and is forgotten whole. So what stands beside the item that
is to go is said again, in new records and with the dates that it had.
"""

from bisect import bisect_left
from collections.abc import Container, Iterable, Sequence
from itertools import pairwise
from operator import attrgetter

import msgspec

from tastemesh.errors import UsageError
from tastemesh.gossip.lineage import Slot
from tastemesh.gossip.record import Endorsement, Forget, Interaction, Record, Rotation, Said
from tastemesh.gossip.statements import MAX_INT64
from tastemesh.gossip.tombstones import covering, merged, uncovered
from tastemesh.node.plays import check_flag, check_text


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken back.

    Attributes:
        records: how many published records are to be forgotten by everybody.
        interactions: how many published interactions went.
        private: how many private interactions went from this node.
    """

    records: int
    interactions: int
    private: int


class Plan(msgspec.Struct, frozen=True):
    """What to say so that something is forgotten.

    Attributes:
        forgets: which slots go, as few ranges as can be.
        again: what stood beside it.
        record_count: how many records go.
        interaction_count: how many interactions go for good.
    """

    forgets: tuple[Forget, ...]
    again: tuple[Said, ...]
    record_count: int
    interaction_count: int

    @property
    def statements(self) -> tuple[Said, ...]:
        """All that is to be said."""
        return (*self.forgets, *self.again)


def check_choice(item: object, everything: object) -> None:
    """Check that it is clear what to take back: no item that is missing by mistake means all.

    Raises:
        UsageError: it is an item and everything, or neither, or of another type.
    """
    if item is not None:
        check_text("item", item)
    check_flag("everything", everything)
    if (item is None) != everything:
        found = "neither" if item is None else "both"
        raise UsageError(f"forget: expected an item, or everything, not {found}")


def plan(
    records: Sequence[Record],
    item: str | None,
    wall_ms: int,
    most: int,
    lost: Sequence[Forget] = (),
    epochs: Container[int] = (),
) -> Plan:
    """Work out how to take an item back, or everything.

    Whoever has not heard a forget brings back what it forgot. So where more than the quota were to
    stand, all are said anew as fewer and longer ranges, before the quota lets the oldest go.

    Args:
        records: one author's own records, in any order.
        item: which item, or None for all interactions.
        wall_ms: wall clock, which the repeated statements will be dated with.
        most: how many notices of one author the window keeps.
        lost: forgets that other devices have pushed out (`tastemesh.gossip.retractions`), and that
            are said again with this. What they took back may have come back.
        epochs: in which this device alone wrote. What lies between two forgets there is known here,
            and of another device's may not have been heard: it would be lost.
    """
    gone: dict[tuple[int, int], Record] = {}
    again: list[Said] = []
    count = 0
    came_back = covering(lost)
    for record in records:
        kept = [said for said in record.interactions if item is not None and said.item != item]
        if len(kept) == len(record.interactions):
            continue
        gone[record.slot] = record
        if not came_back(*record.slot):  # or what stands beside it was said again
            again.extend(_redated(said, record.created_ms, wall_ms) for said in kept)
        count += len(record.interactions) - len(kept)
    forgets = _ranges(gone)
    if forgets and lost:
        forgets = tuple(merged((*forgets, *lost)))
    if sum(len(record.notices) for record in records) + len(forgets) > most:
        others = [record for record in without(records, lost) if record.slot not in gone]
        forgets, between = _fewer(forgets, others, most, epochs)
        again += _as_it_stands(between, records, wall_ms)
        gone.update((record.slot, record) for record in between)
    return Plan(forgets, tuple(again), len(gone), count)


def without(records: Iterable[Record], forgets: Iterable[Forget]) -> list[Record]:
    """Return the records that no forget takes back: what came back meanwhile is not said again."""
    goes = covering(forgets)
    return [record for record in records if record.notices or not goes(*record.slot)]


def rejoined(
    records: Sequence[Record],
    lost: Sequence[Forget],
    said_here: Container[bytes],
    wall_ms: int,
    most: int,
    share: int,
    epochs: Container[int],
) -> tuple[tuple[Forget, ...], tuple[Said, ...]]:
    """Work out how to say again what other devices have pushed out.

    All that this device took back and no other says, in as many ranges as what the others hold
    leaves room for; what these have no room for beside it, they say again in theirs.

    Args:
        records: one author's own records, in any order, without what is lost.
        lost: this device's forgets that the window had no room for; some may be covered by others'.
        said_here: ids of the records with notices that this node signed.
        wall_ms: wall clock, which the repeated statements will be dated with.
        most: how many notices of one author the window keeps.
        share: how many ranges may be said whatever the others hold.
        epochs: in which this device alone wrote. Only there anything is joined over what lies
            between: another's may not have been heard, or be taken back by what it lost itself.

    Returns:
        The forgets and what goes with them and is said again; nothing where the quota has no room
        for all of them.
    """
    notices = [record for record in records if record.notices]
    theirs = merged(_forgets(record for record in notices if record.id not in said_here))
    ours = (*lost, *_forgets(record for record in notices if record.id in said_here))
    mine = uncovered(ours, theirs)
    taken = len(theirs) + sum(isinstance(s, Rotation) for record in notices for s in record.notices)
    others = [record for record in records if not record.notices and record.epoch in epochs]
    room = max(most - taken, share, 1)
    elsewhere = merged(said for said in mine if said.epoch not in epochs)
    here = [said for said in mine if said.epoch in epochs]
    forgets, between = _fewer(here, others, max(room - len(elsewhere), 1), epochs)
    forgets = (*elsewhere, *forgets)
    if len(forgets) > most:
        return (), ()
    return forgets, tuple(_as_it_stands(between, records, wall_ms))


def handed_over(
    records: Sequence[Record],
    cut: Slot,
    said_here: Container[bytes],
    wall_ms: int,
    most: int,
    lost: Iterable[Forget] = (),
    epochs: Container[int] = (),
) -> tuple[tuple[Forget, ...], tuple[Said, ...]]:
    """Work out what a new key has to say again, so that what its author says goes on to hold.

    What he took back of what still older keys signed would stand again with the forget that a cut
    voids: on every node that holds it, or hears it from one that missed the forget. And the
    announcement of the key counts for the quota of notices, which lets the oldest go.

    Args:
        records: one author's own records, oldest first.
        cut: the last slot that the older keys hold for; what stands above it is void.
        said_here: ids of the records with notices that this node signed. Another's forget may be
            a thief's, who would have his victim take back what he likes.
        wall_ms: wall clock, which the repeated statements will be dated with.
        most: how many notices of one author the window keeps.
        lost: this node's forgets that other devices have pushed out.
        epochs: in which this device alone wrote; see `plan`.

    Returns:
        What to say beside the announcement, and what to say then.
    """
    void = [record for record in records if record.slot > cut]
    standing = [record for record in records if record.slot <= cut]
    voided = [
        Forget(said.epoch, said.first_seq, min(said.last_seq, _last_seq(said.epoch, cut)))
        for said in (*_forgets(record for record in void if record.id in said_here), *lost)
        if said.first_seq <= _last_seq(said.epoch, cut)
    ]
    held = _forgets(standing)
    forgets = tuple(uncovered(merged(voided), held))
    between: list[Record] = []
    if sum(len(record.notices) for record in standing) + 1 + len(forgets) > most:
        goes = covering(forgets)
        others = [record for record in standing if record.notices or not goes(*record.slot)]
        forgets, between = _fewer(forgets, others, most - 1, epochs)
    again = _as_it_stands(between, records, wall_ms)
    return forgets, (*repeated(void, wall_ms), *again)


def repeated(records: Iterable[Record], wall_ms: int) -> tuple[Said, ...]:
    """Return all interactions and endorsements of these records, to be said again as they were.

    Args:
        records: one author's own, oldest first. Of two endorsements the one in the higher slot
            counts, as everywhere: another device's may be dated later and stand before it.
        wall_ms: wall clock, which they will be dated with.
    """
    held = list(records)
    in_order = sorted(held, key=attrgetter("slot"))
    standing = {said.subject: said for record in in_order for said in record.endorsements}
    interactions = [
        _redated(said, record.created_ms, wall_ms)
        for record in held
        for said in record.interactions
    ]
    return (*standing.values(), *interactions)


def _redated(said: Interaction, created_ms: int, wall_ms: int) -> Interaction:
    ago_ms = max(0, wall_ms - created_ms + said.ago_ms)
    return Interaction(said.item, said.kind, said.weight_q, ago_ms)


def _ranges(slots: Iterable[tuple[int, int]]) -> tuple[Forget, ...]:
    ranges: list[Forget] = []
    for epoch, seq in sorted(slots):
        if ranges and ranges[-1].epoch == epoch and ranges[-1].last_seq == seq - 1:
            ranges[-1] = Forget(epoch, ranges[-1].first_seq, seq)
        else:
            ranges.append(Forget(epoch, seq, seq))
    return tuple(ranges)


def _fewer(
    forgets: Sequence[Forget], others: Sequence[Record], most: int, first: Container[int] = ()
) -> tuple[tuple[Forget, ...], list[Record]]:
    """Join new forgets and those that are held until there are no more than `most`, if it can be.

    Those are joined between which the fewest records lie, of epochs that come `first` before all
    others; of others between which the fewest numbers lie of which nothing is known here. What lies
    between goes with them, but for what cannot be taken back: with a notice in it.

    Returns:
        The forgets, and the records that go with them.
    """
    apart = merged((*forgets, *_forgets(others)))
    live = [record for record in others if not record.notices]
    gaps = [_between(lower, upper, live) for lower, upper in pairwise(apart)]
    slots = sorted(record.slot for record in others)
    unknown = [
        0 if lower.epoch in first else _unknown_count(lower, upper, slots)
        for lower, upper in pairwise(apart)
    ]
    closable = sorted(
        (apart[n].epoch not in first, unknown[n], len(gap), n)
        for n, gap in enumerate(gaps)
        if gap is not None
    )
    closed = {n for *_, n in closable[: max(0, len(apart) - most)]}
    joined = apart[:1]
    between: list[Record] = []
    for n, upper in enumerate(apart[1:]):
        if n in closed:
            joined[-1] = Forget(upper.epoch, joined[-1].first_seq, upper.last_seq)
            between += gaps[n] or ()
        else:
            joined.append(upper)
    return tuple(joined), between


def _forgets(records: Iterable[Record]) -> list[Forget]:
    return [said for record in records for said in record.notices if isinstance(said, Forget)]


def _last_seq(epoch: int, cut: Slot) -> int:
    """Return the last number of an epoch that is not above a cut; 0 where all are."""
    return MAX_INT64 if epoch < cut[0] else cut[1] if epoch == cut[0] else 0


def _between(lower: Forget, upper: Forget, records: Sequence[Record]) -> list[Record] | None:
    """Return the records between two forgets; None where these cannot become one.

    They are of two epochs, or between them lies what cannot be said again.
    """
    if lower.epoch != upper.epoch:
        return None
    first, last = (lower.epoch, lower.last_seq), (upper.epoch, upper.first_seq)
    found = [record for record in records if first < record.slot < last]
    sayable = all(isinstance(said, Said) for record in found for said in record.statements)
    return found if sayable else None


def _unknown_count(lower: Forget, upper: Forget, slots: Sequence[Slot]) -> int:
    """Return how many numbers between two forgets of one epoch are none of these, which rise."""
    first, last = (lower.epoch, lower.last_seq + 1), (upper.epoch, upper.first_seq)
    return upper.first_seq - first[1] - (bisect_left(slots, last) - bisect_left(slots, first))


def _as_it_stands(some: Sequence[Record], records: Sequence[Record], wall_ms: int) -> list[Said]:
    """Return what some of an author's records say, but for endorsements that later ones replace."""
    latest = {
        said.subject: record.slot
        for record in sorted(records, key=attrgetter("slot"))
        for said in record.endorsements
    }
    in_order = sorted(some, key=attrgetter("slot"))
    return [
        said
        for said in repeated(in_order, wall_ms)
        if not isinstance(said, Endorsement)
        or any(latest[said.subject] == record.slot for record in some)
    ]
