"""Envelopes to MQTT payloads and back: a bundle is a MessagePack array of them, each as bytes."""

import msgspec

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.codec import LEAST_ENVELOPE_BYTES
from tastemesh.gossip.envelope import UNDECODABLE
from tastemesh.gossip.limits import Limits, RejectReason

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[bytes])


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
        envelopes = _decoder.decode(payload)
    except UNDECODABLE as error:
        raise RemoteProtocolError(RejectReason.MALFORMED, f"bundle: {error}") from None
    if envelopes and min(map(len, envelopes)) < LEAST_ENVELOPE_BYTES:
        short = sum(len(envelope) < LEAST_ENVELOPE_BYTES for envelope in envelopes)
        raise RemoteProtocolError(
            RejectReason.MALFORMED,
            f"bundle: {short} of {len(envelopes)} envelopes below {LEAST_ENVELOPE_BYTES} bytes",
        )
    return envelopes
