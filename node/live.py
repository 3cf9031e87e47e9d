"""An open node: what it is made of, and who may use it."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tastemesh.errors import StorageError, TastemeshError, UsageError
from tastemesh.gossip.identity import format_id
from tastemesh.gossip.signer import Signer
from tastemesh.node.advice import check_length
from tastemesh.node.answers import Advice, Listed
from tastemesh.node.archive import Archive
from tastemesh.node.assembly import Parts
from tastemesh.node.backup import archive_open_home
from tastemesh.node.clock import StepWatch
from tastemesh.node.evidence import Evidence
from tastemesh.node.journal import Journal
from tastemesh.node.kernels import KERNELS
from tastemesh.node.people import People
from tastemesh.node.plays import check_text, several
from tastemesh.node.ranker import Ranker
from tastemesh.node.settings import NodeConfig
from tastemesh.node.tasks import end
from tastemesh.node.voices import Voices
from tastemesh.node.wish import Wish


class Live:
    """The parts of a node from when it is opened; every call of an application goes through here.

    Args:
        config: of the node.
        clock: time, and its steps.
        parts: of the node, running in the event loop that makes this.
    """

    def __init__(self, config: NodeConfig, clock: StepWatch, parts: Parts) -> None:
        self.keys, self.store, self.core, self.transport, self.driver, self.running = parts
        self.archive = Archive(self.core, self.store, config)
        self.journal = Journal(self.archive, self.store, self.keys)
        self.people = People(self.core, self.keys, clock)
        self.ranker = Ranker(self.core, clock)
        self.voices = Voices(config, clock, parts, self.archive)
        self._config = config
        self._clock = clock
        self._archiving = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._keeping = asyncio.create_task(self.voices.keep(), name="tastemesh-keeping")

    async def stop(self) -> None:
        """End what goes on in the background, but for the driver."""
        await end(self._keeping)
        await self.ranker.stop()

    def check_loop(self) -> None:
        """Check that the caller runs in the node's event loop: nothing here is safe elsewhere.

        Raises:
            UsageError: he does not.
        """
        try:
            is_ours = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_ours = False
        if not is_ours:
            raise UsageError(
                "this node runs in another event loop; call it there, or use "
                "tastemesh.open_node_sync, which any thread may call"
            )

    def check_open(self) -> None:
        """Check that the node runs.

        Raises:
            StorageError: it was closed, or has failed.
        """
        if self.running.done():
            raise StorageError("the node has stopped and takes no more calls")

    @property
    def identities(self) -> dict[str, str]:
        """The local users: id as hex, by name."""
        return {name: format_id(signer.id) for name, signer in self.keys.signers.items()}

    def status(self, *, bounds: bool) -> dict[str, Any]:
        """Return what the node is doing, ready for JSON; `tastemesh.node.http.status` has it all.

        Args:
            bounds: with the Sybil bound of the first local users.
        """
        return {
            **self.core.status(self._clock.wall_ms(), bounds=bounds),
            "identities": self.identities,
            "brokers": [msgspec.to_builtins(broker) for broker in self.transport.status()],
            "storage": self.driver.storage_report() | {"bound_bytes": self._config.disk_bytes},
            "ingest": self.driver.stages.report(),
            "clock": {"steps": self._clock.step_count, "last_step_s": self._clock.last_step_s},
            "internal_errors": self.driver.internal_error_count,
            "home": str(self._config.home),
        }

    def join(self, name: str, made: Signer) -> Signer:
        """Have somebody with a key be a local user; return the key that counts."""
        signer = self.keys.join(name, made)
        self.core.add_identity(signer)
        return signer

    async def lists(self, identities: Sequence[str], k: int, wish: Wish) -> dict[str, Listed]:
        """Return some users' lists; see `tastemesh.node.node.Node.lists`."""
        check_length(k)
        names = list(dict.fromkeys(several("identities", identities, "names")))
        egos = [self.keys.signer(name).id for name in names]
        return dict(zip(names, await self.ranker.lists(egos, k, wish), strict=True))

    async def explain(self, item: str, name: str, like: frozenset[str]) -> Advice | None:
        """Return why a user is recommended an item; see `tastemesh.node.node.Node.explain`."""
        check_text("item", item)
        await KERNELS.ready()
        ego = self.keys.signer(name).id
        return self.core.explain(ego, item, self._clock.wall_ms(), like)

    async def evidence(self, item: str, name: str, like: frozenset[str]) -> Evidence | None:
        """Return the records behind it; see `tastemesh.node.node.Node.evidence`."""
        advice = await self.explain(item, name, like)
        if advice is None:
            return None
        return await self.archive.evidence(self.keys.signer(name).id, advice)

    async def make(self, names: Sequence[str]) -> list[Signer]:
        """Return the keys of local users, made in a thread and joined where they are new.

        A caller who gives up leaves nobody half made, with a key and no place in the network.

        Raises:
            ConfigError: a name cannot be a file's, and nobody is made; or a key was brought, and
                those before it are made.
            StorageError: a key cannot be written, and those before it are made.
        """
        for name in names:
            self.keys.check(name)

        async def make() -> list[Signer]:
            return [
                self.join(name, await asyncio.to_thread(self.keys.make, name)) for name in names
            ]

        return await asyncio.shield(asyncio.create_task(make()))

    async def backup(self, path: Path | str) -> None:
        """Copy the window to a new file.

        Raises:
            UsageError: it names no file.
            StorageError: it cannot be written, or is there already.
        """
        await self.store.backup(_as_file(path))

    async def backup_home(self, path: Path | str) -> None:
        """Write the archive of the home to a new file; see `tastemesh.node.node.Node.backup_home`.

        A caller who gives up does not end it: two that write at once would share files.
        """
        file = _as_file(path)

        async def write() -> None:
            async with self._archiving:
                await archive_open_home(self._config.home, self.store, file)

        await asyncio.shield(asyncio.create_task(write(), name="tastemesh-backup"))

    async def until_closed(self, waiting: Coroutine[Any, Any, object]) -> None:
        """Wait for something, and no longer than the node is open.

        Raises:
            TastemeshError: it was closed meanwhile.
        """
        task = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait([task, self.running], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise TastemeshError("the node was closed meanwhile")
            task.result()
        finally:
            task.cancel()


def _as_file(path: Path | str) -> Path:
    try:
        file = Path(path)
    except TypeError:
        file = Path()
    if not file.name:
        raise UsageError(f"path is {path!r}; expected a file")
    return file
