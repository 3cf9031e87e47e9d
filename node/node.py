"""A node for applications: record, endorse, recommend, explain, status.

::

    async with tastemesh.open_node("~/.tastemesh") as node:
        await node.record("mbid:…")
        lines = await node.recommend(10)
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack, cast

from tastemesh.errors import UsageError
from tastemesh.gossip.identity import format_id
from tastemesh.node.advice import check_length
from tastemesh.node.answers import Advice, Listed
from tastemesh.node.assembly import assemble
from tastemesh.node.clock import Clock, StepWatch, SystemClock
from tastemesh.node.events import CAPACITY, Announcer, Subscription
from tastemesh.node.evidence import Evidence
from tastemesh.node.forgetting import Forgotten
from tastemesh.node.history import Export, Imported, exported
from tastemesh.node.identities import DEFAULT_IDENTITY as DEFAULT_IDENTITY
from tastemesh.node.identities import LocalIdentity
from tastemesh.node.journal import Journal
from tastemesh.node.live import Live
from tastemesh.node.people import People
from tastemesh.node.plays import Play, as_id, several
from tastemesh.node.settings import NodeConfig
from tastemesh.node.watch import Watcher
from tastemesh.node.wish import Wishes, wished


def open_node(config: NodeConfig | Path | str) -> "Node":
    """Return a node to be entered with `async with`.

    Args:
        config: a configuration, or just the home folder; a home without keys is initialised.

    Raises:
        ConfigError: it is neither, or an empty text.
    """
    # A configuration makes a path of a home, or says what is wrong with it.
    return Node(config if isinstance(config, NodeConfig) else NodeConfig(home=cast(Path, config)))


class Node:
    """One running peer with one or many local identities.

    Args:
        config: see `NodeConfig`.
        clock: time; this machine's unless a test says otherwise.

    All but `is_open` and `storage_fault` is for the event loop that entered it: elsewhere, or
    before that, a call raises `UsageError`, and once the node has stopped `StorageError`.
    """

    def __init__(self, config: NodeConfig, clock: Clock | None = None) -> None:
        self.config = config
        self._clock = StepWatch(clock or SystemClock())
        self._announcer = Announcer()
        self._stack = AsyncExitStack()
        self._entered: Live | None = None
        self._watcher = Watcher(
            self._announcer, lambda: self._live.core.revision, self.recommend_many
        )

    # --- life ------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Open the home, start or find a broker unless it is offline, and join the network.

        Raises:
            ConfigError: a key, the network or a broker's URL is wrong.
            StorageError: the window cannot be opened, or another process uses this home.
            TransportError: the embedded broker cannot be started.
        """
        async with AsyncExitStack() as stack:
            parts = await assemble(self.config, self._clock, self._announcer.tell, stack)
            live = Live(self.config, self._clock, parts)
            stack.push_async_callback(live.stop)
            stack.push_async_callback(self._watcher.stop)
            stack.callback(self._announcer.close)
            self._stack, self._entered = stack.pop_all(), live
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit what was said, leave the network and close the home.

        After 5 s without a disk who waits for a commit is told, and the log says what is lost.
        """
        try:
            if self._entered is not None and not self._entered.running.done():
                await self._entered.driver.finish()
        finally:
            await self._stack.aclose()

    @property
    def _live(self) -> Live:
        """The parts, for whoever may use them now: each public call takes them from here."""
        self._known.check_open()
        return self._known

    @property
    def _known(self) -> Live:
        if self._entered is None:
            raise UsageError("the node is not open; enter it with `async with`")
        self._entered.check_loop()
        return self._entered

    @property
    def people(self) -> People:
        """A user's neighbourhood, and who stands behind an item."""
        return self._live.people

    @property
    def journal(self) -> Journal:
        """What a user has said, by page; `export` has all of it."""
        return self._live.journal

    # --- speaking --------------------------------------------------------------------------

    async def record(
        self,
        item: str,
        *,
        kind: str = "listen",
        weight: float = 1.0,
        time_s: float | None = None,
        private: bool = False,
        identity: str = DEFAULT_IDENTITY,
    ) -> list[str]:
        """Say that a local user did something with an item; returns once it is committed.

        Args:
            item: opaque id, 1 to 256 bytes of UTF-8, no control characters.
            kind: a word; `skip` and `dislike` say "not for me".
            weight: strength in (0, 1].
            time_s: when, seconds since 1970; None for now.
            private: keep it on this node: it shapes this user's ranking, nobody else sees it.
            identity: local name of the user.

        Returns:
            Ids of the records that carry it, as hex; none for a private one.

        Raises:
            UsageError: a value is wrong; nothing was recorded.
        """
        play = Play(item=item, kind=kind, weight=weight, time_s=time_s)
        return await self.record_many([play], private=private, identity=identity)

    async def record_many(
        self,
        plays: Sequence[Play],
        *,
        private: bool = False,
        identity: str = DEFAULT_IDENTITY,
    ) -> list[str]:
        """Say many things at once, 64 to a signed record; nothing of none. See `record`."""
        return await self._live.voices.record(plays, private=private, identity=identity)

    async def endorse(
        self, peer: str, weight: float = 1.0, *, identity: str = DEFAULT_IDENTITY
    ) -> list[str]:
        """Vouch for somebody: their taste, and whom they vouch for, count for this user.

        Args:
            peer: the identity's id, 64 hex digits.
            weight: trust in [-1, 1]; 0 withdraws, below 0 is distrust.
            identity: local name of the user.

        Returns:
            Ids of the records that carry it and what had to be said again for it, as hex; none
            where it is said already.

        Raises:
            UsageError: a value is wrong, or the user would stand by more than 256 people, endorsed
                or blocked; nothing was said.
        """
        return await self.endorse_many({peer: weight}, identity=identity)

    async def endorse_many(
        self, weights: Mapping[str, float], *, identity: str = DEFAULT_IDENTITY
    ) -> list[str]:
        """Say what is new of it, in as few records as it fits; nothing of nobody. See `endorse`."""
        return await self._live.voices.endorse(weights, identity=identity)

    async def forget(
        self, item: str | None = None, *, everything: bool = False, identity: str = DEFAULT_IDENTITY
    ) -> Forgotten:
        """Take back what a local user did with an item, or with all; returns once committed.

        Published records are forgotten by every node that keeps to the protocol; what stood beside
        the item in them is said again. Private interactions are deleted.

        Args:
            item: which item.
            everything: take every interaction back, where no item is named.
            identity: local name of the user.

        Raises:
            UsageError: it is an item and everything, or neither; or nobody has this name; or his
                keys were rotated on another device, and only what is private is deleted.
            StorageError: the records cannot be read, or the node stopped before the commit.
        """
        return await self._live.voices.forget(item, everything=everything, identity=identity)

    async def rotate(self, *, stolen: bool = False, identity: str = DEFAULT_IDENTITY) -> list[str]:
        """Put a local user's next key in force; his id stays.

        Args:
            stolen: disown all that the older key signed, whoever signed it; what this node holds
                of the user, and what he took back on it, is said again under the new key.
            identity: local name of the user.

        Returns:
            Ids of the records that announce it, as hex.

        Raises:
            UsageError: nobody has this name, or he has rotated too often.
            StorageError: the key file cannot be written, and the older key stays in force; or the
                records cannot be read, or the node stopped before the commit.
        """
        return await self._live.voices.rotate(stolen=stolen, identity=identity)

    async def import_history(
        self,
        plays: Sequence[Play],
        *,
        private: bool = False,
        identity: str = DEFAULT_IDENTITY,
    ) -> Imported:
        """Bring in what a local user did elsewhere; what his history has already is left out.

        Args:
            plays: with dates; the newest for which there is room, to 400 of an author's 500 in all.
            private: keep them on this node.
            identity: local name of the user.

        Raises:
            UsageError: a value is wrong; nothing was recorded.
            StorageError: the records cannot be read, or the node stopped before the commit.
        """
        return await self._live.voices.import_history(plays, private=private, identity=identity)

    async def export(self, *, identity: str = DEFAULT_IDENTITY) -> Export:
        """Return all that a local user has said and that is still in the window.

        Raises:
            UsageError: nobody has this name.
            StorageError: the records cannot be read.
        """
        live = self._live
        author = live.keys.signer(identity).id
        said = await live.archive.records_of(author), await live.store.private_of(author)
        return await asyncio.to_thread(exported, self.config.network, author, *said)

    # --- asking ----------------------------------------------------------------------------

    async def recommend(
        self, k: int = 10, *, identity: str = DEFAULT_IDENTITY, **wishes: Unpack[Wishes]
    ) -> list[Advice]:
        """Return the best items a user does not have yet, with reasons; see `lists`."""
        return (await self.lists([identity], k, **wishes))[identity].lines

    async def recommend_many(
        self, identities: Sequence[str], k: int = 10, **wishes: Unpack[Wishes]
    ) -> dict[str, list[Advice]]:
        """Return the lists of several local users; see `lists`. Costs less than one by one."""
        found = await self.lists(identities, k, **wishes)
        return {name: listed.lines for name, listed in found.items()}

    async def lists(
        self, identities: Sequence[str], k: int = 10, **wishes: Unpack[Wishes]
    ) -> dict[str, Listed]:
        """Return some users' lists; who would have to wait gets his last one, a minute old at most.

        Args:
            identities: local names of the users.
            k: length of each list, 1 to 1,000; fewer when less is known.
            **wishes: `candidates`, `exclude` and `like`, for all; see `Wishes`. Such lists are made
                when they are asked for.

        Raises:
            UsageError: a value is wrong.
        """
        return await self._live.lists(identities, k, wished(wishes))

    async def backup(self, path: Path | str) -> None:
        """Copy the window, as of now, to a new file; see `backup_home` for all that a home has.

        Raises:
            UsageError: it names no file.
            StorageError: it cannot be written, or is there already.
        """
        await self._live.backup(path)

    async def backup_home(self, path: Path | str) -> None:
        """Write keys, settings and window to a new file, as `tastemesh backup` does.

        `tastemesh restore` makes a home of it. It is as secret as the keys in it. Once begun it is
        finished, whether or not the caller waits for it; several are written one by one.

        Args:
            path: a zip archive, on the disk when this returns; appears only when it is complete.

        Raises:
            UsageError: it names no file, is there already, or cannot be written.
            StorageError: the window cannot be copied, as where it is damaged or the disk is full.
        """
        await self._live.backup_home(path)

    async def explain(
        self, item: str, *, identity: str = DEFAULT_IDENTITY, like: Iterable[str] = ()
    ) -> Advice | None:
        """Return an item's score and reasons for the user, or None if nothing speaks for it.

        With `like`, those of a list that was wished to be like that; see `Wishes`.
        """
        return await self._live.explain(item, identity, wished({"like": like}).like)

    async def evidence(
        self, item: str, *, identity: str = DEFAULT_IDENTITY, like: Iterable[str] = ()
    ) -> Evidence | None:
        """Return the signed records behind what `explain` says, or None where that says nothing.

        Anybody can check them without this node: `tastemesh.node.evidence.verify`.
        """
        return await self._live.evidence(item, identity, wished({"like": like}).like)

    def status(self, *, bounds: bool = True) -> dict[str, Any]:
        """Return what the node is doing, ready for JSON.

        Args:
            bounds: with the Sybil bound of the first local users, a ranking each.
        """
        return self._live.status(bounds=bounds)

    @property
    def is_open(self) -> bool:
        """Whether it has been entered, not left, and has not failed."""
        return self._entered is not None and not self._entered.running.done()

    @property
    def is_connected(self) -> bool:
        """Whether a session with at least one broker stands; with `offline` none ever does."""
        return any(broker.connected for broker in self._live.transport.status())

    @property
    def storage_fault(self) -> str | None:
        """What keeps the node from storing anything just now, or None."""
        fault = self._entered and self._entered.driver.storage_fault
        return None if fault is None else str(fault)

    @property
    def identities(self) -> dict[str, str]:
        """The local users: id, 64 hex digits, by name."""
        return self._live.identities

    def identity(self, name: str) -> LocalIdentity:
        """Return one local user, made on first use.

        A new one's key is on the disk when this returns, which takes as long as a disk takes;
        `add_identities` keeps the event loop free meanwhile.

        Raises:
            ConfigError: the name cannot be a file's, or the key was brought.
            StorageError: the key cannot be written.
        """
        live = self._live
        return LocalIdentity(self, name, live.join(name, live.keys.make(name)).id)

    async def add_identities(self, names: Iterable[str]) -> list[LocalIdentity]:
        """Return several local users, made on first use, their keys written in a thread.

        Raises:
            UsageError: it is one text, which would be a user a letter.
            ConfigError: a name cannot be a file's, and nobody is made; or a key was brought while
                the node runs, and those before it are made.
            StorageError: a key cannot be written, and those before it are made.
        """
        wanted = several("names", names, "names")
        made = await self._live.make(wanted)
        return [LocalIdentity(self, name, key.id) for name, key in zip(wanted, made, strict=True)]

    def holds(self, record_id: str) -> bool:
        """Tell whether this node's window has a record, given its id as hex."""
        return self._live.core.holds(as_id("record id", record_id))

    def records_of(self, peer: str) -> list[str]:
        """Return the ids of the records held of one identity, oldest first, as hex."""
        return list(map(format_id, self._live.core.records_of(as_id("peer id", peer))))

    def events(
        self, *, watch: Iterable[str] = (), k: int = 10, capacity: int = CAPACITY
    ) -> Subscription:
        """Return what happens from now on, as an asynchronous iterator of `tastemesh.node.events`.

        A reader that is too slow loses the oldest events; `dropped_count` says how many.

        Args:
            watch: local names of users, at most 64, whose lists are looked at once a second:
                `RecommendationsChanged` tells their first list, and each other one after it.
            k: length of those lists, 1 to 1,000.
            capacity: events that may wait for the reader, 1 or more.

        Raises:
            UsageError: a value is wrong.
        """
        live, watched = self._live, list(dict.fromkeys(several("watch", watch, "names")))
        for name in watched:
            live.keys.signer(name)
        check_length(k)
        return self._watcher.subscribe(watched, k, capacity)

    async def connected(self) -> None:
        """Wait until a broker has accepted us and granted our subscriptions.

        Raises:
            UsageError: the node is offline by its configuration, so that none ever will.
            TastemeshError: the node was closed meanwhile.
        """
        live = self._live
        if self.config.offline:
            raise UsageError("the node is offline by its configuration: no broker ever comes")
        await live.until_closed(live.driver.connected.wait())

    async def failed(self) -> None:
        """Return when the node has stopped by itself, which only a bug of ours makes it do."""
        await asyncio.wait([self._known.running])

    async def drain(self) -> None:
        """Wait until all that was said is committed and acknowledged by every broker.

        Raises:
            TastemeshError: the node was closed meanwhile.
        """
        await self._live.until_closed(self._live.driver.flush())
        await self._live.until_closed(self._live.transport.drain())
