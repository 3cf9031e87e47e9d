"""One local user of a daemon's node: the calls without naming him each time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Unpack

from tastemesh.node.answers import Advice
from tastemesh.node.evidence import Evidence
from tastemesh.node.forgetting import Forgotten
from tastemesh.node.history import Export, Imported
from tastemesh.node.plays import Play
from tastemesh.node.wish import Wishes

if TYPE_CHECKING:
    from tastemesh.node.client.remote import RemoteNode


class RemoteIdentity:
    """One local user; `SyncIdentity` over HTTP.

    Args:
        node: the client.
        name: his local name.
        identity: his id, 64 hex digits: what others endorse.
    """

    def __init__(self, node: "RemoteNode", name: str, identity: str) -> None:
        self._node = node
        self.name = name
        self.id = identity

    def __repr__(self) -> str:
        return f"RemoteIdentity(name={self.name!r}, id={self.id!r})"

    def record(
        self,
        item: str,
        *,
        kind: str = "listen",
        weight: float = 1.0,
        time_s: float | None = None,
        private: bool = False,
    ) -> list[str]:
        """See `Node.record`."""
        return self._node.record(
            item, kind=kind, weight=weight, time_s=time_s, private=private, identity=self.name
        )

    def record_many(self, plays: Sequence[Play], *, private: bool = False) -> list[str]:
        """See `RemoteNode.record_many`."""
        return self._node.record_many(plays, private=private, identity=self.name)

    def endorse(self, peer: str, weight: float = 1.0) -> list[str]:
        """See `Node.endorse`."""
        return self._node.endorse(peer, weight, identity=self.name)

    def endorse_many(self, weights: Mapping[str, float]) -> list[str]:
        """See `Node.endorse_many`."""
        return self._node.endorse_many(weights, identity=self.name)

    def forget(self, item: str | None = None, *, everything: bool = False) -> Forgotten:
        """See `Node.forget`."""
        return self._node.forget(item, everything=everything, identity=self.name)

    def rotate(self, *, stolen: bool = False) -> list[str]:
        """See `Node.rotate`."""
        return self._node.rotate(stolen=stolen, identity=self.name)

    def import_history(self, plays: Sequence[Play], *, private: bool = False) -> Imported:
        """See `RemoteNode.import_history`."""
        return self._node.import_history(plays, private=private, identity=self.name)

    def export(self) -> Export:
        """See `Node.export`."""
        return self._node.export(identity=self.name)

    def recommend(self, k: int = 10, **wishes: Unpack[Wishes]) -> list[Advice]:
        """See `Node.recommend`."""
        return self._node.recommend(k, identity=self.name, **wishes)

    def explain(self, item: str, *, like: Iterable[str] = ()) -> Advice | None:
        """See `Node.explain`."""
        return self._node.explain(item, identity=self.name, like=like)

    def evidence(self, item: str, *, like: Iterable[str] = ()) -> Evidence | None:
        """See `Node.evidence`."""
        return self._node.evidence(item, identity=self.name, like=like)
