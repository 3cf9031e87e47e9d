"""Many private interactions said at once: some a turn, committed as one, all of them or nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tastemesh.errors import InternalError, UsageError
from tastemesh.gossip import inputs
from tastemesh.gossip.effects import Effect, PersistPrivate
from tastemesh.gossip.limits import Limits
from tastemesh.node.core import Core
from tastemesh.node.node import Node, open_node
from tastemesh.node.plays import Play
from tastemesh.node.record_book import PRIVATE_ROW_BYTES
from tastemesh.node.settings import NodeConfig
from tastemesh.node.sharing import Sharing
from tastemesh.node.voices import PRIVATE_AT_ONCE
from tastemesh.storage.store import StorageEffect, Store
from tests.node.turns import Turns

COUNT = 3 * PRIVATE_AT_ONCE + 1
PLAYS = [Play(item=f"item {number}") for number in range(COUNT)]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    config = NodeConfig(home=tmp_path, offline=True, sharing=Sharing(private_kinds=("skip",)))
    async with open_node(config) as node:
        yield node


class Heard:
    """Notes how many private interactions the core was given, in which turn, and the store."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.turns = Turns()
        self.steps: list[tuple[int, int]] = []
        self.commits: list[int] = []
        handle, commit = Core.handle, Store.commit

        def noted(core: Core, event: inputs.Input, now_ms: int) -> list[Effect]:
            if isinstance(event, inputs.Recorded) and event.private:
                self.steps.append((self.turns.count, len(event.statements)))
            return handle(core, event, now_ms)

        async def committed(store: Store, changes: Sequence[StorageEffect]) -> None:
            count = sum(isinstance(each, PersistPrivate) for each in changes)
            self.commits += [count] if count else []
            await commit(store, changes)

        patch.setattr(Core, "handle", noted)
        patch.setattr(Store, "commit", committed)


async def items(node: Node) -> list[str]:
    return [each.item for each in (await node.export()).interactions]


@pytest.mark.parametrize("is_import", [False, True])
async def test_many_are_handed_in_some_a_turn_and_committed_as_one(
    node: Node, monkeypatch: pytest.MonkeyPatch, is_import: bool
) -> None:
    heard = Heard(monkeypatch)
    async with heard.turns.counted():
        if is_import:
            assert (await node.import_history(PLAYS, private=True)).added == COUNT
        else:
            assert await node.record_many(PLAYS, private=True) == []
    assert [count for _, count in heard.steps] == [*[PRIVATE_AT_ONCE] * 3, 1]
    assert len({turn for turn, _ in heard.steps}) == 4
    assert heard.commits == [COUNT]
    assert sorted(await items(node)) == sorted(each.item for each in PLAYS)


async def test_what_is_published_beside_them_is_in_the_same_commit(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard(monkeypatch)
    plays = [*PLAYS[:3], *(Play(item=f"no {each.item}", kind="skip") for each in PLAYS)]
    assert len(await node.record_many(plays)) == 1
    assert heard.commits == [COUNT]
    assert len(await items(node)) == COUNT + 3


async def test_who_gives_up_half_way_leaves_all_and_what_he_says_next_comes_after(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard(monkeypatch)
    saying = asyncio.create_task(node.record_many(PLAYS, private=True))
    while not heard.steps:
        await asyncio.sleep(0)
    saying.cancel()
    await asyncio.sleep(0)
    saying.cancel()  # as anyio does in each turn
    await asyncio.sleep(0)
    assert heard.commits == []
    assert not saying.done()
    forgotten = await node.forget(everything=True)
    assert saying.cancelled()
    assert forgotten.private == COUNT
    assert await items(node) == []


async def test_nothing_is_recorded_where_one_of_them_is_wrong(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard(monkeypatch)
    with pytest.raises(UsageError, match="item"):
        await node.record_many([*PLAYS, Play(item="x" * 257)], private=True)
    assert heard.steps == []
    assert await items(node) == []


async def test_of_two_who_need_the_same_room_one_is_refused_as_a_whole(tmp_path: Path) -> None:
    room = COUNT * 2 * (PRIVATE_ROW_BYTES + len(PLAYS[-1].item)) - 100 * PRIVATE_ROW_BYTES
    config = NodeConfig(home=tmp_path, offline=True, limits=Limits(private_bytes=room))
    async with open_node(config) as node:
        ana, ben = await node.add_identities(["ana", "ben"])
        done = await asyncio.gather(
            *(each.record_many(PLAYS, private=True) for each in (ana, ben)), return_exceptions=True
        )
        assert [type(each) for each in done] == [list, UsageError]
        assert len((await ana.export()).interactions) == COUNT
        assert (await ben.export()).interactions == []
        await ben.record_many(PLAYS[:100], private=True)  # the room is free again


async def test_a_fault_half_way_leaves_what_was_done_committed(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = Core.handle

    def broken(core: Core, event: inputs.Input, now_ms: int) -> list[Effect]:
        done = handle(core, event, now_ms)
        if isinstance(event, inputs.Recorded) and len(event.statements) == 1:
            raise InternalError(done) from ZeroDivisionError()
        return done

    monkeypatch.setattr(Core, "handle", broken)
    with pytest.raises(ZeroDivisionError):
        await node.record_many(PLAYS, private=True)
    assert len(await items(node)) == COUNT
