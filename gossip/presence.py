"""Signed presence: which nodes are there, and where their inboxes are.

A node signs presence with a key of its own, not with an identity's, so an inbox is not a list of
who lives behind it. It says which shards the node reads, so that two nodes reconcile what both want
and nothing else; a broker sees that anyway. Presence is soft state: unheard of for
`Limits.peer_age_ms`, forgotten (`tastemesh.gossip.sampling`).

The presence with which a node introduces itself in an inbox is signed for that inbox and for one
exchange. Otherwise whoever hears it, in public or in an inbox of his own, could begin an exchange
in its name with anybody.
"""

import msgspec

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.envelope import Verify
from tastemesh.gossip.identity import PublicIdentity
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.signatures import verify
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import ALL_SHARDS

_PRESENCE_DOMAIN = b"tastemesh/1/presence\x00"
_INTRODUCTION_DOMAIN = b"tastemesh/1/introduction\x00"
_PRESENCE_BYTES = 512  # the longest valid message has about 300


class _Presence(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    version: int
    network: str
    node: bytes
    sent_ms: int
    shards: int


class _SignedPresence(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    body: bytes
    key: bytes
    next_digest: bytes
    signature: bytes


_encoder = msgspec.msgpack.Encoder()
_outer_decoder = msgspec.msgpack.Decoder(_SignedPresence)
_inner_decoder = msgspec.msgpack.Decoder(_Presence)


class Presence(msgspec.Struct, frozen=True):
    """What a node says of itself.

    Attributes:
        node: its id, 32 bytes.
        mask: the shards that it reads; bit s stands for shard s.
        sent_ms: its date.
    """

    node: bytes
    mask: int
    sent_ms: int

    def check_date(self, wall_ms: int, limits: Limits) -> None:
        """Check that it is fresh.

        Raises:
            RemoteProtocolError: FROM_FUTURE or TOO_OLD.
        """
        if self.sent_ms > wall_ms + limits.skew_ms:
            raise RemoteProtocolError(RejectReason.FROM_FUTURE, "presence from the future")
        if self.sent_ms < wall_ms - limits.peer_age_ms:
            raise RemoteProtocolError(RejectReason.TOO_OLD, "presence replayed or delayed")


def sign_presence(
    signer: Signer, network: str, wall_ms: int, mask: int = ALL_SHARDS, context: bytes = b""
) -> bytes:
    """Return this node's presence message.

    Args:
        signer: the node's own key.
        network: network id.
        wall_ms: wall clock.
        mask: the shards that it reads.
        context: for an introduction, the id of the node that it is for and the salt of the
            exchange; empty where it is published.
    """
    body = _encoder.encode(_Presence(1, network, signer.id, wall_ms, mask))
    public = signer.public
    signature = signer.sign(_signed(body, context))
    return _encoder.encode(_SignedPresence(body, public.key, public.next_digest, signature))


def parse_presence(payload: bytes, network: str) -> Presence:
    """Return what a presence message says, unchecked who says it.

    Raises:
        RemoteProtocolError: with the reason; the only exception for any bytes.
    """
    outer, inner = _decoded(payload)
    if inner.version != 1:
        raise RemoteProtocolError(RejectReason.WRONG_VERSION, f"{inner.version}; expected 1")
    if inner.network != network:
        raise RemoteProtocolError(RejectReason.WRONG_NETWORK, "presence in another network")
    if not 0 <= inner.shards <= ALL_SHARDS:
        raise RemoteProtocolError(RejectReason.MALFORMED, "presence: shards out of range")
    if PublicIdentity(outer.key, outer.next_digest).id != inner.node:
        raise RemoteProtocolError(RejectReason.WRONG_AUTHOR, "the key is not the node's")
    return Presence(inner.node, inner.shards, inner.sent_ms)


def authenticate_presence(payload: bytes, verify: Verify = verify, context: bytes = b"") -> None:
    """Check that the key in a presence message signed it.

    Args:
        payload: as received.
        verify: checks a signature, or knows the answer already.
        context: as for `sign_presence`.

    Raises:
        RemoteProtocolError: with the reason; the only exception for any bytes.
    """
    outer, _ = _decoded(payload)
    if not verify(outer.key, _signed(outer.body, context), outer.signature):
        raise RemoteProtocolError(RejectReason.BAD_SIGNATURE, "the signature does not fit")


def _signed(body: bytes, context: bytes) -> bytes:
    return (_INTRODUCTION_DOMAIN if context else _PRESENCE_DOMAIN) + context + body


def _decoded(payload: bytes) -> tuple[_SignedPresence, _Presence]:
    if len(payload) > _PRESENCE_BYTES:
        raise RemoteProtocolError(RejectReason.OVERSIZED, f"presence of {len(payload)} bytes")
    try:
        outer = _outer_decoder.decode(payload)
        return outer, _inner_decoder.decode(outer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(RejectReason.MALFORMED, f"presence: {error}") from None
