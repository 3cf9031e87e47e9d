"""Signed presence: which nodes are there, and where their inboxes are.

A node signs presence with a key of its own, not with an identity's, so an inbox is not a list of
who lives behind it. Presence is soft state: unheard of for `Limits.peer_age_ms`, forgotten.
"""

from hashlib import sha256

import msgspec

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.identity import PublicIdentity, Signer, verify
from tastemesh.gossip.limits import Limits, RejectReason

_PRESENCE_DOMAIN = b"tastemesh/1/presence\x00"
_PRESENCE_BYTES = 512  # the longest valid message has about 300


class _Presence(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    version: int
    network: str
    node: bytes
    sent_ms: int


class _SignedPresence(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    body: bytes
    key: bytes
    next_digest: bytes
    signature: bytes


_encoder = msgspec.msgpack.Encoder()
_outer_decoder = msgspec.msgpack.Decoder(_SignedPresence)
_inner_decoder = msgspec.msgpack.Decoder(_Presence)


def sign_presence(signer: Signer, network: str, wall_ms: int) -> bytes:
    """Return this node's presence message."""
    body = _encoder.encode(_Presence(1, network, signer.id, wall_ms))
    public = signer.public
    return _encoder.encode(
        _SignedPresence(body, public.key, public.next_digest, signer.sign(_PRESENCE_DOMAIN + body))
    )


def decode_presence(payload: bytes, network: str, wall_ms: int, limits: Limits) -> bytes:
    """Return the id of the node that announces itself.

    Raises:
        RemoteProtocolError: with the reason; the only exception for any bytes.
    """
    if len(payload) > _PRESENCE_BYTES:
        raise RemoteProtocolError(RejectReason.OVERSIZED, f"presence of {len(payload)} bytes")
    try:
        outer = _outer_decoder.decode(payload)
        inner = _inner_decoder.decode(outer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(RejectReason.MALFORMED, f"presence: {error}") from None
    if inner.version != 1:
        raise RemoteProtocolError(RejectReason.WRONG_VERSION, f"{inner.version}; expected 1")
    if inner.network != network:
        raise RemoteProtocolError(RejectReason.WRONG_NETWORK, "presence in another network")
    if inner.sent_ms > wall_ms + limits.skew_ms:
        raise RemoteProtocolError(RejectReason.FROM_FUTURE, "presence from the future")
    if inner.sent_ms < wall_ms - limits.peer_age_ms:
        raise RemoteProtocolError(RejectReason.TOO_OLD, "presence replayed or delayed")
    if PublicIdentity(outer.key, outer.next_digest).id != inner.node:
        raise RemoteProtocolError(RejectReason.WRONG_AUTHOR, "the key is not the node's")
    if not verify(outer.key, _PRESENCE_DOMAIN + outer.body, outer.signature):
        raise RemoteProtocolError(RejectReason.BAD_SIGNATURE, "the signature does not fit")
    return inner.node


class Peers:
    """The nodes heard of lately, bounded.

    In a full table a newcomer takes the place of a random other, drawn by hash: whoever floods with
    fresh nodes cannot choose whom to push out, and an old peer is heard of again in a minute.

    Args:
        limits: `peer_count` and `peer_age_ms` are used.
        seed: keys the draws.
    """

    def __init__(self, limits: Limits, seed: bytes) -> None:
        self._limits = limits
        self._seed = seed
        self._draws = 0
        self._heard_ms: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._heard_ms)

    def __contains__(self, node: bytes) -> bool:
        return node in self._heard_ms

    def hear(self, node: bytes, now_ms: int) -> bool:
        """Note that a node is there; True if it was not known."""
        new = node not in self._heard_ms
        if new and len(self._heard_ms) >= self._limits.peer_count:
            del self._heard_ms[self._draw()]
        self._heard_ms[node] = now_ms
        return new

    def forget_silent(self, now_ms: int) -> None:
        """Forget the nodes unheard of for too long."""
        horizon_ms = now_ms - self._limits.peer_age_ms
        silent = [node for node, heard_ms in self._heard_ms.items() if heard_ms < horizon_ms]
        for node in silent:
            del self._heard_ms[node]

    def pick(self) -> bytes | None:
        """Return a random peer, or None if there is none."""
        return self._draw() if self._heard_ms else None

    def _draw(self) -> bytes:
        self._draws += 1
        digest = sha256(self._seed + self._draws.to_bytes(8, "big")).digest()
        nodes = list(self._heard_ms)
        return nodes[int.from_bytes(digest, "big") % len(nodes)]
