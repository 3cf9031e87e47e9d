"""What a user has said, by page: all of it once, newest first, and no more read than is shown."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tastemesh.errors import UsageError
from tastemesh.gossip.effects import PersistPrivate
from tastemesh.gossip.record import Interaction
from tastemesh.node.history import SaidInteraction
from tastemesh.node.node import Node, open_node
from tastemesh.node.plays import Play
from tastemesh.node.settings import NodeConfig
from tastemesh.storage.store import Store

DATES_S = [5.25, 5.25, 7.0]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with open_node(NodeConfig(home=tmp_path, offline=True)) as node:
        yield node


async def say(node: Node, count: int, *, private: bool) -> None:
    name = "private" if private else "public"
    plays = [Play(item=f"{name} {n}", time_s=DATES_S[n % 3]) for n in range(count)]
    await node.record_many(plays, private=private)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 8, 16])
@pytest.mark.parametrize(("public", "private"), [(8, 0), (0, 8), (8, 8)])
async def test_pages_together_are_the_list(
    node: Node, limit: int, public: int, private: int
) -> None:
    """Whatever shares a date, and while newer things are said."""
    await say(node, public, private=False)
    await say(node, private, private=True)
    found: list[SaidInteraction] = []
    after = ""
    while True:
        got = await node.journal.page(after, limit)
        assert len(got.interactions) <= limit
        found += got.interactions
        if got.next is None:
            break
        after = got.next
        for is_private in (False, True):
            await node.record("new", kind="like", time_s=9.0 + len(found), private=is_private)
    count = public + private
    dates_s = [each.time_s for each in found]
    assert dates_s == sorted(dates_s, reverse=True)
    assert len({(each.item, each.private) for each in found}) == len(found) == count
    assert dates_s.count(7.0) == sum(n % 3 == 2 for n in [*range(public), *range(private)])


async def test_of_one_date_who_said_it_last_comes_first_and_private_before_public(
    node: Node,
) -> None:
    for item in ("b", "a"):
        await node.record(item, time_s=5.0)
        await node.record(item, time_s=5.0, private=True)
    shown = (await node.journal.page("", 10)).interactions
    assert [(each.item, each.private) for each in shown] == [
        ("a", True),
        ("b", True),
        ("a", False),
        ("b", False),
    ]
    await node.forget("b")  # while somebody looks through it
    rest = (await node.journal.page("5000-0-1", 10)).interactions
    assert rest == []


@pytest.mark.parametrize("after", ["yesterday", "1-2", "5000-0-0 ", "-1-0-0", "1-0-0-0"])
async def test_what_is_no_place_is_refused(node: Node, after: str) -> None:
    with pytest.raises(UsageError, match="expected the `next` of a page"):
        await node.journal.page(after, 10)
    with pytest.raises(UsageError, match="nobody"):
        await node.journal.page("", 10, identity="nobody")


@pytest.mark.parametrize("dates", [1, 50, 1_000_000])
async def test_a_page_of_private_interactions_reads_what_it_holds(
    tmp_path: Path, dates: int
) -> None:
    """Counted in steps of SQLite's machine, for an author who has a hundred times as many."""
    author, steps = b"a" * 32, {}
    for count in (200, 20_000):
        async with await Store.open(tmp_path / f"{count}.sqlite3") as store:
            said = [
                PersistPrivate(author, Interaction(f"{n}", "listen", 1), 2_000_000 + n % dates)
                for n in range(count)
            ]
            await store.commit(said)
            counted = 0

            def step() -> int:
                nonlocal counted
                counted += 1
                return 0

            middle = [
                (each, at - each.ago_ms, n)
                for each, at, n in await store.private_before(author, (10**16, 0), count // 2)
            ][-1][1:]
            await store._db.set_progress_handler(step, 1)
            rows = await store.private_before(author, middle, 10)
            assert len(rows) == 10
            keys = [(at - each.ago_ms, n) for each, at, n in rows]
            assert keys == sorted(keys, reverse=True)
            assert keys[0] < middle
            steps[count] = counted
    assert steps[20_000] <= 1.2 * steps[200]
    assert steps[20_000] <= 10 * 30 + 200  # some thirty a row
