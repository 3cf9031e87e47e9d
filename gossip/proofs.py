"""Proofs of equivocation: two records that one author signed under one (author, epoch, seq).

A proof convinces whoever has never heard of either record, so it is portable: it needs nothing but
the two envelopes. Its author counts for nothing from then on. Honest authors cannot make one by
accident, since numbers are committed before they are used (`tastemesh.gossip.authorship`) and a
restored copy starts another epoch.

A thief of a key can make one. So both records must be signed by the key that their slot belongs to,
under the lineage that counts: the one that a node knows, or what continues it of those that the two
bring. Where that takes the slot from the key, its author is let off. He has lost what
the key said above the cut, and one of 16 rotations; so whoever equivocates in earnest gets 16 more
attempts at most, each of which costs him all that he said, and what the last key signed twice is
final. A fork lets nobody off.
"""

from collections.abc import Iterator, Set

import msgspec

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip import codec
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.record import Record

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[bytes, bytes])


class ConvictedError(RemoteProtocolError):
    """A record that says to be from an author who has equivocated.

    Args:
        author: whom it names, unverified.
    """

    def __init__(self, author: bytes) -> None:
        super().__init__(RejectReason.CONVICTED, "the author has equivocated")
        self.author = author


def encode_proof(first: Record, second: Record) -> bytes:
    """Return the proof that two records make, the same in whatever order they came."""
    pair = sorted((first, second), key=lambda record: record.id)
    return _encoder.encode([record.envelope for record in pair])


def open_proof(proof: bytes, network: str, limits: Limits) -> tuple[Record, Record]:
    """Return the two records of a proof, in form and slot such as a proof has them, unverified.

    Raises:
        RemoteProtocolError: with the reason; the only exception for any bytes.
    """
    if len(proof) > limits.payload_bytes:
        raise RemoteProtocolError(RejectReason.OVERSIZED, f"proof of {len(proof)} bytes")
    try:
        envelopes = _decoder.decode(proof)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(RejectReason.MALFORMED, f"proof: {error}") from None
    first, second = (codec.parse(envelope, network, limits) for envelope in envelopes)
    if (first.author, first.slot) != (second.author, second.slot) or first.id >= second.id:
        raise RemoteProtocolError(RejectReason.MALFORMED, "proof: no two records of one slot")
    return first, second


class Proofs:
    """The convicted, at most `Limits.proof_count`, each with the proof; oldest out first.

    Args:
        limits: `proof_count` is used.
    """

    __slots__ = ("_limits", "_proofs")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._proofs: dict[bytes, bytes] = {}

    def __contains__(self, author: bytes) -> bool:
        return author in self._proofs

    def __len__(self) -> int:
        return len(self._proofs)

    def __iter__(self) -> Iterator[bytes]:
        """Go over the convicted, oldest proof first."""
        return iter(self._proofs)

    def proof(self, author: bytes) -> bytes | None:
        """Return the proof against an author, if there is one."""
        return self._proofs.get(author)

    def author_of(self, proof: bytes) -> bytes | None:
        """Return whom this very proof convicted, or None if it is not held."""
        return next((author for author, held in self._proofs.items() if held == proof), None)

    def drop(self, author: bytes) -> None:
        """Let an author off whose proof no longer holds."""
        self._proofs.pop(author, None)

    def add(self, author: bytes, proof: bytes, reached: Set[bytes]) -> bytes | None:
        """Keep a verified proof; return the author who is let off for it in a full table.

        Strangers are let off first: a flood of identities that convict themselves must not free
        somebody whom trust reaches.
        """
        let_off: bytes | None = None
        if len(self._proofs) >= self._limits.proof_count and author not in self._proofs:
            strangers = (each for each in self._proofs if each not in reached)
            let_off = next(strangers, next(iter(self._proofs)))
            del self._proofs[let_off]
        self._proofs[author] = proof
        return let_off
