"""Orders that the core gives.

The driver carries them out in order: what is to be persisted is committed before anything behind
it is sent.
"""

from enum import StrEnum

import msgspec

from tastemesh.gossip.limits import RejectReason
from tastemesh.gossip.lineage import StoredLineage
from tastemesh.gossip.record import Interaction, Record


class Effect(msgspec.Struct, frozen=True):
    """Base of all effects."""


class EvictReason(StrEnum):
    """Why a record left the window."""

    AUTHOR_QUOTA = "author-quota"
    SET_ASIDE = "set-aside"  # for the same; a forget that is said again, and stored until then
    WINDOW = "window"
    AGE = "age"
    FORGOTTEN = "forgotten"
    REVOKED = "revoked"
    CONVICTED = "convicted"
    DAMAGED = "damaged"


UNDOING = frozenset(
    {EvictReason.FORGOTTEN, EvictReason.REVOKED, EvictReason.CONVICTED, EvictReason.DAMAGED}
)
"""Those for which what a record said counts no more; else it has only left."""


class Subscribe(Effect, frozen=True):
    """Have exactly these topics subscribed on every broker from now on.

    Attributes:
        topics: what a broker should keep for us while we are away, QoS 1.
        passing: what is of the moment: presence, proofs, which are told again, and reconciliation,
            which begins anew; QoS 0. A broker may pay for each QoS 1 subscription with a queue.
    """

    topics: tuple[str, ...]
    passing: tuple[str, ...] = ()


class Send(Effect, frozen=True):
    """Publish with QoS 1, on every broker or on one.

    Attributes:
        topic: the topic.
        payload: at most `Limits.payload_bytes`.
        broker: our name for one broker, or empty for all.
    """

    topic: str
    payload: bytes
    broker: str = ""


class Persist(Effect, frozen=True):
    """Commit a record.

    Attributes:
        record: the record.
        first_seen_ms: wall clock of its arrival.
        own: said on this node: it must survive power loss before anybody hears of it. What others
            bring in a local identity's name another device said, or a thief of its key.
    """

    record: Record
    first_seen_ms: int
    own: bool = False


class PersistPrivate(Effect, frozen=True):
    """Commit an interaction that stays on this node."""

    author: bytes
    interaction: Interaction
    wall_ms: int


class PurgePrivate(Effect, frozen=True):
    """Delete an author's private interactions with one item, or all of them.

    Attributes:
        author: a local identity.
        item: which item, or None for all.
    """

    author: bytes
    item: str | None


class TrimPrivate(Effect, frozen=True):
    """Delete an author's private interactions but for the ones that happened last.

    Attributes:
        author: a local identity.
        keep: how many stay; of those of one date the ones that were said last.
    """

    author: bytes
    keep: int


class PersistProof(Effect, frozen=True):
    """Commit a proof of equivocation, in place of an older one of this author.

    Attributes:
        author: the convicted.
        proof: as `tastemesh.gossip.proofs` has it.
        let_off: whose proof makes room for it, or empty.
    """

    author: bytes
    proof: bytes
    let_off: bytes = b""


class DropProof(Effect, frozen=True):
    """Delete the proof against an author: a rotation has voided the records in it."""

    author: bytes


class PersistLineage(Effect, frozen=True):
    """Commit what is known of an author's rotations, in place of what was known before.

    Attributes:
        known: as `Restored` gives it back at the next start.
        let_off: whose rotations are forgotten for it, or empty.
    """

    known: StoredLineage
    let_off: bytes = b""


class DropLineage(Effect, frozen=True):
    """Delete what is stored of an author's rotations: damaged, or past a bound that was lowered."""

    author: bytes


class Convicted(Effect, frozen=True):
    """An author was proved to have equivocated: whoever ranks counts nothing of his from now on.

    Attributes:
        author: the convicted.
        own: it is a local identity, which somebody else signs with too, or a copy of this node.
    """

    author: bytes
    own: bool


class ReserveSequence(Effect, frozen=True):
    """Commit, against power loss, that seqs below `until` of (author, epoch) may have been used."""

    author: bytes
    epoch: int
    until: int


class Accepted(Effect, frozen=True):
    """A record is in the window: for whoever ranks, and for the application.

    Attributes:
        record: the record.
        first_seen_ms: wall clock of its arrival here, whatever date it carries.
        own: said by a local identity.
    """

    record: Record
    first_seen_ms: int
    own: bool = False


class AcceptedPrivate(Effect, frozen=True):
    """A private interaction counts from now on for its author."""

    author: bytes
    interaction: Interaction
    wall_ms: int


class Evict(Effect, frozen=True):
    """Delete these records, but for those that are set aside: they left the window.

    Attributes:
        record_ids: their ids.
        reason: why.
    """

    record_ids: tuple[bytes, ...]
    reason: EvictReason


class Misbehaved(Effect, frozen=True):
    """Something from the network was refused.

    Attributes:
        reason: why.
        author: whom a valid signature blames, or empty: an unsigned accusation blames nobody.
        detail: what was found, never the payload.
    """

    reason: RejectReason
    author: bytes
    detail: str


class SetTimer(Effect, frozen=True):
    """Hand `TimerFired(timer)` back after this long; there is no cancel."""

    timer: str
    delay_ms: int


class Fetch(Effect, frozen=True):
    """Read these records' envelopes from the store and feed them back as `Fetched`.

    Attributes:
        record_ids: which.
        topic: where they will go; handed back unchanged.
        broker: through which broker, empty for all; handed back unchanged.
    """

    record_ids: tuple[bytes, ...]
    topic: str
    broker: str = ""


class PeerSeen(Effect, frozen=True):
    """A node announced itself for the first time, or again after it had been forgotten."""

    node: bytes
