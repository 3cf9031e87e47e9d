"""MQTT topics: where records, presence and a node's inbox live.

::

    tastemesh/1/<network>/r/<shard>    bundles of records; shard = first byte of author mod 64
    tastemesh/1/<network>/h/<shard>    signed presence; shard of the node's id
    tastemesh/1/<network>/n/<node>     a node's inbox, for reconciliation

No author's id stands in a topic: a broker sees which shards a node reads, not whose taste it wants.
"""

import re

from tastemesh.errors import UsageError

PREFIX = "tastemesh/1"
SHARD_COUNT = 64  # design, section 4

# A network's name is part of topics and of every signed body: a word without MQTT's wildcards.
_NETWORK = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def check_network(network: str) -> str:
    """Return `network` if it can stand in a topic.

    Raises:
        UsageError: it is not 1 to 32 of a-z, 0-9, `-`, `_`.
    """
    if not _NETWORK.fullmatch(network):
        raise UsageError(f"network {network!r}; expected 1 to 32 of a-z, 0-9, - and _")
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


def inbox_topic(network: str, node: bytes) -> str:
    """Return the topic that only this node reads."""
    return f"{PREFIX}/{network}/n/{node.hex()}"


def channel_of(topic: str, network: str) -> str:
    """Return `r`, `h` or `n` for a topic of this network, else the empty string."""
    parts = topic.split("/")
    if len(parts) != 5 or parts[:3] != [*PREFIX.split("/"), network]:
        return ""
    return parts[3] if parts[3] in ("r", "h", "n") else ""
