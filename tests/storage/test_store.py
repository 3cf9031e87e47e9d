import asyncio
import stat
from pathlib import Path

import pytest
from msgspec import structs

from tastemesh.errors import StorageError, UsageError
from tastemesh.gossip.effects import Persist, PersistPrivate, ReserveSequence
from tastemesh.gossip.inputs import Restored
from tastemesh.gossip.record import Interaction
from tastemesh.storage.store import COPIED, MIN_DISK_BYTES, WAL_BYTES, StorageEffect, Store
from tests.storage.records import evict, persist, restored, stored

ALICE = b"a" * 32


def file_bytes(path: Path) -> int:
    return path.stat().st_size


async def test_all_effects_come_back_after_a_restart(path: Path) -> None:
    said = Interaction("isrc:GBAYE0000351", "listen", 2_500, 17)
    async with await Store.open(path) as store:
        await store.commit(
            [
                ReserveSequence(ALICE, 0, 65),
                persist(1, own=True),
                persist(2),
                PersistPrivate(ALICE, said, 42),
            ]
        )
    async with await Store.open(path) as store:
        assert await store.load(99) == Restored(
            records=stored(persist(1), persist(2)),
            sequences=((ALICE, 0, 65),),
            private=((ALICE, said, 42),),
            wall_ms=99,
        )


async def test_records_come_back_in_the_order_of_arrival(path: Path) -> None:
    arrivals = [persist(n) for n in (5, 3, 9, 1, 7)]
    async with await Store.open(path) as store:
        for arrival in arrivals:
            await store.commit([arrival])
        await store.commit([evict(arrivals[4])])
        await store.commit([arrivals[1], arrivals[4]])  # one is there, one arrives anew
        assert await store.load(0) == restored(*arrivals)


async def test_what_was_said_in_private_comes_back_where_it_was_said(path: Path) -> None:
    def private(item: str, wall_ms: int) -> PersistPrivate:
        return PersistPrivate(ALICE, Interaction(item, "listen", 10_000), wall_ms)

    async with await Store.open(path) as store:
        changes: list[StorageEffect] = [
            private("first", 1_990),
            persist(1),  # first seen at 2,001
            persist(2),
            private("second", 2_500),
            private("third", 2_500),
            *(persist(number) for number in range(600, 1_800)),  # more than a part
            private("fourth", 3_800),
            persist(1_800),
            private("last", 4_000),
        ]
        await store.commit(changes)
        parts = [part async for part in store.parts(9_999)]
        assert await store.load(9_999) == Restored(
            records=stored(*(each for each in changes if isinstance(each, Persist))),
            sequences=(),
            private=tuple(
                (ALICE, each.interaction, each.wall_ms)
                for each in changes
                if isinstance(each, PersistPrivate)
            ),
            wall_ms=9_999,
        )
    order: list[str | bytes] = []
    for part in parts:  # the core takes a part's records first
        order += [each.record_id for each in part.records]
        order += [said.item for _, said, _ in part.private]
    assert order == [
        each.interaction.item if isinstance(each, PersistPrivate) else each.record.id
        for each in changes
        if isinstance(each, Persist | PersistPrivate)
    ]
    assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]


async def test_a_batch_can_be_committed_again(path: Path) -> None:
    batch: list[StorageEffect] = [
        persist(1),
        persist(2),
        evict(persist(1)),
        ReserveSequence(ALICE, 0, 9),
    ]
    async with await Store.open(path) as store:
        await store.commit(batch)
        once = await store.load(0)
        await store.commit(batch)
        assert await store.load(0) == once


async def test_a_reservation_never_shrinks(path: Path) -> None:
    async with await Store.open(path) as store:
        await store.commit([ReserveSequence(ALICE, 1, 65)])
        await store.commit([ReserveSequence(ALICE, 1, 10), ReserveSequence(ALICE, 0, 3)])
        assert (await store.load(0)).sequences == ((ALICE, 0, 3), (ALICE, 1, 65))


async def test_fetch_answers_in_the_order_asked(path: Path) -> None:
    changes = [persist(n) for n in range(1_200)]  # more than one SELECT takes
    async with await Store.open(path) as store:
        await store.commit(changes)
        asked = [changes[n].record.id for n in (1_100, 3, 700)]
        expected = tuple(changes[n].record.envelope for n in (1_100, 3, 700))
        assert await store.fetch([asked[0], b"?" * 32, *asked[1:]]) == expected
        everything = [each.record.id for each in reversed(changes)]
        assert await store.fetch(everything) == tuple(
            each.record.envelope for each in reversed(changes)
        )
        assert await store.fetch([]) == ()


async def test_what_was_said_here_is_told_from_what_others_brought(path: Path) -> None:
    said = [persist(n) for n in range(4)]
    changes = [
        structs.replace(each, own=own, first_seen_ms=each.record.created_ms + late_ms)
        for each, own, late_ms in zip(said, (True, True, False, False), (0, 9, 0, 9), strict=True)
    ]
    async with await Store.open(path) as store:
        await store.commit(changes)
        ids = [each.record.id for each in changes]
        assert await store.said_here(ids) == {ids[0]}
        assert await store.said_here(ids[1:]) == await store.said_here([]) == frozenset()


async def test_meta_keeps_the_last_value(path: Path) -> None:
    async with await Store.open(path) as store:
        assert await store.get_meta("network") is None
        await store.set_meta("network", b"main")
        await store.set_meta("network", b"test")
    async with await Store.open(path) as store:
        assert await store.get_meta("network") == b"test"


