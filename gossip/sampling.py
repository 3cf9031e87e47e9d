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

from hashlib import blake2b, sha256

import msgspec

from tastemesh.gossip.limits import Limits
from tastemesh.gossip.topics import ALL_SHARDS

# Samplers. With ten fakes to an honest node, all of them are fakes once in 400 times.
_SAMPLER_COUNT = 64
_HASH_BYTES = 4
_BLOCK_SAMPLERS = 64 // _HASH_BYTES  # samplers fed by one 64-byte hash

# Draws for somebody who may go: a tenth of a full table may not, so one does as a rule.
_EVICTION_DRAWS = 8

_EMPTY = (b"\xff" * (_HASH_BYTES + 1), b"")  # above every hash: any node takes its place

# Useful peers remembered, the longest unused out first: more than a node syncs with in half an
# hour, few enough that fakes who work for it cannot fill a table with their number.
_USEFUL_COUNT = 32


class _Peer(msgspec.Struct):
    heard_ms: int
    mask: int


class Peers:
    """The nodes heard of lately.

    Args:
        limits: `peer_count` and `peer_age_ms` are used.
        seed: keys the draws and the samplers.
    """

    def __init__(self, limits: Limits, seed: bytes) -> None:
        self._limits = limits
        self._seed = sha256(seed).digest()
        self._draws = 0
        self._peers: dict[bytes, _Peer] = {}
        self._useful: dict[bytes, None] = {}
        self._samplers: list[tuple[bytes, bytes]] = [_EMPTY] * _SAMPLER_COUNT

    def __len__(self) -> int:
        return len(self._peers)

    def __contains__(self, node: bytes) -> bool:
        return node in self._peers

    @property
    def has_useful(self) -> bool:
        """Whether some peer has lately been of use."""
        return bool(self._useful)

    def mask(self, node: bytes) -> int:
        """Return the shards that a peer says it reads, as a mask; 0 for a stranger."""
        peer = self._peers.get(node)
        return peer.mask if peer else 0

    def hear(self, node: bytes, now_ms: int, mask: int = ALL_SHARDS) -> bool:
        """Note that a node is there and what it reads; True if it was not known."""
        new = node not in self._peers
        if new:
            if len(self._peers) >= self._limits.peer_count:
                expendable = self._expendable()
                if expendable is None:
                    return False
                self._forget([expendable])
            self._offer(node)
        self._peers[node] = _Peer(now_ms, mask)
        return new

    def credit(self, node: bytes) -> None:
        """Note that a peer sent something worth having."""
        if node not in self._peers:
            return
        self._useful.pop(node, None)
        self._useful[node] = None
        if len(self._useful) > _USEFUL_COUNT:
            del self._useful[next(iter(self._useful))]

    def forget_silent(self, now_ms: int) -> None:
        """Forget the nodes unheard of for too long."""
        horizon_ms = now_ms - self._limits.peer_age_ms
        self._forget([n for n, peer in self._peers.items() if peer.heard_ms < horizon_ms])

    def pick(self) -> bytes | None:
        """Return the next peer to exchange with, or None if there is none."""
        if not self._peers:
            return None
        turn = self._draws % 4
        if turn == 0 and self._useful:
            return self._draw(list(self._useful))
        if turn in (1, 2):
            return self._draw([node for _, node in self._samplers if node])
        return self._draw(list(self._peers))

    def _expendable(self) -> bytes | None:
        """Return a peer that may go; None where all that were drawn are useful or sampled."""
        sampled = {node for _, node in self._samplers}
        for _ in range(_EVICTION_DRAWS):
            node = self._draw(list(self._peers))
            if node not in sampled and node not in self._useful:
                return node
        return None

    def _forget(self, nodes: list[bytes]) -> None:
        for node in nodes:
            del self._peers[node]
            self._useful.pop(node, None)
        emptied = [n for n, (_, held) in enumerate(self._samplers) if held in set(nodes)]
        for number in emptied:
            self._samplers[number] = _EMPTY
        if emptied:
            for other in self._peers:
                self._offer(other)

    def _offer(self, node: bytes) -> None:
        for block in range(_SAMPLER_COUNT // _BLOCK_SAMPLERS):
            key = self._seed + bytes([block])
            digest = blake2b(node, key=key).digest()
            for number in range(_BLOCK_SAMPLERS):
                value = digest[number * _HASH_BYTES : (number + 1) * _HASH_BYTES]
                at = block * _BLOCK_SAMPLERS + number
                if (value, node) < self._samplers[at]:
                    self._samplers[at] = (value, node)

    def _draw(self, nodes: list[bytes]) -> bytes:
        self._draws += 1
        digest = sha256(self._seed + self._draws.to_bytes(8, "big")).digest()
        return nodes[int.from_bytes(digest, "big") % len(nodes)]
