"""Facts that the outside tells the core.

`wall_ms` is the clock on the wall, milliseconds since 1970; `now_ms`, the monotonic clock, comes
beside every input.
"""

import msgspec

from tastemesh.gossip.lineage import StoredLineage
from tastemesh.gossip.record import Forget, Interaction, Said
from tastemesh.gossip.signer import Signer


class Input(msgspec.Struct, frozen=True):
    """Base of all inputs."""


class Stored(msgspec.Struct, frozen=True):
    """One record as the store gives it back.

    Attributes:
        envelope: the signed bytes.
        first_seen_ms: wall clock when this node first had it.
        record_id: under which it was stored.
        said_here: whether it was said on this node, or on the one it is a copy of.
    """

    envelope: bytes
    first_seen_ms: int
    record_id: bytes
    said_here: bool = False


class Restored(Input, frozen=True):
    """What the store held at start, or a part of it; fed before `Started`, oldest arrival first.

    Attributes:
        records: the window, in the order of arrival.
        sequences: (author, epoch, next usable seq) of our own identities.
        private: (author, interaction, wall_ms) of interactions that were never published.
        wall_ms: wall clock.
        proofs: of equivocation, oldest first.
        copied: the store is a copy, and the original may have gone on signing: our identities
            begin new epochs. Told with the last part.
        knows_ours: the store knows the identities that were made here: one of ours of whose numbers
            it knows nothing came from elsewhere, and begins a new epoch. Told likewise.
        is_last: whether it is all, or the last part.
        lineages: others' rotations, those known longest first.
    """

    records: tuple[Stored, ...]
    sequences: tuple[tuple[bytes, int, int], ...]
    private: tuple[tuple[bytes, Interaction, int], ...]
    wall_ms: int
    proofs: tuple[bytes, ...] = ()
    copied: bool = False
    knows_ours: bool = False
    is_last: bool = True
    lineages: tuple[StoredLineage, ...] = ()


class Inspected(Input, frozen=True):
    """Some of what the store holds, read again to see whether it is what it was.

    Attributes:
        records: rows as they are now.
    """

    records: tuple[Stored, ...]


class Started(Input, frozen=True):
    """The node runs: timers may be set and topics subscribed."""

    wall_ms: int


class StartedAlone(Input, frozen=True):
    """The node runs without any broker, now and until its end: it only lets age what it holds."""


class Recorded(Input, frozen=True):
    """A local user did something, or the app says so for him.

    Attributes:
        author: a local identity.
        statements: 1 or more; split into records by the core.
        wall_ms: wall clock.
        private: keep it on this node: it shapes this user's ranking and is never published.
    """

    author: bytes
    statements: tuple[Said, ...]
    wall_ms: int
    private: bool = False


class ForgotPrivate(Input, frozen=True):
    """A local user takes private interactions back; what was published takes a `Forget`.

    Attributes:
        author: a local identity.
        item: which item, or None for all.
    """

    author: bytes
    item: str | None


class Rotated(Input, frozen=True):
    """A local identity's next key is in force, and is on the disk already.

    Attributes:
        signer: the identity with its new key, as `Signer.rotated` made it.
        wall_ms: wall clock.
        forgets: said beside the announcement, so that nobody knows of a cut that voids them, or
            lets them go for the announcement, before he has them again.
    """

    signer: Signer
    wall_ms: int
    forgets: tuple[Forget, ...] = ()


class Received(Input, frozen=True):
    """A broker handed us a message.

    Attributes:
        broker: our name for the broker.
        topic: as received.
        payload: as received.
        wall_ms: wall clock.
    """

    broker: str
    topic: str
    payload: bytes
    wall_ms: int


class TimerFired(Input, frozen=True):
    """A timer that the core set has expired; the handler asks whether its reason still holds."""

    timer: str
    wall_ms: int


class BrokerUp(Input, frozen=True):
    """The connection to a broker stands, subscriptions included."""

    broker: str
    wall_ms: int


class BrokerDown(Input, frozen=True):
    """The connection to a broker is gone."""

    broker: str


class Dropped(Input, frozen=True):
    """Our own inbox for this broker overflowed: `count` messages were lost."""

    broker: str
    count: int


class Fetched(Input, frozen=True):
    """Envelopes that the core asked for with `Fetch`.

    Attributes:
        envelopes: those that the store still has.
        topic: where they are to go, as `Fetch` had it.
        broker: through which broker, as `Fetch` had it.
    """

    envelopes: tuple[bytes, ...]
    topic: str
    broker: str = ""


class TrustChanged(Input, frozen=True):
    """Who is reached by trust has changed; the window keeps these first.

    Attributes:
        gained: ids of authors who have trust above zero for some local identity now, sorted.
        lost: ids of those who have none any more, sorted.
    """

    gained: tuple[bytes, ...]
    lost: tuple[bytes, ...] = ()
