"""Anti-entropy: what pushing lost, reconciliation finds.

Every sync period a node picks a random peer and starts an exchange (`tastemesh.gossip.reconcile`)
through the peers' inboxes; each side then sends the records that the other turns out to lack. A
newcomer catches up the same way. Inbox message::

    [0, sender node, reconciliation frame]
    [1, sender node, bundle of records]

The sender field is a hint and proves nothing: frames are answered only to nodes that announced
themselves, within a budget per peer and one for all, and records carry their own signatures.
"""

from collections import Counter
from hashlib import sha256

import msgspec

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip import codec, reconcile
from tastemesh.gossip.effects import Effect, Fetch, Send
from tastemesh.gossip.identity import ID_BYTES
from tastemesh.gossip.inputs import Fetched
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.presence import Peers
from tastemesh.gossip.record import Record
from tastemesh.gossip.topics import inbox_topic

_FRAME, _BUNDLE = 0, 1
_WRAPPER_BYTES = 64  # tag, node id and headers around a bundle

# Frames answered in one sync period over all peers: eight exchanges at their longest. More would
# only be somebody pretending to be many.
_ANSWERED_PEERS = 8


class Message(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What came into our inbox.

    Attributes:
        tag: 0 for a frame, 1 for a bundle.
        sender: the node that it claims to be from.
        content: the frame or the bundle.
    """

    tag: int
    sender: bytes
    content: bytes

    @property
    def is_bundle(self) -> bool:
        """Whether it brings records."""
        return self.tag == _BUNDLE


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


class Sync:
    """This node's side of every exchange.

    Args:
        node: our node id.
        network: network id.
        limits: budgets and frame size.
        peers: whom to exchange with.
        seed: keys the salts.
    """

    def __init__(
        self, node: bytes, network: str, limits: Limits, peers: Peers, seed: bytes
    ) -> None:
        self._node = node
        self._network = network
        self._limits = limits
        self._peers = peers
        self._seed = seed
        self._exchanges = 0
        self._items = reconcile.ItemSet()
        self._times: dict[bytes, int] = {}
        self._answered: Counter[bytes] = Counter()
        self._answered_since_ms = 0

    def add(self, record: Record) -> None:
        """Take a record of the window into the set that is reconciled."""
        self._times[record.id] = record.created_ms
        self._items.insert(record.created_ms, record.id)

    def remove(self, record_ids: tuple[bytes, ...]) -> None:
        """Take records that left the window out of it."""
        for record_id in record_ids:
            self._items.remove(self._times.pop(record_id), record_id)

    def initiate(self) -> list[Effect]:
        """Start an exchange with a random peer, if there is one."""
        peer = self._peers.pick()
        if peer is None:
            return []
        self._exchanges += 1
        salt = sha256(self._seed + self._exchanges.to_bytes(8, "big")).digest()
        return [self._to(peer, _FRAME, reconcile.initiate(self._items, salt, self._limits))]

    def open(self, payload: bytes) -> Message:
        """Decode an inbox message.

        Raises:
            RemoteProtocolError: with the reason; the only exception for any bytes.
        """
        if len(payload) > self._limits.payload_bytes:
            raise RemoteProtocolError(RejectReason.OVERSIZED, f"{len(payload)} bytes in the inbox")
        try:
            message = _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RemoteProtocolError(RejectReason.MALFORMED, f"inbox: {error}") from None
        if message.tag not in (_FRAME, _BUNDLE) or len(message.sender) != ID_BYTES:
            raise RemoteProtocolError(RejectReason.MALFORMED, "inbox: tag or sender")
        return message

    def answer(self, message: Message, now_ms: int) -> list[Effect]:
        """Answer a reconciliation frame, and send what the peer turns out to lack.

        Raises:
            RemoteProtocolError: the frame is malformed, its sender unknown, or over its budget.
        """
        if message.sender not in self._peers:
            raise RemoteProtocolError(RejectReason.SYNC_BUDGET, "a frame from a stranger")
        if now_ms - self._answered_since_ms >= self._limits.sync_period_ms:
            self._answered.clear()
            self._answered_since_ms = now_ms
        budget = self._limits.sync_reply_count
        if (
            self._answered[message.sender] >= budget
            or self._answered.total() >= budget * _ANSWERED_PEERS
        ):
            raise RemoteProtocolError(RejectReason.SYNC_BUDGET, "too many frames in a period")
        self._answered[message.sender] += 1
        reply = reconcile.respond(self._items, message.content, self._limits)
        done: list[Effect] = []
        if reply.have:
            missing = tuple(reply.have[: self._limits.sync_record_count])
            done.append(Fetch(missing, inbox_topic(self._network, message.sender)))
        if reply.frame is not None:
            done.append(self._to(message.sender, _FRAME, reply.frame))
        return done

    def deliver(self, event: Fetched) -> list[Effect]:
        """Send fetched records to the peer that lacks them."""
        room = msgspec.structs.replace(
            self._limits, payload_bytes=self._limits.payload_bytes - _WRAPPER_BYTES
        )
        return [
            Send(event.topic, _encoder.encode(Message(_BUNDLE, self._node, bundle)))
            for bundle in codec.pack_bundles(list(event.envelopes), room)
        ]

    def _to(self, peer: bytes, tag: int, content: bytes) -> Send:
        payload = _encoder.encode(Message(tag, self._node, content))
        return Send(inbox_topic(self._network, peer), payload)
