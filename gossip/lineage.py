"""Key rotation: how an identity outlives its keys, and what a stolen one is still worth.

An identity's id commits to its first key and, by digest, to the second. Each *step* reveals the key
that the step before committed to, commits to the one after it, and says up to which slot
(epoch, seq) the older keys hold: the *cut*. The step is signed by its own key, so who stole the
older one can neither make a step (he does not have the key that the digest names) nor copy it with
another cut. The steps travel in every envelope that the newer key signs, so whoever holds one such
record knows the cut, and gaps do no harm. Source: the pre-rotation of KERI (Smith 2019); the cut is
ours (p2p research, section 2.4: rotation must have one, or a stolen key keeps signing the past).

A slot belongs to exactly one key: the one of the last step whose cut lies below the slot. What
another key of the lineage signs there counts for nothing. Two cuts may be the same: then the key
between them has no slot at all, as one that was stolen must not.

A node follows the first lineage of an author that it sees, along those that continue it, and takes
nothing that comes with another one, a *fork*. A fork takes the key of a step to make, never the
first key alone: who steals the key in force can commit to a successor of his own in its step. Were
the longer of two lineages to count, he could always make a longer one than the owner. That nodes
see the first one first is KERI's rule, too. The price: two nodes may follow different ones of an
author who forks his own.
"""

from collections.abc import Set
from hashlib import sha256
from zlib import crc32

import msgspec

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.identity import PublicIdentity
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.signatures import KEY_BYTES, SIGNATURE_BYTES, verify

ROTATION_DOMAIN = b"tastemesh/1/rotation\x00"

ROTATION_BYTES = 180
"""What each rotation of its author adds to a record at most, of three or more: 153 bytes by the
fields' sizes, and 70 once for what the lineage begins with."""

Slot = tuple[int, int]


