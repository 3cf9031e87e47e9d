"""The local identities of a node: their keys on disk, and one user's side of the node."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from tastemesh.errors import ConfigError, UsageError
from tastemesh.gossip.identity import format_id
from tastemesh.gossip.signer import Signer
from tastemesh.node.answers import Advice
from tastemesh.node.evidence import Evidence
from tastemesh.node.forgetting import Forgotten
from tastemesh.node.history import Export, Imported
from tastemesh.node.keys import check_name, create_key, load_key, remove_unfinished, rotate_key
from tastemesh.node.plays import Play, check_text
from tastemesh.node.wish import Wishes

if TYPE_CHECKING:
    from tastemesh.node.node import Node

DEFAULT_IDENTITY = "me"
_NODE_KEY = "node"


class KeyRing:
    """The keys of one home, a file each; 1,000 identities open in .2 s (measured).

    Args:
        folder: where the key files are; made when missing.
        passphrase: opens them; empty for unencrypted ones.

    Raises:
        ConfigError: a key cannot be read.
        StorageError: a key cannot be written.
    """

    def __init__(self, folder: Path, passphrase: str) -> None:
        self._folder = folder
        self._passphrase = passphrase
        self._lock = threading.Lock()
        self.is_new = not self._path(DEFAULT_IDENTITY).exists()
        """Whether this is the first time that the home is used."""
        remove_unfinished(folder)
        if not self._path(_NODE_KEY).exists():
            create_key(self._path(_NODE_KEY), passphrase)
        self.made: tuple[bytes, ...] = ()
        """Ids of the users whose keys were made now."""
        if self.is_new:
            self.made = (create_key(self._path(DEFAULT_IDENTITY), passphrase).id,)
        signers = {path.stem: load_key(path, passphrase) for path in sorted(folder.glob("*.key"))}
        self.node = signers.pop(_NODE_KEY)
        self.signers = signers
        self._made_later: dict[str, Signer] = {}

    def renew_node(self) -> None:
        """Make the node's own key anew: a copied home is another node, with the same users.

        Raises:
            StorageError: the key cannot be written.
        """
        self.node = create_key(self._path(_NODE_KEY), self._passphrase, replace=True)

    def signer(self, name: str) -> Signer:
        """Return the key of a local user.

        Raises:
            UsageError: nobody has this name.
        """
        check_text("identity", name)
        signer = self.signers.get(name)
        if signer is None:
            known = [*list(self.signers)[:5], "…"] if len(self.signers) > 5 else list(self.signers)
            raise UsageError(f"identity {name!r} is not on this node; it has {', '.join(known)}")
        return signer

    def check(self, name: str) -> None:
        """Check whether a local user can have this name.

        Raises:
            ConfigError: it cannot be a file's.
        """
        if name == _NODE_KEY:
            raise ConfigError(f"identity name {name!r} is taken by the node's own key")
        check_text("identity name", name)
        check_name(name)

    def make(self, name: str) -> Signer:
        """Return the key of a local user, made and stored on first use. Safe from any thread.

        Nobody has the name before `join`. A file that was put there since the start is refused: the
        key may have signed elsewhere, and only a start looks for what it has said.

        Raises:
            ConfigError: the name cannot be a file's, or the key was brought.
            StorageError: the key cannot be written.
        """
        self.check(name)
        with self._lock:
            if name in self.signers:
                return self.signers[name]
            if name not in self._made_later:  # by a call at the same time
                path = self._path(name)
                if path.exists():
                    raise ConfigError(
                        f"{path} was put there while the node runs; restart it to take the key in"
                    )
                self._made_later[name] = create_key(path, self._passphrase)
            return self._made_later[name]

    def join(self, name: str, signer: Signer) -> Signer:
        """Give a local user the key that `make` made; return the one that he has from now on."""
        return self.signers.setdefault(name, signer)

    def rotate(self, name: str, cut: tuple[int, int], rotation_count: int) -> Signer:
        """Put a local user's next key in force; it is on the disk when this returns.

        Args:
            name: his local name.
            cut: the last slot that the older keys hold for.
            rotation_count: how often one identity may rotate.

        Raises:
            UsageError: nobody has this name, or he has rotated too often.
            StorageError: the key cannot be written; the older one stays in force.
        """
        with self._lock:
            steps = self.signer(name).lineage
            if steps is not None and len(steps.steps) >= rotation_count:
                raise UsageError(
                    f"identity {name!r} has rotated {rotation_count} times, which is the most"
                )
            self.signers[name] = rotate_key(self._path(name), self._passphrase, cut)
            return self.signers[name]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.key"


class LocalIdentity:
    """One local user of a node: the node's methods without naming him each time.

    Args:
        node: the node.
        name: his local name.
        identity: his id.
    """

    def __init__(self, node: "Node", name: str, identity: bytes) -> None:
        self._node = node
        self.name = name
        self.id = format_id(identity)
        """What others endorse, 64 hex digits."""

    def __repr__(self) -> str:
        return f"LocalIdentity(name={self.name!r}, id={self.id!r})"

    async def record(
        self,
        item: str,
        *,
        kind: str = "listen",
        weight: float = 1.0,
        time_s: float | None = None,
        private: bool = False,
    ) -> list[str]:
        """See `Node.record`."""
        return await self._node.record(
            item, kind=kind, weight=weight, time_s=time_s, private=private, identity=self.name
        )

    async def record_many(self, plays: Sequence[Play], *, private: bool = False) -> list[str]:
        """See `Node.record_many`."""
        return await self._node.record_many(plays, private=private, identity=self.name)

    async def endorse(self, peer: str, weight: float = 1.0) -> list[str]:
        """See `Node.endorse`."""
        return await self._node.endorse(peer, weight, identity=self.name)

    async def endorse_many(self, weights: Mapping[str, float]) -> list[str]:
        """See `Node.endorse_many`."""
        return await self._node.endorse_many(weights, identity=self.name)

    async def forget(self, item: str | None = None, *, everything: bool = False) -> Forgotten:
        """See `Node.forget`."""
        return await self._node.forget(item, everything=everything, identity=self.name)

    async def rotate(self, *, stolen: bool = False) -> list[str]:
        """See `Node.rotate`."""
        return await self._node.rotate(stolen=stolen, identity=self.name)

    async def import_history(self, plays: Sequence[Play], *, private: bool = False) -> Imported:
        """See `Node.import_history`."""
        return await self._node.import_history(plays, private=private, identity=self.name)

    async def export(self) -> Export:
        """See `Node.export`."""
        return await self._node.export(identity=self.name)

    async def recommend(self, k: int = 10, **wishes: Unpack[Wishes]) -> list[Advice]:
        """See `Node.recommend`."""
        return await self._node.recommend(k, identity=self.name, **wishes)

    async def explain(self, item: str, *, like: Iterable[str] = ()) -> Advice | None:
        """See `Node.explain`."""
        return await self._node.explain(item, identity=self.name, like=like)

    async def evidence(self, item: str, *, like: Iterable[str] = ()) -> Evidence | None:
        """See `Node.evidence`."""
        return await self._node.evidence(item, identity=self.name, like=like)
