"""Taking back what was said: which records go, and what of them is said again.

A record carries up to 64 interactions and is forgotten whole. So what stands beside the item that
is to go is said again, in new records and with the dates that it had.
"""

from collections.abc import Iterable, Sequence

import msgspec

from tastemesh.gossip.record import Endorsement, Forget, Interaction, Record, Said


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
    again: tuple[Interaction, ...]
    record_count: int
    interaction_count: int

    @property
    def statements(self) -> tuple[Said, ...]:
        """All that is to be said."""
        return (*self.forgets, *self.again)


def plan(records: Sequence[Record], item: str | None, wall_ms: int) -> Plan:
    """Work out how to take an item back, or everything.

    Args:
        records: one author's own records, in any order.
        item: which item, or None for all interactions.
        wall_ms: wall clock, which the repeated statements will be dated with.
    """
    gone: list[Record] = []
    again: list[Interaction] = []
    for record in records:
        kept = [said for said in record.interactions if item is not None and said.item != item]
        if len(kept) == len(record.interactions):
            continue
        gone.append(record)
        again.extend(_redated(said, record.created_ms, wall_ms) for said in kept)
    lost = sum(len(record.interactions) for record in gone) - len(again)
    return Plan(_ranges(record.slot for record in gone), tuple(again), len(gone), lost)


def repeated(records: Iterable[Record], wall_ms: int) -> tuple[Said, ...]:
    """Return all interactions and endorsements of these records, to be said again as they were.

    Args:
        records: one author's own, oldest first: of two endorsements the later one counts.
        wall_ms: wall clock, which they will be dated with.
    """
    interactions: list[Said] = []
    endorsements: dict[bytes, Said] = {}
    for record in records:
        for said in record.statements:
            if isinstance(said, Interaction):
                interactions.append(_redated(said, record.created_ms, wall_ms))
            elif isinstance(said, Endorsement):
                endorsements[said.subject] = said
    return (*endorsements.values(), *interactions)


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
