"""tastemesh: a decentralised, Sybil-resistant, peer-to-peer recommender.

The public surface. Names are loaded when they are first used, so that importing one package, the
simulator's say, does not load MQTT and SQLite.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tastemesh.gossip.limits import Limits
    from tastemesh.node.answers import Advice
    from tastemesh.node.blocking import SyncNode, open_node_sync
    from tastemesh.node.client.remote import RemoteNode, connect
    from tastemesh.node.http.mount import asgi_app
    from tastemesh.node.node import Node, open_node
    from tastemesh.node.plays import Play
    from tastemesh.node.settings import NodeConfig

__version__ = "0.1.0"

__all__ = [
    "Advice",
    "Limits",
    "Node",
    "NodeConfig",
    "Play",
    "RemoteNode",
    "SyncNode",
    "asgi_app",
    "connect",
    "open_node",
    "open_node_sync",
]

_HOMES = {
    "Advice": "tastemesh.node.answers",
    "Limits": "tastemesh.gossip.limits",
    "Node": "tastemesh.node.node",
    "NodeConfig": "tastemesh.node.settings",
    "Play": "tastemesh.node.plays",
    "RemoteNode": "tastemesh.node.client.remote",
    "SyncNode": "tastemesh.node.blocking",
    "asgi_app": "tastemesh.node.http.mount",
    "connect": "tastemesh.node.client.remote",
    "open_node": "tastemesh.node.node",
    "open_node_sync": "tastemesh.node.blocking",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tastemesh' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
