"""What is said: statements, and the record that carries up to 256 of one author's.

A record is the unit that is signed, stored, relayed and evicted. Batching carries the cost of the
signature: Ed25519 verification dominates ingestion (0.1 to 0.25 ms), so 64 statements a record make
it 2 to 4 us each (ecosystem research, section 2).
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Generic, Self, TypeVar, overload

import msgspec

from tastemesh.gossip.lineage import Lineage

# Weights are integers on the wire: floats have several encodings of one value.
WEIGHT_SCALE = 10_000

# Of an envelope's hash: who would pass another one for it has 2^64 to try, for each record anew.
_PRINT_BYTES = 8

# Kinds of interaction that say "not for me". They are never holdings; they cost whoever carried the
# item to this user (design, section 6).
REJECTION_KINDS = frozenset({"skip", "dislike"})


class Interaction(msgspec.Struct, frozen=True, array_like=True, tag=1, forbid_unknown_fields=True):
    """The author did something with an item.

    Attributes:
        item: opaque UTF-8 id, 1 to 256 bytes, no control characters.
        kind: a lower-case word such as `listen`, `like`, `skip`.
        weight_q: strength in 1/10,000; 1 to 10,000.
        ago_ms: how long before the record's date it happened; 0 or more, and 0 where the bytes end
            before it. Relative, so that no interaction can be later than its record, and a fresh
            one costs one byte.
    """

    item: str
    kind: str
    weight_q: int
    ago_ms: int = 0

    @property
    def weight(self) -> float:
        """Strength in (0, 1]."""
        return self.weight_q / WEIGHT_SCALE


class Endorsement(msgspec.Struct, frozen=True, array_like=True, tag=2, forbid_unknown_fields=True):
    """The author vouches for, withdraws from, or distrusts a subject.

    Attributes:
        subject: the identity's id, 32 bytes.
        weight_q: trust in 1/10,000; -10,000 to 10,000, 0 withdraws.
    """

    subject: bytes
    weight_q: int

    @property
    def weight(self) -> float:
        """Trust in [-1, 1]."""
        return self.weight_q / WEIGHT_SCALE


class Forget(msgspec.Struct, frozen=True, array_like=True, tag=3, forbid_unknown_fields=True):
    """The author takes back what he said in some of his own records.

    Attributes:
        epoch: of the records.
        first_seq: the first of them, 1 or more.
        last_seq: the last of them, `first_seq` or more.
    """

    epoch: int
    first_seq: int
    last_seq: int

    def covers(self, epoch: int, seq: int) -> bool:
        """Tell whether it takes back this slot."""
        return epoch == self.epoch and self.first_seq <= seq <= self.last_seq


class Rotation(msgspec.Struct, frozen=True, array_like=True, tag=4, forbid_unknown_fields=True):
    """The author signs with another key from now on; the proof is in the envelope.

    Attributes:
        number: of the key, 1 for the first rotation.
    """

    number: int


class Unknown(msgspec.Struct, frozen=True):
    """A statement of a kind that this version does not know: kept and relayed, never ranked.

    Attributes:
        tag: the number that names its kind.
    """

    tag: int


Notice = Forget | Rotation
"""What stays when its author takes back everything: that he did, and by which key."""

Statement = Interaction | Endorsement | Forget | Rotation | Unknown

Said = Interaction | Endorsement | Forget | Rotation
"""What this version can say."""


def print_of(envelope: bytes) -> bytes:
    """Return what tells an envelope from others around the same body, 8 bytes."""
    return sha256(envelope).digest()[:_PRINT_BYTES]


_Found = TypeVar("_Found")


class _FoundOnce(Generic[_Found]):
    """A property of a record that is found at its first use.

    As `functools.cached_property`, whose lock takes longer than what is found here: five of these
    are looked at as a record comes in. Two threads may find one twice, and find the same.
    """

    def __init__(self, find: Callable[[Any], _Found]) -> None:
        self._find = find
        self._name = find.__name__
        self.__doc__ = find.__doc__

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...

    @overload
    def __get__(self, record: object, owner: type) -> _Found: ...

    def __get__(self, record: object | None, owner: type) -> Self | _Found:
        if record is None:
            return self
        found = record.__dict__[self._name] = self._find(record)
        return found


Vouch = tuple[bytes, tuple[int, int, int], int]
"""An endorsement with its place: subject, (epoch, seq, place in the record) and weight_q."""


class Record(msgspec.Struct, frozen=True, dict=True):  # the dictionary has what was found in it
    """A decoded record together with the bytes it came in.

    What follows from its bytes alone is found once: nodes that are simulated share their records.

    Attributes:
        id: SHA-256 of the body, 32 bytes; the signature is not part of it, so that a second valid
            signature cannot mint a second id.
        author: id of the identity that signed, 32 bytes.
        epoch: 0 for a fresh lineage; a restore, a second device or a rotation starts another one.
        seq: 1 and up within (author, epoch); gaps are allowed.
        prev: first 16 bytes of the previous record's id, or empty for the first.
        created_ms: the author's date, milliseconds since 1970. Never decides anything alone.
        statements: 1 to 256.
        envelope: the signed bytes exactly as received; relays and evidence use these.
        lineage: the rotations that its envelope brought, or None for an author's first key.
        is_plain: where True, every statement is an interaction; where False, some may not be.
    """

    id: bytes
    author: bytes
    epoch: int
    seq: int
    prev: bytes
    created_ms: int
    statements: tuple[Statement, ...]
    envelope: bytes
    lineage: Lineage | None = None
    is_plain: bool = False

    @_FoundOnce
    def slot(self) -> tuple[int, int]:
        """(epoch, seq)."""
        return self.epoch, self.seq

    @_FoundOnce
    def interactions(self) -> tuple[Interaction, ...]:
        """The statements that are interactions, in order."""
        if self.is_plain:
            return self.statements  # type: ignore[return-value] # as is_plain says
        return tuple(s for s in self.statements if isinstance(s, Interaction))

    @_FoundOnce
    def endorsements(self) -> tuple[Endorsement, ...]:
        """The statements that are endorsements, in order."""
        if self.is_plain:
            return ()
        return tuple(s for s in self.statements if isinstance(s, Endorsement))

    @_FoundOnce
    def vouches(self) -> tuple[Vouch, ...]:
        """The statements that are endorsements, in order, with their places."""
        if self.is_plain:
            return ()
        return tuple(
            (said.subject, (self.epoch, self.seq, place), said.weight_q)
            for place, said in enumerate(self.statements)
            if isinstance(said, Endorsement)
        )

    @_FoundOnce
    def notices(self) -> tuple[Notice, ...]:
        """The statements that are notices, in order: a record with any is never forgotten."""
        if self.is_plain:
            return ()
        return tuple(s for s in self.statements if isinstance(s, Notice))

    @_FoundOnce
    def envelope_print(self) -> bytes:
        """`print_of` its envelope."""
        return print_of(self.envelope)
