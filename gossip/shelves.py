"""What a window is made of: entries, and an author's shelf of them."""

from enum import IntEnum

import msgspec

Slot = tuple[int, int]
"""(epoch, seq)."""

Key = tuple[int, Slot, bytes]
"""(clamped date in ms, slot, record id): records leave in this order."""


class Kind(IntEnum):
    """Which of its author's quotas a record counts for, with all that it says."""

    INTERACTIONS = 0  # and whatever is none of the others
    ENDORSEMENTS = 1  # of endorsements alone
    # With a forget or a rotation: whether one is in force must not depend on what it takes back.
    NOTICES = 2


class Entry(msgspec.Struct, gc=False):
    """One record; without the search for cycles, as there is no way round in it."""

    key: Key
    date_ms: int  # of the key, before it was set back
    created_ms: int
    author: bytes
    slot: Slot
    kind: Kind
    weight: int  # in the quota
    statements: int  # in the window, padding included
    reached: bool

    @property
    def lasts(self) -> bool:
        """Whether it is one of endorsements alone."""
        return self.kind is Kind.ENDORSEMENTS


class Shelf(msgspec.Struct):
    """One author's records, oldest key first."""

    keys: list[Key]
    slots: dict[Slot, bytes]
    weights: list[int]  # by kind
    left_out: bool = False  # for a quota, since room was last made by anything else
