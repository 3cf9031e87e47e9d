"""The node for threads: the same methods, answers and errors, and nothing left after the end."""

import asyncio
import inspect
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

import msgspec
import pytest

import tastemesh
from tastemesh.errors import ConfigError, StorageError, UsageError
from tastemesh.node.backup import restore_archive
from tastemesh.node.blocking import SyncIdentity, SyncJournal, SyncNode, SyncPeople
from tastemesh.node.clock import SystemClock
from tastemesh.node.events import Event, RecordAccepted
from tastemesh.node.identities import LocalIdentity
from tastemesh.node.journal import Journal
from tastemesh.node.node import Node
from tastemesh.node.people import People
from tests.brokers import BrokerProcess

pytestmark = pytest.mark.broker


@pytest.fixture
def config(nats_broker: BrokerProcess, tmp_path: Path) -> tastemesh.NodeConfig:
    return tastemesh.NodeConfig(home=tmp_path / "home", brokers=(nats_broker.url,))


@pytest.fixture
def node(config: tastemesh.NodeConfig) -> Iterator[SyncNode]:
    with tastemesh.open_node_sync(config) as node:
        yield node


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SyncNode, Node),
        (SyncIdentity, LocalIdentity),
        (SyncPeople, People),
        (SyncJournal, Journal),
    ],
)
def test_every_public_method_is_here_with_the_same_parameters(ours: type, theirs: type) -> None:
    for name, method in vars(theirs).items():
        if name.startswith("_"):
            continue
        assert hasattr(ours, name), f"{ours.__name__} lacks {name}"
        if inspect.isfunction(method):
            expected = list(inspect.signature(method).parameters)
            assert list(inspect.signature(getattr(ours, name)).parameters) == expected


def test_a_user_has_every_method_that_takes_one() -> None:
    for name, method in vars(Node).items():
        if name.startswith("_") or not inspect.isfunction(method):
            continue
        parameters = list(inspect.signature(method).parameters)
        if parameters[-1] == "identity":
            theirs = inspect.signature(getattr(LocalIdentity, name)).parameters
            assert list(theirs) == parameters[:-1], name


def test_it_records_endorses_recommends_and_explains(node: SyncNode) -> None:
    ana, ben = node.add_identities(["ana", "ben"])
    assert repr(ana) == f"SyncIdentity(name='ana', id={ana.id!r})"
    (record_id,) = ana.record("isrc:A", kind="like")
    ana.record_many([tastemesh.Play(item="isrc:B"), tastemesh.Play(item="isrc:C")])
    ben.record("isrc:B")
    ben.endorse_many({ana.id: 1.0})
    assert {line.item for line in ben.recommend()} == {"isrc:A", "isrc:C"}
    lists = node.recommend_many(["ana", "ben"], 1)
    assert [len(lists[name]) for name in ("ana", "ben")] == [0, 1]
    explained = ben.explain("isrc:A")
    assert explained is not None
    assert explained.reasons[0].record_ids == (record_id,)
    behind = ben.evidence("isrc:A")
    assert behind is not None
    assert node.holds(record_id)
    assert node.records_of(ana.id)[0] == record_id
    assert node.identities["ana"] == ana.id == node.identity("ana").id
    assert node.people.around(10, identity="ben").reached == 1
    assert node.people.behind(["isrc:A"], identity="ben")[0].count == 1
    assert node.people.equivocators == []
    assert [person.identity for person in node.people.around(1).people] == [node.identities["me"]]
    node.connected()
    node.drain()
    assert node.status()["window"]["interactions"] == 4


def test_many_threads_use_one_node(node: SyncNode) -> None:
    def use(number: int) -> int:
        user = node.identity(f"u{number % 4}")
        user.record(f"isrc:{number}")
        return len(user.recommend(5))

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(use, range(64)))) == 64
    assert node.status()["window"]["interactions"] == 64


