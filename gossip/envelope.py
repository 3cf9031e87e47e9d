"""A record's envelope: its body, and who signed it.

::

    envelope = [body as bytes, key, next_digest, signature, lineage]
    lineage  = nil | [first key, its next_digest, [rotation, ...]]     (`tastemesh.gossip.lineage`)

The signature covers `b"tastemesh/1/record" 00 + body`, checked on the bytes as received and never
on a re-encoding; so canonical form is not a security property. What the body says is read by
`tastemesh.gossip.codec`.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Annotated

import msgspec

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.identity import PublicIdentity, id_of
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.lineage import Lineage, Step
from tastemesh.gossip.record import Record
from tastemesh.gossip.signatures import KEY_BYTES, SIGNATURE_BYTES, SMALL_ORDER_POINTS, verify
from tastemesh.gossip.signer import Signer

Signed = tuple[bytes, bytes, bytes]
"""Key, message and signature."""

Verify = Callable[[bytes, bytes, bytes], bool]
"""Tells whether a signature by a key fits a message: `verify(key, message, signature)`."""

RECORD_DOMAIN = b"tastemesh/1/record\x00"
DIGEST_BYTES = 32

# Each has one length, and nothing that has another is looked at any further.
_Key = Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
_Digest = Annotated[bytes, msgspec.Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
_Signature = Annotated[bytes, msgspec.Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]

# What msgspec raises for bytes that do not decode: its own error, a lone surrogate or bad UTF-8 in
# a string, and nesting deeper than the interpreter's stack.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Envelope(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The parts of an envelope, in the order in which they travel."""

    body: bytes
    key: _Key
    next_digest: _Digest
    signature: _Signature
    lineage: Lineage | None


class Opened(msgspec.Struct, frozen=True):
    """An envelope taken apart; nothing in it is believed yet.

    Attributes:
        envelope: the bytes as received.
        record_id: of the record in it; empty where the bytes are no envelope.
        outer: its parts; None where the bytes are no envelope, which `codec.read` says why.
    """

    envelope: bytes
    record_id: bytes
    outer: Envelope | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Envelope)


def record_id(body: bytes) -> bytes:
    """Return the id of the record with this body: its SHA-256, 32 bytes."""
    return sha256(body).digest()


def open_envelope(envelope: bytes, limits: Limits) -> Opened:
    """Take an envelope apart and check nothing else: dedupe by its id before the hard work.

    Never raises: for what is no envelope, `codec.read` says so.
    """
    try:
        outer = take_apart(envelope, limits)
    except RemoteProtocolError:
        return Opened(envelope, b"", None)
    return Opened(envelope, record_id(outer.body), outer)


def open_public(envelope: bytes, limits: Limits) -> PublicIdentity:
    """Return the keys that came in an envelope, unchecked.

    Raises:
        RemoteProtocolError: it is too large or not an envelope.
    """
    outer = take_apart(envelope, limits)
    return PublicIdentity(outer.key, outer.next_digest)


def take_apart(envelope: bytes, limits: Limits) -> Envelope:
    """Return the parts of an envelope, unchecked but for the lengths that they have.

    Raises:
        RemoteProtocolError: it is too large or not an envelope.
    """
    if len(envelope) > limits.record_bytes:
        raise RemoteProtocolError(
            RejectReason.OVERSIZED, f"{len(envelope)} bytes; at most {limits.record_bytes}"
        )
    try:
        return _decoder.decode(envelope)
    except UNDECODABLE as error:
        raise RemoteProtocolError(RejectReason.MALFORMED, f"envelope: {error}") from None


def has_form(lineage: Lineage, limits: Limits) -> bool:
    """Tell whether a lineage has as many steps as it may, and all in it the lengths that it has."""
    commitments: tuple[Lineage | Step, ...] = (lineage, *lineage.steps)
    return (
        1 <= len(lineage.steps) <= limits.rotation_count
        and all(len(each.key) == KEY_BYTES for each in commitments)
        and all(len(each.next_digest) == DIGEST_BYTES for each in commitments)
        and all(len(step.signature) == SIGNATURE_BYTES for step in lineage.steps)
    )


def authenticate(record: Record, limits: Limits) -> None:
    """Check that the key in a record's envelope signed it; see `authenticate_opened`."""
    authenticate_opened(record, open_envelope(record.envelope, limits))


def signed_parts(opened: Opened) -> Signed:
    """Return what the check of an envelope's signature depends on, and nothing else does.

    Args:
        opened: an envelope; bytes that are none have no signature.
    """
    outer = opened.outer
    assert outer is not None
    return outer.key, RECORD_DOMAIN + outer.body, outer.signature


def check_key(record: Record, opened: Opened) -> None:
    """Check that the key in an envelope is one that its record's author may have: hashes only.

    So nobody's signature is checked for bytes that anybody could have put together in any name. The
    key is his if the rotations that came with it hold, which `Lineages.verify` tells.

    Args:
        record: as `codec.read` returned it.
        opened: what it was read from.

    Raises:
        RemoteProtocolError: the key is weak, or not the author's.
    """
    outer = opened.outer
    assert outer is not None  # or there would be no record
    if outer.key in SMALL_ORDER_POINTS:
        raise RemoteProtocolError(RejectReason.WEAK_KEY, "a key of small order")
    lineage = outer.lineage
    if lineage is None:
        is_his = id_of(outer.key, outer.next_digest) == record.author
    else:
        is_his = lineage.author == record.author and lineage.ends_with(
            PublicIdentity(outer.key, outer.next_digest)
        )
    if not is_his:
        raise RemoteProtocolError(RejectReason.WRONG_AUTHOR, "the key is not the author's")


def authenticate_opened(record: Record, opened: Opened, verify: Verify = verify) -> None:
    """Check that the key in an envelope signed it: the expensive part, 0.1 to 0.25 ms.

    Args:
        record: as `codec.read` returned it.
        opened: what it was read from.
        verify: checks a signature, or knows the answer already.

    Raises:
        RemoteProtocolError: see `check_key`; or the signature does not fit.
    """
    check_key(record, opened)
    if not verify(*signed_parts(opened)):
        raise RemoteProtocolError(RejectReason.BAD_SIGNATURE, "the signature does not fit")


def wrap(body: bytes, signer: Signer) -> bytes:
    """Return the signed envelope around a body."""
    public = signer.public
    signature = signer.sign(RECORD_DOMAIN + body)
    return _encoder.encode(
        Envelope(body, public.key, public.next_digest, signature, signer.lineage)
    )


def sign_again(opened: Opened, signer: Signer) -> bytes:
    """Return an envelope of ours made anew around its body, which is what it was.

    Args:
        opened: the envelope; it must have a body.
        signer: the author.
    """
    assert opened.outer is not None
    return wrap(opened.outer.body, signer)