class Step(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One rotation.

    Attributes:
        key: the new public key, whose SHA-256 the step before has as its `next_digest`.
        next_digest: SHA-256 of the key that will follow it.
        cut_epoch: epoch of the last slot of the older keys.
        cut_seq: its sequence number.
        signature: by `key`, over author, number and all of the above.
    """

    key: bytes
    next_digest: bytes
    cut_epoch: int
    cut_seq: int
    signature: bytes

    @property
    def cut(self) -> Slot:
        """The last slot of the older keys."""
        return self.cut_epoch, self.cut_seq


class Lineage(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """How the current key follows from the first.

    Attributes:
        key: the first public key.
        next_digest: what it committed to.
        steps: the rotations since, at least one.
    """

    key: bytes
    next_digest: bytes
    steps: tuple[Step, ...]

    @property
    def author(self) -> bytes:
        """The id that this lineage belongs to."""
        return PublicIdentity(self.key, self.next_digest).id

    @property
    def current(self) -> PublicIdentity:
        """The newest key and its commitment."""
        return PublicIdentity(self.steps[-1].key, self.steps[-1].next_digest)

    def ends_with(self, public: PublicIdentity) -> bool:
        """Tell whether this is the newest key and its commitment; a list without steps has none."""
        return bool(self.steps) and self.current == public

    def owner(self, slot: Slot) -> bytes:
        """Return the public key that a slot belongs to."""
        number = sum(step.cut < slot for step in self.steps)
        return self.steps[number - 1].key if number else self.key

    def holds(self, lineage: "Lineage | None", slot: Slot) -> bool:
        """Tell whether a slot belongs to the key that another lineage of this author ends with.

        Args:
            lineage: of the record in the slot, None where the first key signed it.
            slot: (epoch, seq).
        """
        signer = lineage.steps[-1].key if lineage and lineage.steps else self.key
        return self.owner(slot) == signer

    def continues(self, other: "Lineage | None") -> bool:
        """Tell whether this one has all steps of another one of this author, and more."""
        return other is None or (len(self.steps) > len(other.steps) and self.agrees_with(other))

    def agrees_with(self, other: "Lineage") -> bool:
        """Tell whether one of two lineages of an author begins as the other one is."""
        return all(ours == theirs for ours, theirs in zip(self.steps, other.steps, strict=False))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Lineage)


class StoredLineage(msgspec.Struct, frozen=True):
    """An author's rotations as a store keeps them.

    They outlast the records that brought them, or a restart would put a key in force again that was
    rotated out, for as long as its owner says nothing.

    Attributes:
        author: whose.
        checksum: CRC-32 of the other two. Its signatures were checked when it came, and to check
            all of them at each start would take seconds; but one that a flipped bit has altered
            would have all that its author says taken for a fork's.
        lineage: encoded.
    """

    author: bytes
    checksum: int
    lineage: bytes

    @classmethod
    def of(cls, lineage: Lineage) -> "StoredLineage":
        """Return a lineage to be stored."""
        author, encoded = lineage.author, _encoder.encode(lineage)
        return cls(author, crc32(author + encoded), encoded)

    def opened(self) -> Lineage | None:
        """Return what was stored, or None where it has changed since."""
        if crc32(self.author + self.lineage) != self.checksum:
            return None
        try:
            return _decoder.decode(self.lineage)
        except msgspec.DecodeError:
            return None


def followed(*lineages: Lineage | None) -> Lineage | None:
    """Return the first of an author's lineages, followed along those that continue it."""
    first: Lineage | None = None
    for lineage in lineages:
        if lineage is not None and lineage.continues(first):
            first = lineage
    return first


def may_sign(known: Lineage | None, lineage: Lineage | None, slot: Slot) -> bool:
    """Tell whether a slot belongs to the key that a lineage ends with.

    Args:
        known: the author's lineage as far as it was heard, None where his first key counts.
        lineage: of who would sign, None where that is the first key.
        slot: (epoch, seq).
    """
    if known is not None and lineage is not None and not known.agrees_with(lineage):
        return False
    counting = followed(known, lineage)
    return counting is None or counting.holds(lineage, slot)


def step_message(author: bytes, number: int, step: Step) -> bytes:
    """Return the bytes that a step's signature covers.

    Args:
        author: the identity's id.
        number: 1 for the first rotation.
        step: its signature is not part of it.
    """
    said = [author, number, step.key, step.next_digest, step.cut_epoch, step.cut_seq]
    return ROTATION_DOMAIN + _encoder.encode(said)


def check_lineage(lineage: Lineage, author: bytes, limits: Limits) -> None:
    """Check every commitment and signature of a lineage.

    Raises:
        RemoteProtocolError: MALFORMED, WRONG_AUTHOR or BAD_SIGNATURE.
    """
    if not 1 <= len(lineage.steps) <= limits.rotation_count:
        raise RemoteProtocolError(
            RejectReason.MALFORMED,
            f"{len(lineage.steps)} rotations; expected 1 to {limits.rotation_count}",
        )
    if lineage.author != author:
        raise RemoteProtocolError(RejectReason.WRONG_AUTHOR, "the lineage is not the author's")
    digest, cut = lineage.next_digest, (-1, -1)
    for number, step in enumerate(lineage.steps, start=1):
        if (
            len(step.key) != KEY_BYTES
            or len(step.signature) != SIGNATURE_BYTES
            or not 0 <= step.cut_epoch < 1 << 53
            or not 0 <= step.cut_seq < 1 << 63
            or step.cut < cut
        ):
            raise RemoteProtocolError(RejectReason.MALFORMED, f"rotation {number}")
        if sha256(step.key).digest() != digest:
            raise RemoteProtocolError(
                RejectReason.WRONG_AUTHOR, f"rotation {number} has a key that was not committed to"
            )
        if not verify(step.key, step_message(author, number, step), step.signature):
            raise RemoteProtocolError(
                RejectReason.BAD_SIGNATURE, f"the signature of rotation {number} does not fit"
            )
        digest, cut = step.next_digest, step.cut


class Lineages:
    """The rotations that this node knows of, at most `Limits.lineage_count`.

    Whoever is forgotten here is known again from his next record; until then his older keys could
    be used. So those known longest go first, whom trust does not reach before the others.

    Args:
        limits: `lineage_count` and `rotation_count` are used.
    """

    __slots__ = ("_known", "_limits")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known: dict[bytes, Lineage] = {}

    def __len__(self) -> int:
        return len(self._known)

    def known(self, author: bytes) -> Lineage | None:
        """Return the lineage of an author that counts here, None where his first key does."""
        return self._known.get(author)

    def has_room(self, author: bytes) -> bool:
        """Tell whether an author's rotations can be learnt without forgetting somebody else's."""
        return author in self._known or len(self._known) < self._limits.lineage_count

    def is_news(self, author: bytes, lineage: Lineage | None) -> bool:
        """Tell whether a lineage, if it is valid, will count from now on."""
        return lineage is not None and lineage.continues(self._known.get(author))

    def unchecked(self, author: bytes, lineage: Lineage | None) -> int:
        """Return how many signatures `verify` would check at most: none of what is known."""
        return 0 if lineage is None or lineage == self._known.get(author) else len(lineage.steps)

    def check(self, author: bytes, lineage: Lineage | None, slot: Slot) -> None:
        """Check that the key behind a record may sign its slot, as far as is known here.

        Args:
            author: the record's author.
            lineage: as its envelope has it; checked unless it is known already.
            slot: (epoch, seq) of the record.

        Raises:
            RemoteProtocolError: the lineage is wrong (see `check_lineage`), or REVOKED_KEY.
        """
        self.verify(author, lineage)
        if not self.holds(author, lineage, slot):
            raise revoked()

    def verify(self, author: bytes, lineage: Lineage | None) -> None:
        """Check a lineage, unless it is the one that is known.

        Raises:
            RemoteProtocolError: see `check_lineage`.
        """
        if lineage is not None and lineage != self._known.get(author):
            check_lineage(lineage, author, self._limits)

    def holds(self, author: bytes, lineage: Lineage | None, slot: Slot) -> bool:
        """Tell whether a slot belongs to the key that a lineage, not checked here, ends with.

        Args:
            author: of the record in the slot.
            lineage: as its envelope has it.
            slot: (epoch, seq) of the record.
        """
        return may_sign(self._known.get(author), lineage, slot)

    def learn(self, author: bytes, lineage: Lineage, reached: Set[bytes]) -> bytes:
        """Keep a checked lineage that is news; return whose is forgotten for it, or b""."""
        let_off = b""
        if len(self._known) >= self._limits.lineage_count and author not in self._known:
            strangers = (each for each in self._known if each not in reached)
            let_off = next(strangers, next(iter(self._known)))
            del self._known[let_off]
        self._known[author] = lineage
        return let_off


def revoked() -> RemoteProtocolError:
    """Return the refusal of a record of another key than its slot's owner, or of a fork."""
    return RemoteProtocolError(
        RejectReason.REVOKED_KEY, "signed by a key of this author that no longer holds"
    )