def test_errors_pass_through_and_name_what_was_wrong(config: tastemesh.NodeConfig) -> None:
    with tastemesh.open_node_sync(config) as node:
        with pytest.raises(UsageError, match=r"weight is 2\.0; expected 0 to 1"):
            node.record("isrc:A", weight=2.0)
        with pytest.raises(ConfigError, match="identity name 'A B'"):
            node.identity("A B")
        with (
            pytest.raises(StorageError, match="in use by another process"),
            tastemesh.open_node_sync(config),
        ):
            pass
        with pytest.raises(UsageError, match="open already"):
            node.open()
        node.record("isrc:A")


def test_a_home_is_backed_up_from_a_thread(config: tastemesh.NodeConfig, tmp_path: Path) -> None:
    file = tmp_path / "home.zip"
    with tastemesh.open_node_sync(config) as node:
        node.record("isrc:A")
        node.backup_home(file)
        with pytest.raises(UsageError, match="replaces nothing"):
            node.backup_home(file)
    restore_archive(file, tmp_path / "restored")
    restored = msgspec.structs.replace(config, home=tmp_path / "restored")
    with tastemesh.open_node_sync(restored) as node:
        assert [said.item for said in node.export().interactions] == ["isrc:A"]


def test_events_come_to_a_thread_and_end_with_the_node(config: tastemesh.NodeConfig) -> None:
    heard: list[Event] = []
    with tastemesh.open_node_sync(config) as node:
        events = node.events()
        listener = threading.Thread(target=lambda: heard.extend(events))
        listener.start()
        (record_id,) = node.record("isrc:A")
    listener.join()
    (accepted,) = [event for event in heard if isinstance(event, RecordAccepted)]
    assert (accepted.record_id, accepted.own) == (record_id, True)
    assert events.dropped_count == 0
    events.close()  # by whoever cleans up last
    assert list(events) == []


def test_closing_ends_the_thread_fails_who_waits_and_may_be_repeated(
    config: tastemesh.NodeConfig,
) -> None:
    node = tastemesh.open_node_sync(config)
    with pytest.raises(UsageError, match="not open in this process"):
        node.status()
    node.open()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: node._thread.call(asyncio.sleep(3_600)))
        node.record("isrc:A")
        node.close()
        with pytest.raises(StorageError, match="closed before it answered"):
            waiting.result()
    node.close()
    with pytest.raises(UsageError, match="not open in this process"):
        node.recommend()
    assert "tastemesh-node" not in [thread.name for thread in threading.enumerate()]
    node.open()  # the home is free again
    assert node.status()["window"]["interactions"] == 1
    node.close()


class Impatient(SystemClock):
    """Presses Ctrl-C the first time that a node which is being opened asks what time it is."""

    def __init__(self) -> None:
        self._has_pressed = False

    def wall_ms(self) -> int:
        """Return milliseconds since 1970."""
        main = threading.main_thread()
        if not self._has_pressed and threading.current_thread() is not main:
            self._has_pressed = True
            signal.pthread_kill(main.ident or 0, signal.SIGINT)
        return super().wall_ms()


@pytest.fixture
def heeded() -> Iterator[None]:
    """Ctrl-C raises, as it does not in a job that a shell began in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
def test_ctrl_c_while_it_opens_gives_it_up(config: tastemesh.NodeConfig) -> None:
    node = SyncNode(Node(config, Impatient()))
    with pytest.raises(KeyboardInterrupt):
        node.open()
    assert not node.is_open
    assert "tastemesh-node" not in [thread.name for thread in threading.enumerate()]
    with node:  # the home is free again
        node.record("isrc:A")


@pytest.mark.usefixtures("heeded")
def test_ctrl_c_before_its_thread_runs_gives_it_up_too(config: tastemesh.NodeConfig) -> None:
    def press(frame: FrameType, event: str, argument: object) -> None:
        codes = frame.f_code, frame.f_back and frame.f_back.f_code
        if codes == (threading.Event.wait.__code__, threading.Thread.start.__code__):
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

    node = SyncNode(Node(config))
    sys.setprofile(press)
    try:
        with pytest.raises(KeyboardInterrupt):
            node.open()
    finally:
        sys.setprofile(None)
    assert "tastemesh-node" not in [thread.name for thread in threading.enumerate()]
    with node:  # the home is free again
        node.record("isrc:A")
