"""The node for code that is not asynchronous: threads, WSGI applications, notebooks, scripts.

::

    with tastemesh.open_node_sync("~/.tastemesh") as node:
        node.record("mbid:…")
        for line in node.recommend(10):
            print(line.item, line.reasons)

The node runs in an event loop of its own in one background thread. Any number of threads may call
it; each call is handed to that thread and waits for the answer. Every method of `Node` and
`LocalIdentity` is here under its own name, takes the same arguments and raises the same errors.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from tastemesh.errors import StorageError, UsageError
from tastemesh.node.events import CAPACITY, Event, Subscription
from tastemesh.node.identities import LocalIdentity
from tastemesh.node.journal import Journal
from tastemesh.node.node import Node, open_node
from tastemesh.node.people import People
from tastemesh.node.settings import NodeConfig

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S")

# Until a thread that was ordered runs: a Ctrl-C may come meanwhile. Milliseconds, as a rule; guess.
_BEGIN_S = 1.0


class LoopThread:
    """One thread with one event loop in which a node lives.

    Args:
        node: not entered yet.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()  # no call slips in behind the order to close
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._closing: asyncio.Event
        self._begun: threading.Event
        self._ended: Future[None]

    def start(self) -> None:
        """Start the thread; returns once the node is open.

        Raises:
            UsageError: it runs already.
            TastemeshError: the node cannot be opened; the text says why.
        """
        with self._lock:
            if self._thread is not None:
                raise UsageError("the node is open already")
            opened: Future[None] = Future()
            self._begun = threading.Event()
            self._ended = Future()
            thread = threading.Thread(
                target=self._run, args=(opened,), name="tastemesh-node", daemon=True
            )
            try:
                thread.start()
                opened.result()
            except BaseException:  # a Ctrl-C, too, before the node is open or just then
                if not opened.cancel() and opened.exception() is None:
                    self._loop.call_soon_threadsafe(self._closing.set)
                if self._begun.wait(_BEGIN_S):  # else it will not: the system allows no more
                    thread.join()
                raise
            self._thread = thread

    def stop(self) -> None:
        """Close the node and end the thread; does nothing where it has ended.

        Raises:
            TastemeshError: what closing the node raised.
        """
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            if thread is threading.current_thread():
                self._thread = thread
                raise _calls_itself()
            if thread.is_alive():  # it is not in a forked process
                self._loop.call_soon_threadsafe(self._closing.set)
        thread.join()
        self._ended.result()

    def call(self, coroutine: Coroutine[Any, Any, _R]) -> _R:
        """Run a coroutine beside the node and return what it returns.

        Raises:
            UsageError: the node is not open here, or this is the node's own thread.
            StorageError: the node was closed meanwhile.
        """
        with self._lock:
            thread = self._thread
            if thread is None or not thread.is_alive() or thread is threading.current_thread():
                coroutine.close()
                if thread is not None and thread.is_alive():
                    raise _calls_itself()
                raise UsageError(
                    "the node is not open in this process; enter it with `with`, or call open(), "
                    "after any fork"
                )
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise StorageError("the node was closed before it answered") from None
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _run(self, opened: Future[None]) -> None:
        self._begun.set()
        try:
            with asyncio.Runner() as runner:
                runner.run(self._live(opened))
        except BaseException as error:  # handed to whoever waits for it, whatever it is
            (self._ended if opened.done() else opened).set_exception(error)
        else:
            self._ended.set_result(None)

    async def _live(self, opened: Future[None]) -> None:
        async with self._node:
            self._loop = asyncio.get_running_loop()
            self._closing = asyncio.Event()
            if opened.set_running_or_notify_cancel():  # else nobody waits for it any more
                opened.set_result(None)
                await self._closing.wait()


class _Facade(Generic[_S]):
    """Something asynchronous, and the thread that it lives in."""

    _subject: _S
    _thread: LoopThread


def _waiting(
    method: Callable[Concatenate[_S, _P], Coroutine[Any, Any, _R]],
) -> Callable[Concatenate["_Facade[_S]", _P], _R]:
    """Return a coroutine method as one that waits."""

    @wraps(method)
    def call(facade: "_Facade[_S]", /, *args: _P.args, **named: _P.kwargs) -> _R:
        return facade._thread.call(method(facade._subject, *args, **named))

    return call


def _in_thread(
    method: Callable[Concatenate[_S, _P], _R],
) -> Callable[Concatenate["_Facade[_S]", _P], _R]:
    """Return a plain method as one that runs in the node's thread."""

    @wraps(method)
    def call(facade: "_Facade[_S]", /, *args: _P.args, **named: _P.kwargs) -> _R:
        async def run() -> _R:
            return method(facade._subject, *args, **named)

        return facade._thread.call(run())

    return call


class SyncIdentity(_Facade[LocalIdentity]):
    """One local user; `LocalIdentity` with methods that wait.

    Args:
        thread: where the node lives.
        identity: the user there.
    """

    def __init__(self, thread: LoopThread, identity: LocalIdentity) -> None:
        self._thread = thread
        self._subject = identity
        self.name = identity.name
        self.id = identity.id

    def __repr__(self) -> str:
        return f"SyncIdentity(name={self.name!r}, id={self.id!r})"

    record = _waiting(LocalIdentity.record)
    record_many = _waiting(LocalIdentity.record_many)
    endorse = _waiting(LocalIdentity.endorse)
    endorse_many = _waiting(LocalIdentity.endorse_many)
    forget = _waiting(LocalIdentity.forget)
    rotate = _waiting(LocalIdentity.rotate)
    import_history = _waiting(LocalIdentity.import_history)
    export = _waiting(LocalIdentity.export)
    recommend = _waiting(LocalIdentity.recommend)
    explain = _waiting(LocalIdentity.explain)
    evidence = _waiting(LocalIdentity.evidence)


