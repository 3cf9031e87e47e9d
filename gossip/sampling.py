"""Whom to exchange with: a bounded table of peers that fakes cannot take over unnoticed.

Presence costs nothing, so an attacker can announce ten nodes for every honest one. Three draws take
turns, and each withstands what the others do not:

- *useful* peers, who lately sent records of authors whom trust reaches. A fake that wants this
  place has to do a peer's work;
- *samplers* (Bortnikov et al., "Brahms", 2009): each holds, of all the nodes ever heard of, the one
  whose hash under the sampler's own key is least. Announcing oneself again and again changes
  nothing; ten times as many fakes hold ten in eleven samplers, and the eleventh is out of reach;
- the table at random, so that newcomers are found.

In a full table a newcomer takes the place of a random other that is neither useful nor sampled.
"""

from collections.abc import Iterator
from hashlib import blake2b, sha256

import msgspec
import numpy as np

from tastemesh.gossip.limits import Limits
from tastemesh.gossip.topics import ALL_SHARDS

# Samplers. With ten fakes to an honest node, all of them are fakes once in 400 times.
_SAMPLER_COUNT = 64
_BLOCK_COUNT = 16  # of four bytes each, to a hash
_NO_HASH = np.uint32(2**32 - 1)

# Draws for somebody who may go: a tenth of a full table may not, so one does as a rule.
_EVICTION_DRAWS = 8

# Masks for which those who read something of it are remembered: a node asks for what it reads, what
# is due of that, and what it never compared, and all are the same where everybody reads all.
_ALIKE_COUNT = 4

# Useful peers remembered, the longest unused out first: more than a node syncs with in half an
# hour, few enough that fakes who work for it cannot fill a table with their number.
_USEFUL_COUNT = 32


class _Peer(msgspec.Struct):
    heard_ms: int
    mask: int
    sent_ms: int  # by the peer's own clock


