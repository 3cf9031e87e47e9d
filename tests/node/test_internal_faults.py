"""A fault of ours half way through a message: what came before it stands, and goes on standing."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from benchmarks.ingest import Feed
from tastemesh.errors import InternalError
from tastemesh.gossip import codec, effects, inputs
from tastemesh.gossip.codec import Opened
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import Record
from tastemesh.gossip.topics import records_topic, shard_of
from tastemesh.node.core import Core
from tastemesh.node.driver import Driver
from tastemesh.storage.store import Store
from tests.gossip.cores import NETWORK, WALL_MS, listen, person

LIMITS = Limits()
ANA, BEN = person("ana"), person("ben")


def said(seq: int) -> Record:
    return codec.sign_record(BEN, NETWORK, 0, seq, b"", WALL_MS, (listen(f"{seq}"),), LIMITS)


class Stumbling(Reader):
    """A reader with a bug: it cannot read Ben's second record."""

    def parse(self, opened: Opened) -> Record:
        record = super().parse(opened)
        if record.seq == 2:
            raise ZeroDivisionError
        return record


class Clock:
    """A clock that stands."""

    def now_ms(self) -> int:
        return 0

    def wall_ms(self) -> int:
        return WALL_MS


def core() -> Core:
    reader = Stumbling(NETWORK, LIMITS)
    return Core(
        node=person("node"), signers=(ANA,), network=NETWORK, limits=LIMITS, seed=b"", reader=reader
    )


TOPIC = records_topic(NETWORK, shard_of(BEN.id))
BUNDLE = msgspec.msgpack.encode([said(seq).envelope for seq in (1, 2, 3)])


def test_what_was_done_before_comes_with_the_fault_and_the_view_has_it() -> None:
    one = core()
    with pytest.raises(InternalError) as caught:
        one.handle(inputs.Received("b", TOPIC, BUNDLE, WALL_MS), 0)
    first = said(1)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.done == [
        effects.Persist(first, WALL_MS),
        effects.Accepted(first, WALL_MS),
    ]
    assert [one.holds(said(seq).id) for seq in (1, 2, 3)] == [True, False, False]
    assert one.view.item_number("1") >= 0


async def test_a_driver_counts_the_fault_commits_what_came_before_and_goes_on(
    tmp_path: Path,
) -> None:
    feed = Feed([(TOPIC, BUNDLE), (TOPIC, msgspec.msgpack.encode([said(4).envelope]))])
    told: list[Effect] = []
    async with await Store.open(tmp_path / "window.sqlite3") as store:
        driver = Driver(core(), store, feed, Clock(), told.append)
        running = asyncio.create_task(driver.run())
        await feed.emptied.wait()
        await driver.flush()
        assert driver.internal_error_count == 1
        fetched = await store.fetch([said(seq).id for seq in (1, 2, 3, 4)])
        assert set(fetched) == {said(1).envelope, said(4).envelope}
        assert told == [effects.Accepted(said(seq), WALL_MS) for seq in (1, 4)]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Weary(Core):
    """A core with two bugs: its first turn of reconciliation, and what it makes of rows."""

    def __init__(self) -> None:
        limits = msgspec.structs.replace(LIMITS, sync_period_ms=1)
        super().__init__(
            node=person("node"), signers=(ANA,), network=NETWORK, limits=limits, seed=b""
        )
        self.turn_count = 0
        self.turned_again = asyncio.Event()

    def handle(self, event: inputs.Input, now_ms: int) -> list[Effect]:
        if isinstance(event, inputs.Fetched):
            raise ZeroDivisionError
        if isinstance(event, inputs.TimerFired) and event.timer == "sync":
            self.turn_count += 1
            if self.turn_count == 1:
                raise ZeroDivisionError
            self.turned_again.set()
        return super().handle(event, now_ms)


async def test_a_fault_in_a_timers_turn_is_counted_and_its_turns_go_on(tmp_path: Path) -> None:
    weary = Weary()
    async with await Store.open(tmp_path / "window.sqlite3") as store:
        driver = Driver(weary, store, Feed([]), Clock(), lambda effect: None)
        running = asyncio.create_task(driver.run())
        driver.handle(inputs.Started(WALL_MS))
        async with asyncio.timeout(30):
            await weary.turned_again.wait()
        assert driver.internal_error_count == 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_fault_in_what_the_store_gives_back_does_not_stop_the_node(tmp_path: Path) -> None:
    taken, disputing = sign("taken"), sign("disputing")
    feed = Feed([(TOPIC, msgspec.msgpack.encode([each.envelope])) for each in (taken, disputing)])
    async with await Store.open(tmp_path / "window.sqlite3") as store:
        driver = Driver(Weary(), store, feed, Clock(), lambda effect: None)
        running = asyncio.create_task(driver.run())
        await feed.emptied.wait()
        await driver.flush()  # the record under a number that is taken has the first one fetched
        await driver.flush()
        assert driver.internal_error_count == 1
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def sign(item: str) -> Record:
    return codec.sign_record(BEN, NETWORK, 0, 1, b"", WALL_MS, (listen(item),), LIMITS)
