"""A fault of ours half way through a message: what came before it stands, and goes on standing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from benchmarks.ingest import Feed
from tastemesh.errors import InternalError
from tastemesh.gossip import codec, effects, inputs
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.envelope import Opened
from tastemesh.gossip.limits import DAY_MS, Limits
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import Endorsement, Record
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import records_topic, shard_of
from tastemesh.node.core import Core
from tastemesh.node.driver import Driver
from tastemesh.node.reached import Reached
from tastemesh.storage.store import Store
from tests.gossip.cores import NETWORK, WALL_MS, listen, person, secret

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


@asynccontextmanager
async def started(peer: Core, home: Path) -> AsyncIterator[Driver]:
    async with await Store.open(home / "window.sqlite3") as store:
        driver = Driver(peer, store, Feed([]), Clock(), lambda effect: None)
        running = asyncio.create_task(driver.run())
        driver.handle(inputs.Started(WALL_MS))
        yield driver
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_fault_in_a_timers_turn_is_counted_and_its_turns_go_on(tmp_path: Path) -> None:
    weary = Weary()
    async with started(weary, tmp_path) as driver, asyncio.timeout(30):
        await weary.turned_again.wait()
        assert driver.internal_error_count == 1


class Tired(Core):
    """A core whose announcements all fail, and are due at once."""

    def __init__(self) -> None:
        super().__init__(
            node=person("node"), signers=(ANA,), network=NETWORK, limits=LIMITS, seed=b""
        )
        self.turn_count = 0

    def handle(self, event: inputs.Input, now_ms: int) -> list[Effect]:
        if isinstance(event, inputs.TimerFired) and event.timer == "presence":
            self.turn_count += 1
            raise ZeroDivisionError
        if isinstance(event, inputs.Started):
            return [effects.SetTimer("presence", 0)]
        return super().handle(event, now_ms)


async def test_a_timer_whose_turns_all_fail_does_not_come_again_at_once(tmp_path: Path) -> None:
    tired = Tired()
    async with started(tired, tmp_path) as driver:
        for _ in range(20):  # each goes to the disk and back
            await driver.flush()
        assert tired.turn_count == driver.internal_error_count == 1


class Dried(Signer):
    """A key that signs a few records and no more."""

    left = 1

    def sign(self, message: bytes) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise ZeroDivisionError
        return super().sign(message)


def test_what_has_aged_leaves_the_view_though_nothing_can_be_said_again() -> None:
    ana = Dried(secret("ana"), secret("ana next"))
    limits = msgspec.structs.replace(LIMITS, window_age_ms=3 * DAY_MS)
    one = Core(node=person("node"), signers=(ana,), network=NETWORK, limits=limits, seed=b"")
    one.handle(inputs.Recorded(ana.id, (Endorsement(BEN.id, 10_000),), WALL_MS), 0)
    one.handle(inputs.Received("b", TOPIC, BUNDLE, WALL_MS), 0)
    one.handle(inputs.TimerFired("expire", WALL_MS), 0)
    later_ms = 21 * DAY_MS
    with pytest.raises(InternalError) as caught:
        one.handle(inputs.TimerFired("expire", WALL_MS + later_ms), later_ms)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    (left,) = [e for e in caught.value.done if isinstance(e, effects.Evict)]
    assert set(left.record_ids) == {said(seq).id for seq in (1, 2, 3)}
    assert len(one.view) == 0


class Lost(Core):
    """A core that finds out of whom nobody's trust reaches."""

    def __init__(self, *, until: int) -> None:
        super().__init__(
            node=person("node"), signers=(ANA, BEN), network=NETWORK, limits=LIMITS, seed=b""
        )
        self.left = until
        self._reached = Reached(self._walk, self.engine.window.record_count)

    def _walk(self, who: bytes) -> list[bytes]:
        self.left -= 1
        if self.left < 0:
            raise ZeroDivisionError
        return [who]


def test_numbers_are_reserved_and_sweeps_go_on_though_walks_fail() -> None:
    lost = Lost(until=0)
    with pytest.raises(InternalError) as caught:
        lost.handle(inputs.Recorded(ANA.id, (Endorsement(BEN.id, 10_000),), WALL_MS), 0)
    made = [type(each) for each in caught.value.done]
    assert made[:3] == [effects.ReserveSequence, effects.Persist, effects.Accepted]
    with pytest.raises(InternalError) as caught:
        lost.handle(inputs.TimerFired("sync", WALL_MS), 0)
    timers = [each.timer for each in caught.value.done if isinstance(each, effects.SetTimer)]
    assert timers == ["sync", "reached"]
    lost.left = 9
    lost.handle(inputs.TimerFired("reached", WALL_MS), 100)
    assert {ANA.id, BEN.id} & lost._reached.told


async def test_what_a_user_said_before_a_fault_is_committed(tmp_path: Path) -> None:
    async with await Store.open(tmp_path / "window.sqlite3") as store:
        driver = Driver(Lost(until=0), store, Feed([]), Clock(), lambda effect: None)
        running = asyncio.create_task(driver.run())
        with pytest.raises(ZeroDivisionError):
            driver.hand_in(inputs.Recorded(ANA.id, (Endorsement(BEN.id, 10_000),), WALL_MS))
        await driver.flush()
        part = await store.load(WALL_MS)
        assert len(part.records) == len(part.sequences) == 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_was_handed_in_before_what_the_core_cannot_take_is_committed(
    tmp_path: Path,
) -> None:
    async with await Store.open(tmp_path / "window.sqlite3") as store:
        driver = Driver(core(), store, Feed([]), Clock(), lambda effect: None)
        running = asyncio.create_task(driver.run())
        good = inputs.Recorded(ANA.id, (listen("x"),), WALL_MS)
        with pytest.raises(TypeError):
            driver.hand_in(good, msgspec.structs.replace(good, statements=None))
        await driver.flush()
        part = await store.load(WALL_MS)
        assert len(part.records) == len(part.sequences) == 1
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
