"""Bytes to records and back, strictly.

Wire format, version 1 (MessagePack, positional arrays, integers only)::

    body     = [1, network, author, epoch, seq, prev, created_ms, [statement, ...]]
    envelope = [body as bytes, key, ...]                   `tastemesh.gossip.envelope`
    bundle   = [envelope as bytes, ...]                    `tastemesh.gossip.bundles`

Decoding refuses unknown or missing fields, wrong types, trailing bytes and values over their
limits. `decode` either returns a record or raises `RemoteProtocolError` with a `RejectReason`: no
bytes whatever make it do anything else.
"""

from typing import Annotated

import msgspec

from tastemesh.errors import RemoteProtocolError, UsageError
from tastemesh.gossip.envelope import (
    UNDECODABLE,
    Envelope,
    Opened,
    authenticate,
    has_form,
    open_envelope,
    take_apart,
    wrap,
)
from tastemesh.gossip.identity import ID_BYTES
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.lineage import Lineages
from tastemesh.gossip.record import Record, Said, Statement, Unknown
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.statements import MAX_EPOCH, MAX_INT64, are_interactions, check_statements

VERSION = 1
PREV_BYTES = 16

_Id = Annotated[bytes, msgspec.Meta(min_length=ID_BYTES, max_length=ID_BYTES)]

_KNOWN_TAGS = (1, 2, 3, 4)


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


_encoder = msgspec.msgpack.Encoder()
_body_decoder = msgspec.msgpack.Decoder(_Body)
_open_body_decoder = msgspec.msgpack.Decoder(_OpenBody)
_statement_decoder: msgspec.msgpack.Decoder[Said] = msgspec.msgpack.Decoder(Said)
_any_array_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])
_tag_decoder = msgspec.msgpack.Decoder(int)

_SHORTEST_BODY = _OpenBody(VERSION, "n", bytes(ID_BYTES), 0, 1, b"", 0, [msgspec.Raw(b"\x91\x01")])
_SHORTEST = Envelope(_encoder.encode(_SHORTEST_BODY), bytes(32), bytes(32), bytes(64), None)

LEAST_ENVELOPE_BYTES = len(_encoder.encode(_SHORTEST))
"""No envelope is smaller: a record whose one statement is a bare tag, in a network of one letter.

MessagePack has no shorter encoding of anything in it than ours.
"""


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
    outer = opened.outer or take_apart(opened.envelope, limits)
    statements: tuple[Statement, ...]
    body: _Body | _OpenBody
    try:
        body = _body_decoder.decode(outer.body)
        statements = tuple(body.statements)
    except UNDECODABLE:
        try:
            body, statements = _decode_open(outer.body, limits.statement_count)
        except UNDECODABLE as error:
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
    if outer.lineage is not None and not has_form(outer.lineage, limits):
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
    envelope = wrap(body, signer)
    try:
        return parse(envelope, network, limits)
    except RemoteProtocolError as error:
        raise UsageError(error.detail) from None
