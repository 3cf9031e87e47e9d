"""Bytes to records and back, strictly.

Wire format, version 1 (MessagePack, positional arrays, integers only)::

    body     = [1, network, author, epoch, seq, prev, created_ms, [statement, ...]]
    envelope = [body as bytes, key, next_digest, signature, lineage]
    lineage  = nil | [first key, its next_digest, [rotation, ...]]     (`tastemesh.gossip.lineage`)
    bundle   = [envelope as bytes, ...]                    one MQTT payload

The signature covers `b"tastemesh/1/record" 00 + body`, checked on the bytes as received and never
on a re-encoding; so canonical form is not a security property. Decoding refuses unknown or missing
fields, wrong types, trailing bytes and values over their limits. `decode` either returns a record
or raises `RemoteProtocolError` with a `RejectReason`: no bytes whatever make it do anything else.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Annotated

import msgspec

from tastemesh.errors import RemoteProtocolError, UsageError
from tastemesh.gossip.identity import ID_BYTES, PublicIdentity, id_of
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.lineage import Lineage, Lineages, Step
from tastemesh.gossip.record import Record, Said, Statement, Unknown
from tastemesh.gossip.signatures import KEY_BYTES, SIGNATURE_BYTES, SMALL_ORDER_POINTS, verify
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.statements import MAX_EPOCH, MAX_INT64, are_interactions, check_statements

Signed = tuple[bytes, bytes, bytes]
"""Key, message and signature."""

Verify = Callable[[bytes, bytes, bytes], bool]
"""Tells whether a signature by a key fits a message: `verify(key, message, signature)`."""

VERSION = 1
PREV_BYTES = 16
DIGEST_BYTES = 32

# Each has one length, and nothing that has another is looked at any further.
_Id = Annotated[bytes, msgspec.Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
_Key = Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
_Digest = Annotated[bytes, msgspec.Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
_Signature = Annotated[bytes, msgspec.Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]

RECORD_DOMAIN = b"tastemesh/1/record\x00"
_KNOWN_TAGS = (1, 2, 3, 4)

# What msgspec raises for bytes that do not decode: its own error, a lone surrogate or bad UTF-8 in
# a string, and nesting deeper than the interpreter's stack.
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Body(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    version: int
    network: str
    author: _Id
    epoch: int
    seq: int
    prev: bytes
    created_ms: int
    statements: list[Said]


class _OpenBody(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The same body with its statements left unread: the way to kinds that we do not know."""

    version: int
    network: str
    author: _Id
    epoch: int
    seq: int
    prev: bytes
    created_ms: int
    statements: list[msgspec.Raw]


