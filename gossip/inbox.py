"""Inbox messages: what two nodes write to each other, and nobody else reads.

On the wire (MessagePack, positional)::

    [0, sender node, reconciliation frame, mask of shards]
    [1, sender node, bundle of records, 0]
    [2, sender node, proof of equivocation, 0]
    [3, sender node, [presence, reconciliation frame], mask of shards]

The sender field is a hint and proves nothing; presence, records and proofs carry their own
signatures.
"""

import msgspec

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.identity import ID_BYTES
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.topics import ALL_SHARDS

FRAME, BUNDLE, PROOF, INTRODUCED = 0, 1, 2, 3
"""Tags of the four kinds."""

WRAPPER_BYTES = 64
"""Tag, node id, mask and headers around a bundle."""


class Message(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What came into our inbox.

    Attributes:
        tag: 0 for a frame, 1 for a bundle, 2 for a proof, 3 for a frame with a presence.
        sender: the node that it claims to be from.
        content: the frame, the bundle, the proof, or an `Introduction` encoded.
        mask: for a frame, the shards whose records are compared; else 0.
    """

    tag: int
    sender: bytes
    content: bytes
    mask: int

    @property
    def is_bundle(self) -> bool:
        """Whether it brings records."""
        return self.tag == BUNDLE

    @property
    def introduction(self) -> "Introduction | None":
        """The presence and the frame that it brings, if it does.

        Raises:
            RemoteProtocolError: they do not decode.
        """
        if self.tag != INTRODUCED:
            return None
        try:
            return _introduction_decoder.decode(self.content)
        except (msgspec.DecodeError, RecursionError) as error:
            raise RemoteProtocolError(RejectReason.MALFORMED, f"introduction: {error}") from None

    @property
    def is_proof(self) -> bool:
        """Whether it brings a proof."""
        return self.tag == PROOF


class Introduction(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A first frame and who sends it.

    Attributes:
        presence: the sender's, as it would be published.
        frame: the reconciliation frame.
    """

    presence: bytes
    frame: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)
_introduction_decoder = msgspec.msgpack.Decoder(Introduction)


def read_message(payload: bytes, limits: Limits) -> Message:
    """Decode an inbox message.

    Raises:
        RemoteProtocolError: with the reason; the only exception for any bytes.
    """
    if len(payload) > limits.payload_bytes:
        raise RemoteProtocolError(RejectReason.OVERSIZED, f"{len(payload)} bytes in the inbox")
    try:
        message = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(RejectReason.MALFORMED, f"inbox: {error}") from None
    if (
        message.tag not in (FRAME, BUNDLE, PROOF, INTRODUCED)
        or len(message.sender) != ID_BYTES
        or not 0 <= message.mask <= ALL_SHARDS
    ):
        raise RemoteProtocolError(RejectReason.MALFORMED, "inbox: tag, sender or mask")
    return message


def written(message: Message) -> bytes:
    """Encode an inbox message."""
    return _encoder.encode(message)


def introduction(presence: bytes, frame: bytes) -> bytes:
    """Encode what an INTRODUCED message brings."""
    return _encoder.encode(Introduction(presence, frame))