class Peers:
    """The nodes heard of lately.

    Args:
        limits: `peer_count` is used.
        seed: keys the draws and the samplers.
    """

    __slots__ = (
        "_alike", "_draws", "_keys", "_least", "_limits", "_peers", "_sampled", "_seed",
        "_silent_since_ms", "_useful",
    )  # fmt: skip

    def __init__(self, limits: Limits, seed: bytes) -> None:
        self._limits = limits
        self._seed = sha256(seed).digest()
        self._draws = 0
        self._peers: dict[bytes, _Peer] = {}
        self._silent_since_ms = 0  # nobody was heard last before this
        self._useful: dict[bytes, None] = {}
        self._alike: dict[int, list[bytes]] = {}  # who reads some of a mask, as the table has them
        self._keys = [
            self._seed + bytes([block]) for block in range(_SAMPLER_COUNT // _BLOCK_COUNT)
        ]
        self._least = np.full(_SAMPLER_COUNT, _NO_HASH)
        self._sampled: list[bytes | None] = [None] * _SAMPLER_COUNT

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._peers)

    def __contains__(self, node: bytes) -> bool:
        return node in self._peers

    def mask(self, node: bytes) -> int:
        """Return the shards that a peer says it reads, as a mask; 0 for a stranger."""
        peer = self._peers.get(node)
        return peer.mask if peer else 0

    def hear(self, node: bytes, now_ms: int, mask: int = ALL_SHARDS, sent_ms: int = 0) -> bool:
        """Note that a node is there and what it reads; True if it was not known.

        Args:
            node: its id.
            now_ms: monotonic clock.
            mask: the shards that it reads.
            sent_ms: when it said so, by its own clock. What it said earlier is not news, whoever
                says it again; a peer whose clock went back is forgotten, and then heard, in time.
        """
        known = self._peers.get(node)
        if known is not None:
            if sent_ms < known.sent_ms:
                return False
            known.heard_ms, known.sent_ms = now_ms, sent_ms
            if known.mask != mask:
                changed = [m for m in self._alike if bool(m & mask) != bool(m & known.mask)]
                known.mask = mask
                for each in changed:
                    del self._alike[each]
            return False
        if len(self._peers) >= self._limits.peer_count:
            expendable = self._expendable()
            if expendable is None:
                return False
            self._forget([expendable])
        self._offer(node)
        self._peers[node] = _Peer(now_ms, mask, sent_ms)
        for wanted, alike in self._alike.items():
            if mask & wanted:
                alike.append(node)
        return True

    def credit(self, node: bytes) -> None:
        """Note that a peer sent something worth having."""
        if node not in self._peers:
            return
        self._useful.pop(node, None)
        self._useful[node] = None
        if len(self._useful) > _USEFUL_COUNT:
            del self._useful[next(iter(self._useful))]

    def forget_silent(self, horizon_ms: int) -> None:
        """Forget the nodes unheard of since a moment of the monotonic clock."""
        if horizon_ms <= self._silent_since_ms:
            return
        last_ms = [peer.heard_ms for peer in self._peers.values()]
        if min(last_ms, default=horizon_ms) < horizon_ms:
            self._forget([n for n, peer in self._peers.items() if peer.heard_ms < horizon_ms])
            last_ms = [heard_ms for heard_ms in last_ms if heard_ms >= horizon_ms]
        self._silent_since_ms = min(last_ms, default=0)

    def pick(self, mask: int) -> bytes | None:
        """Return the next peer to exchange with, or None if there is none.

        In a large network two nodes seldom read the same: who drew first and looked then would find
        nobody.

        Args:
            mask: shards, of which the peer says that it reads some.
        """
        alike = self._readers(mask) if mask else None
        if not alike:
            return None
        turn = self._draws % 4
        if turn == 3:
            return self._draw(alike)
        preferred = list(self._useful if turn == 0 else filter(None, self._sampled))
        if len(alike) < len(self._peers):  # else all of them read some of it
            preferred = [node for node in preferred if self._peers[node].mask & mask]
        return self._draw(preferred or alike)

    def _readers(self, mask: int) -> list[bytes]:
        alike = self._alike.get(mask)
        if alike is None:
            if len(self._alike) == _ALIKE_COUNT:
                self._alike.clear()
            alike = [node for node, peer in self._peers.items() if peer.mask & mask]
            self._alike[mask] = alike
        return alike

    def _expendable(self) -> bytes | None:
        """Return a peer that may go; None where all that were drawn are useful or sampled."""
        sampled, peers = set(self._sampled), list(self._peers)
        for _ in range(_EVICTION_DRAWS):
            node = self._draw(peers)
            if node not in sampled and node not in self._useful:
                return node
        return None

    def _forget(self, nodes: list[bytes]) -> None:
        for node in nodes:
            del self._peers[node]
            self._useful.pop(node, None)
        gone = set(nodes)
        for wanted, alike in self._alike.items():
            self._alike[wanted] = [node for node in alike if node not in gone]
        emptied = [n for n, held in enumerate(self._sampled) if held in gone]
        for number in emptied:
            self._least[number] = _NO_HASH
            self._sampled[number] = None
        self._refill(emptied)

    def _refill(self, emptied: list[int]) -> None:
        """Let these samplers hold the least of those who are left; the others hold theirs."""
        left = list(self._peers)
        for block in sorted({number // _BLOCK_COUNT for number in emptied}) if left else ():
            key = self._keys[block]
            digests = b"".join([blake2b(node, key=key).digest() for node in left])
            hashes = np.frombuffer(digests, np.uint32).reshape(-1, _BLOCK_COUNT)
            for number in emptied:
                if number // _BLOCK_COUNT == block:
                    column = hashes[:, number % _BLOCK_COUNT]
                    first = int(column.argmin())
                    self._least[number] = column[first]
                    self._sampled[number] = left[first]

    def _offer(self, node: bytes) -> None:
        digests = b"".join([blake2b(node, key=key).digest() for key in self._keys])
        hashes = np.frombuffer(digests, np.uint32)
        for number in (hashes < self._least).nonzero()[0].tolist():
            self._least[number] = hashes[number]
            self._sampled[number] = node

    def _draw(self, nodes: list[bytes]) -> bytes:
        self._draws += 1
        digest = sha256(self._seed + self._draws.to_bytes(8, "big")).digest()
        return nodes[int.from_bytes(digest, "big") % len(nodes)]