class SyncPeople(_Facade[People]):
    """A node's people; `People` for threads.

    Args:
        thread: where the node lives.
        people: of the node there.
    """

    def __init__(self, thread: LoopThread, people: People) -> None:
        self._thread = thread
        self._subject = people

    around = _in_thread(People.around)
    behind = _in_thread(People.behind)

    @property
    def equivocators(self) -> list[bytes]:
        """See `People.equivocators`."""

        async def equivocators() -> list[bytes]:
            return self._subject.equivocators

        return self._thread.call(equivocators())


class SyncJournal(_Facade[Journal]):
    """What local users have said; `Journal` for threads.

    Args:
        thread: where the node lives.
        journal: of the node there.
    """

    def __init__(self, thread: LoopThread, journal: Journal) -> None:
        self._thread = thread
        self._subject = journal

    page = _waiting(Journal.page)
    endorsements = _waiting(Journal.endorsements)


class SyncSubscription(Iterator[Event]):
    """Events as an iterator that waits for the next one, and ends when the node is closed.

    Args:
        thread: where the node lives.
        subscription: the events there.
    """

    def __init__(self, thread: LoopThread, subscription: Subscription) -> None:
        self._thread = thread
        self._subscription = subscription

    @property
    def dropped_count(self) -> int:
        """See `Subscription.dropped_count`."""
        return self._subscription.dropped_count

    def __next__(self) -> Event:
        """Wait for the next event."""
        try:
            event = self._thread.call(_next_or_none(self._subscription))
        except (UsageError, StorageError):
            event = None  # the node is closed
        if event is None:
            raise StopIteration
        return event

    def close(self) -> None:
        """End the iteration after what is waiting, in whichever thread it waits."""

        async def close() -> None:
            self._subscription.close()

        with suppress(UsageError, StorageError):  # the node is closed, and that ended it
            self._thread.call(close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class SyncNode(_Facade[Node]):
    """A node whose methods wait; see `tastemesh.open_node_sync`.

    Each method of `Node` is here under its own name: the same arguments, answers and errors.

    Args:
        node: not entered; this object enters and leaves it.
    """

    def __init__(self, node: Node) -> None:
        self._subject = node
        self._thread = LoopThread(node)

    def open(self) -> None:
        """Open the node; `with` does it too. A server that forks does it in each worker.

        Raises:
            TastemeshError: as entering a `Node` does.
        """
        self._thread.start()

    def close(self) -> None:
        """Commit what was said, leave the network and close the home; again does nothing."""
        self._thread.stop()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    record = _waiting(Node.record)
    record_many = _waiting(Node.record_many)
    endorse = _waiting(Node.endorse)
    endorse_many = _waiting(Node.endorse_many)
    forget = _waiting(Node.forget)
    rotate = _waiting(Node.rotate)
    recommend = _waiting(Node.recommend)
    recommend_many = _waiting(Node.recommend_many)
    lists = _waiting(Node.lists)
    explain = _waiting(Node.explain)
    evidence = _waiting(Node.evidence)
    import_history = _waiting(Node.import_history)
    export = _waiting(Node.export)
    backup = _waiting(Node.backup)
    backup_home = _waiting(Node.backup_home)
    status = _in_thread(Node.status)
    holds = _in_thread(Node.holds)
    records_of = _in_thread(Node.records_of)
    connected = _waiting(Node.connected)
    failed = _waiting(Node.failed)
    drain = _waiting(Node.drain)

    @property
    def is_open(self) -> bool:
        """See `Node.is_open`."""
        return self._subject.is_open

    @property
    def is_connected(self) -> bool:
        """See `Node.is_connected`."""

        async def is_connected() -> bool:
            return self._subject.is_connected

        return self._thread.call(is_connected())

    @property
    def storage_fault(self) -> str | None:
        """See `Node.storage_fault`."""
        return self._subject.storage_fault

    @property
    def identities(self) -> dict[str, str]:
        """See `Node.identities`."""

        async def identities() -> dict[str, str]:
            return self._subject.identities

        return self._thread.call(identities())

    @property
    def people(self) -> SyncPeople:
        """See `Node.people`."""

        async def people() -> People:
            return self._subject.people

        return SyncPeople(self._thread, self._thread.call(people()))

    @property
    def journal(self) -> SyncJournal:
        """See `Node.journal`."""

        async def journal() -> Journal:
            return self._subject.journal

        return SyncJournal(self._thread, self._thread.call(journal()))

    def identity(self, name: str) -> SyncIdentity:
        """See `Node.identity`."""
        return self.add_identities([name])[0]

    def add_identities(self, names: Iterable[str]) -> list[SyncIdentity]:
        """See `Node.add_identities`."""
        made = self._thread.call(self._subject.add_identities(names))
        return [SyncIdentity(self._thread, each) for each in made]

    def events(
        self, *, watch: Iterable[str] = (), k: int = 10, capacity: int = CAPACITY
    ) -> SyncSubscription:
        """See `Node.events`."""

        async def subscribe() -> Subscription:
            return self._subject.events(watch=watch, k=k, capacity=capacity)

        return SyncSubscription(self._thread, self._thread.call(subscribe()))


def open_node_sync(config: NodeConfig | Path | str) -> SyncNode:
    """Return a node to be entered with `with`, or opened and closed by its methods.

    Args:
        config: a configuration, or just the home folder; a home without keys is initialised.
    """
    return SyncNode(open_node(config))


async def _next_or_none(subscription: Subscription) -> Event | None:
    return await anext(subscription, None)


def _calls_itself() -> UsageError:
    return UsageError("called in the node's own thread, which would wait for itself")
