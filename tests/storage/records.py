"""Records to store. Nothing here is signed: the store never looks into an envelope."""

from hashlib import sha256

from tastemesh.gossip.effects import Evict, EvictReason, Persist
from tastemesh.gossip.inputs import Restored, Stored
from tastemesh.gossip.record import Interaction, Record


def persist(number: int, *, size_bytes: int = 300, own: bool = False) -> Persist:
    """The effect for a record that only `number` tells from others."""
    digest = sha256(number.to_bytes(8, "big")).digest()
    record = Record(
        id=digest,
        author=sha256(digest).digest(),
        epoch=0,
        seq=number + 1,
        prev=b"",
        created_ms=1_000 + number,
        statements=(Interaction(f"item-{number}", "listen", 10_000),),
        envelope=(digest * (size_bytes // len(digest) + 1))[:size_bytes],
    )
    return Persist(record, first_seen_ms=2_000 + number, own=own)


def evict(*changes: Persist) -> Evict:
    return Evict(tuple(each.record.id for each in changes), EvictReason.WINDOW)


def stored(*changes: Persist) -> tuple[Stored, ...]:
    """What `Store.load` gives back for records that arrived in this order."""
    return tuple(
        Stored(each.record.envelope, each.first_seen_ms, each.record.id) for each in changes
    )


def restored(*changes: Persist, wall_ms: int = 0) -> Restored:
    return Restored(stored(*changes), (), (), wall_ms)