async def test_what_cannot_be_written_leaves_no_trace(path: Path) -> None:
    async with await Store.open(path) as store:
        await store.commit([persist(1)])
        for beyond in (
            ReserveSequence(ALICE, 0, 2**63),
            PersistPrivate(ALICE, Interaction("\ud800", "like", 1), 0),
        ):
            with pytest.raises(StorageError, match=r"window\.db"):
                await store.commit([evict(persist(1)), persist(2), beyond])
        assert await store.load(0) == restored(persist(1))
        await store.commit([persist(2)])
        assert await store.load(0) == restored(persist(1), persist(2))


@pytest.mark.parametrize("step_count", range(12))
async def test_a_cancelled_commit_is_whole_or_not_there(path: Path, step_count: int) -> None:
    async with await Store.open(path) as store:
        task = asyncio.create_task(store.commit([persist(n) for n in range(500)]))
        for _ in range(step_count):
            await asyncio.sleep(0)
            await store.get_meta("network")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len((await store.load(0)).records) in (0, 500)
        await store.commit([persist(n) for n in range(501)])
        assert len((await store.load(0)).records) == 501


async def test_commits_of_several_tasks_take_turns(path: Path) -> None:
    async with await Store.open(path) as store:
        await asyncio.gather(*(store.commit([persist(n)]) for n in range(20)))
        assert await store.load(0) == restored(*(persist(n) for n in range(20)))


async def test_closing_finishes_what_was_asked_before(path: Path) -> None:
    store = await Store.open(path)
    commits = [asyncio.create_task(store.commit([persist(n)])) for n in range(5)]
    await asyncio.sleep(0)  # all of them wait for their turn now
    await store.close()
    await asyncio.gather(*commits)
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name]
    async with await Store.open(path) as store:
        assert len((await store.load(0)).records) == 5


async def test_a_closed_store_says_so(path: Path) -> None:
    store = await Store.open(path)
    await store.close()
    await store.close()
    for use in (
        store.commit([]),
        store.load(0),
        store.fetch([]),
        store.statistics(),
        store.get_meta("network"),
        store.set_meta("network", b""),
        store.backup(path.with_name("copy.db")),
        store.vacuum_step(),
    ):
        with pytest.raises(StorageError, match=r"window\.db is closed"):
            await use


async def test_statistics_count_rows_and_bytes(path: Path) -> None:
    async with await Store.open(path, disk_bytes=MIN_DISK_BYTES) as store:
        await store.commit([persist(n) for n in range(100)])
        found = await store.statistics()
        files = sum(each.stat().st_size for each in path.parent.iterdir())
        assert (found.record_count, found.statement_count) == (100, 100)
        assert found.disk_bytes == files
        assert found.disk_bound_bytes == MIN_DISK_BYTES
        assert found.max_page_count * found.page_bytes == MIN_DISK_BYTES - WAL_BYTES
        assert 0 < found.page_count < found.max_page_count


async def test_vacuuming_gives_pages_back(path: Path) -> None:
    changes = [persist(n, size_bytes=8_000) for n in range(200)]
    async with await Store.open(path) as store:
        await store.commit(changes)
        await store.commit([evict(*changes)])
        before = await store.statistics()
        assert before.free_page_count > 300
        assert await store.vacuum_step(100) == 100
        assert await store.vacuum_step(10_000) == before.free_page_count - 100
        assert await store.vacuum_step() == 0
        after = await store.statistics()
        assert after.free_page_count == 0
        assert after.page_count == before.page_count - before.free_page_count
    assert file_bytes(path) == after.page_count * after.page_bytes


async def test_a_lowered_bound_holds_once_pages_are_given_back(path: Path) -> None:
    changes = [persist(n, size_bytes=16_000) for n in range(1_200)]
    async with await Store.open(path) as store:
        await store.commit(changes)
    async with await Store.open(path, disk_bytes=MIN_DISK_BYTES) as store:
        over = await store.statistics()
        assert over.max_page_count == over.page_count
        await store.commit([evict(*changes[:1_000])])
        await store.vacuum_step(100_000)
        found = await store.statistics()
        assert found.max_page_count * found.page_bytes == MIN_DISK_BYTES - WAL_BYTES


async def test_a_bound_too_small_is_refused(path: Path) -> None:
    with pytest.raises(UsageError, match=f"{MIN_DISK_BYTES - 1}; expected at least"):
        await Store.open(path, disk_bytes=MIN_DISK_BYTES - 1)
    assert not list(path.parent.iterdir())


async def test_only_the_owner_can_read_the_file(path: Path) -> None:
    async with await Store.open(path) as store:
        await store.commit([persist(1)])
        for each in path.parent.iterdir():
            assert stat.S_IMODE(each.stat().st_mode) == 0o600


async def test_a_backup_is_a_store_that_knows_that_it_is_a_copy(path: Path) -> None:
    copy = path.with_name("copy.db")
    async with await Store.open(path) as store:
        await store.commit([persist(1), ReserveSequence(ALICE, 0, 65)])
        await store.backup(copy)
        await store.commit([persist(2)])
        assert await store.get_meta(COPIED) is None
        with pytest.raises(StorageError, match=r"copy\.db exists already"):
            await store.backup(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(each.name for each in path.parent.iterdir()) == ["copy.db", "window.db"]
    async with await Store.open(copy) as store:
        assert await store.load(0) == Restored(stored(persist(1)), ((ALICE, 0, 65),), (), 0)
        assert await store.get_meta(COPIED) is not None


async def test_a_backup_that_fails_leaves_the_store_in_use(path: Path) -> None:
    async with await Store.open(path) as store:
        with pytest.raises(StorageError, match=r"nowhere/copy\.db: No such file or directory"):
            await store.backup(path.parent / "nowhere" / "copy.db")
        await store.commit([persist(1)])
        assert await store.load(0) == restored(persist(1))
