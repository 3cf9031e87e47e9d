"""MQTT topics: where records, presence and a node's inbox live.

::

    tastemesh/1/<network>/r/<shard>    bundles of records; shard = first byte of author mod 64
    tastemesh/1/<network>/h/<shard>    signed presence; shard of the node's id
    tastemesh/1/<network>/c/<shard>    proofs of equivocation; shard of the author
    tastemesh/1/<network>/n/<node>     a node's inbox, for reconciliation

No author's id stands in a topic: a broker sees which shards a node reads, not whose taste it wants.
"""

import re
from functools import lru_cache

from tastemesh.errors import UsageError

PREFIX = "tastemesh/1"
SHARD_COUNT = 64  # design, section 4

ALL_SHARDS = (1 << SHARD_COUNT) - 1
"""The mask of a node that reads everything; in a mask, bit s stands for shard s."""

_SHARD_NUMBERS = {str(shard): shard for shard in range(SHARD_COUNT)}

# A network's name is part of topics and of every signed body: a word without MQTT's wildcards.
_NETWORK = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def check_network(network: str) -> str:
    """Return `network` if it can stand in a topic.

    Raises:
        UsageError: it is not 1 to 32 of a-z, 0-9, `-`, `_`, the first a letter or a digit.
    """
    if not _NETWORK.fullmatch(network):
        expected = "1 to 32 of a-z, 0-9, - and _, the first a letter or a digit"
        raise UsageError(f"network {network!r}; expected {expected}")
    return network


def shard_of(identity: bytes) -> int:
    """Return the shard of an author or node, 0 to 63; ids are hashes, so shards are even."""
    return identity[0] % SHARD_COUNT


def records_topic(network: str, shard: int) -> str:
    """Return the topic of one shard's records."""
    return f"{PREFIX}/{network}/r/{shard}"


def presence_topic(network: str, shard: int) -> str:
    """Return the topic of one shard's presence messages."""
    return f"{PREFIX}/{network}/h/{shard}"


def control_topic(network: str, shard: int) -> str:
    """Return the topic of proofs against one shard's authors."""
    return f"{PREFIX}/{network}/c/{shard}"


def inbox_topic(network: str, node: bytes) -> str:
    """Return the topic that only this node reads."""
    return f"{PREFIX}/{network}/n/{node.hex()}"


def shard_topics(network: str, channel: str, mask: int) -> tuple[str, ...]:
    """Return the filters that match these shards of a channel (`r`, `h` or `c`), as few as can be.

    Args:
        network: network id.
        channel: the level before the shard.
        mask: of the shards.
    """
    if mask == ALL_SHARDS:
        return (f"{PREFIX}/{network}/{channel}/+",)
    return tuple(
        f"{PREFIX}/{network}/{channel}/{shard}" for shard in range(SHARD_COUNT) if mask >> shard & 1
    )


# No topic of ours is longer; and a broker is not to have us remember what he makes up.
_LONGEST_CHARS = len(inbox_topic("n" * 32, bytes(32)))


def place_of(topic: str, network: str) -> tuple[str, int]:
    """Return a topic's channel, see `channel_of`, and the shard that it ends with, or -1."""
    return _place_of(topic, network) if len(topic) <= _LONGEST_CHARS else ("", -1)


@lru_cache(maxsize=1_024)
def _place_of(topic: str, network: str) -> tuple[str, int]:
    return channel_of(topic, network), _SHARD_NUMBERS.get(topic.rsplit("/", 1)[-1], -1)


def channel_of(topic: str, network: str) -> str:
    """Return `r`, `h`, `c` or `n` for a topic of this network, else the empty string."""
    parts = topic.split("/")
    if len(parts) != 5 or parts[:3] != [*PREFIX.split("/"), network]:
        return ""
    return parts[3] if parts[3] in ("r", "h", "c", "n") else ""