class _Envelope(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
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
        outer: its parts; None where the bytes are no envelope, which `read` says why.
    """

    envelope: bytes
    record_id: bytes
    outer: _Envelope | None


_encoder = msgspec.msgpack.Encoder()
_envelope_decoder = msgspec.msgpack.Decoder(_Envelope)
_body_decoder = msgspec.msgpack.Decoder(_Body)
_open_body_decoder = msgspec.msgpack.Decoder(_OpenBody)
_statement_decoder: msgspec.msgpack.Decoder[Said] = msgspec.msgpack.Decoder(Said)
_any_array_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])
_tag_decoder = msgspec.msgpack.Decoder(int)
_bundle_decoder = msgspec.msgpack.Decoder(list[bytes])


_SHORTEST_BODY = _OpenBody(VERSION, "n", bytes(ID_BYTES), 0, 1, b"", 0, [msgspec.Raw(b"\x91\x01")])
_SHORTEST = _Envelope(_encoder.encode(_SHORTEST_BODY), bytes(32), bytes(32), bytes(64), None)

LEAST_ENVELOPE_BYTES = len(_encoder.encode(_SHORTEST))
"""No envelope is smaller: a record whose one statement is a bare tag, in a network of one letter.

MessagePack has no shorter encoding of anything in it than ours.
"""


def _decode_open(body: bytes, most: int) -> tuple[_OpenBody, tuple[Statement, ...]]:
    """Decode a body some of whose statements may be of unknown kinds.

    Only as many of these are read as there may be, and one more: 16 KiB hold 8,000.
    """
    opened = _open_body_decoder.decode(body)
    statements: list[Statement] = []
    for raw in opened.statements[: most + 1]:
        fields = _any_array_decoder.decode(raw)
        tag = _tag_decoder.decode(fields[0]) if fields else 0
        statements.append(
            _statement_decoder.decode(raw) if tag in _KNOWN_TAGS or tag <= 0 else Unknown(tag)
        )
    return opened, tuple(statements)


def record_id(body: bytes) -> bytes:
    """Return the id of the record with this body: its SHA-256, 32 bytes."""
    return sha256(body).digest()


def open_envelope(envelope: bytes, limits: Limits) -> Opened:
    """Take an envelope apart and check nothing else: dedupe by its id before the hard work.

    Never raises: for what is no envelope, `read` says so.
    """
    try:
        outer = _open_envelope(envelope, limits)
    except RemoteProtocolError:
        return Opened(envelope, b"", None)
    return Opened(envelope, record_id(outer.body), outer)


def open_public(envelope: bytes, limits: Limits) -> PublicIdentity:
    """Return the keys that came in an envelope, unchecked.

    Raises:
        RemoteProtocolError: it is too large or not an envelope.
    """
    outer = _open_envelope(envelope, limits)
    return PublicIdentity(outer.key, outer.next_digest)


def _open_envelope(envelope: bytes, limits: Limits) -> _Envelope:
    if len(envelope) > limits.record_bytes:
        raise RemoteProtocolError(
            RejectReason.OVERSIZED, f"{len(envelope)} bytes; at most {limits.record_bytes}"
        )
    try:
        return _envelope_decoder.decode(envelope)
    except _UNDECODABLE as error:
        raise RemoteProtocolError(RejectReason.MALFORMED, f"envelope: {error}") from None


def decode(envelope: bytes, network: str, limits: Limits) -> Record:
    """Return the record in `envelope` after every check that needs neither clock nor state.

    Args:
        envelope: bytes as received.
        network: the network id that the record must be for.
        limits: the wire limits.

    Raises:
        RemoteProtocolError: with the reason; the only exception for any bytes.
    """
    record = parse(envelope, network, limits)
    authenticate(record, limits)
    Lineages(limits).check(record.author, record.lineage, record.slot)
    return record


def parse(envelope: bytes, network: str, limits: Limits) -> Record:
    """Return what `envelope` says, its form and limits checked but *not who says it*.

    For bytes that were authenticated before, as in our own store, and for refusing what is cheap to
    refuse before paying for a signature check.

    Args:
        envelope: bytes as received.
        network: the network id that the record must be for.
        limits: the wire limits.

    Raises:
        RemoteProtocolError: with the reason; the only exception for any bytes.
    """
    return read(open_envelope(envelope, limits), network, limits)


def read(opened: Opened, network: str, limits: Limits, *, is_known: bool = False) -> Record:
    """Return what an opened envelope says; see `parse`.

    Args:
        opened: the envelope.
        network: the network id that the record must be for.
        limits: the wire limits.
        is_known: these very bytes have been read before, so its statements keep to the limits.

    Raises:
        RemoteProtocolError: with the reason; the only exception for any bytes.
    """
    outer = opened.outer or _open_envelope(opened.envelope, limits)
    statements: tuple[Statement, ...]
    body: _Body | _OpenBody
    try:
        body = _body_decoder.decode(outer.body)
        statements = tuple(body.statements)
    except _UNDECODABLE:
        try:
            body, statements = _decode_open(outer.body, limits.statement_count)
        except _UNDECODABLE as error:
            raise RemoteProtocolError(RejectReason.MALFORMED, f"body: {error}") from None
    if body.version != VERSION:
        raise RemoteProtocolError(RejectReason.WRONG_VERSION, f"{body.version}; expected {VERSION}")
    if body.network != network:
        raise RemoteProtocolError(RejectReason.WRONG_NETWORK, "signed for another network")
    if not 1 <= len(statements) <= limits.statement_count:
        raise RemoteProtocolError(
            RejectReason.STATEMENT_LIMIT,
            f"{len(body.statements)} statements; expected 1 to {limits.statement_count}",
        )
    if not (
        0 <= body.epoch <= MAX_EPOCH
        and 1 <= body.seq <= MAX_INT64
        and 0 <= body.created_ms <= MAX_INT64
        and len(body.prev) in (0, PREV_BYTES)
    ):
        raise RemoteProtocolError(RejectReason.MALFORMED, "epoch, seq, date or prev out of range")
    if outer.lineage is not None and not _has_form(outer.lineage, limits):
        raise RemoteProtocolError(RejectReason.MALFORMED, "lineage: a length or a count")
    return Record(
        opened.record_id,
        body.author,
        body.epoch,
        body.seq,
        body.prev,
        body.created_ms,
        statements,
        opened.envelope,
        outer.lineage,
        are_interactions(statements) if is_known else check_statements(statements, limits),
    )


def _has_form(lineage: Lineage, limits: Limits) -> bool:
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
        record: as `read` returned it.
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
        record: as `read` returned it.
        opened: what it was read from.
        verify: checks a signature, or knows the answer already.

    Raises:
        RemoteProtocolError: see `check_key`; or the signature does not fit.
    """
    check_key(record, opened)
    if not verify(*signed_parts(opened)):
        raise RemoteProtocolError(RejectReason.BAD_SIGNATURE, "the signature does not fit")


def sign_record(
    signer: Signer,
    network: str,
    epoch: int,
    seq: int,
    prev: bytes,
    created_ms: int,
    statements: tuple[Said, ...],
    limits: Limits,
) -> Record:
    """Return a record of ours, signed.

    Args:
        signer: the author.
        network: network id.
        epoch: the author's current epoch.
        seq: next sequence number, 1 and up.
        prev: id of the author's previous record in this epoch, or empty.
        created_ms: milliseconds since 1970.
        statements: 1 to 256.
        limits: the wire limits.

    Raises:
        UsageError: a statement or the whole breaks a wire limit; says which and what is expected.
    """
    try:
        check_statements(statements, limits)
    except RemoteProtocolError as error:
        raise UsageError(error.detail) from None
    body = _encoder.encode(
        _Body(
            VERSION,
            network,
            signer.id,
            epoch,
            seq,
            prev[:PREV_BYTES],
            created_ms,
            list(statements),
        )
    )
    envelope = _wrap(body, signer)
    try:
        return parse(envelope, network, limits)
    except RemoteProtocolError as error:
        raise UsageError(error.detail) from None


def sign_again(opened: Opened, signer: Signer) -> bytes:
    """Return an envelope of ours made anew around its body, which is what it was.

    Args:
        opened: the envelope; it must have a body.
        signer: the author.
    """
    assert opened.outer is not None
    return _wrap(opened.outer.body, signer)


def _wrap(body: bytes, signer: Signer) -> bytes:
    """Return the signed envelope around a body."""
    public = signer.public
    signature = signer.sign(RECORD_DOMAIN + body)
    return _encoder.encode(
        _Envelope(body, public.key, public.next_digest, signature, signer.lineage)
    )


def pack_bundles(envelopes: list[bytes], limits: Limits) -> list[bytes]:
    """Pack envelopes into as few MQTT payloads as `limits.payload_bytes` allows, in order.

    One that is too small to be any is left out: a disk may have cut it, and the others it travels
    with would be refused for it.
    """
    bundles: list[bytes] = []
    batch: list[bytes] = []
    size = 8  # array header
    for envelope in envelopes:
        if len(envelope) < LEAST_ENVELOPE_BYTES:
            continue
        cost = len(envelope) + 5  # bin header
        if batch and size + cost > limits.payload_bytes:
            bundles.append(_encoder.encode(batch))
            batch, size = [], 8
        batch.append(envelope)
        size += cost
    if batch:
        bundles.append(_encoder.encode(batch))
    return bundles


def unpack_bundle(payload: bytes, limits: Limits) -> list[bytes]:
    """Return the envelopes in an MQTT payload, unchecked but for their size.

    One that is too small to be any refuses the whole: each would cost a report, and 64 KiB hold
    32,000 of them. So a bundle has 350 envelopes at most.

    Raises:
        RemoteProtocolError: too large, not a bundle, or with what cannot be an envelope.
    """
    if len(payload) > limits.payload_bytes:
        raise RemoteProtocolError(
            RejectReason.OVERSIZED, f"{len(payload)} bytes; at most {limits.payload_bytes}"
        )
    try:
        envelopes = _bundle_decoder.decode(payload)
    except _UNDECODABLE as error:
        raise RemoteProtocolError(RejectReason.MALFORMED, f"bundle: {error}") from None
    if envelopes and min(map(len, envelopes)) < LEAST_ENVELOPE_BYTES:
        short = sum(len(envelope) < LEAST_ENVELOPE_BYTES for envelope in envelopes)
        raise RemoteProtocolError(
            RejectReason.MALFORMED,
            f"bundle: {short} of {len(envelopes)} envelopes below {LEAST_ENVELOPE_BYTES} bytes",
        )
    return envelopes
