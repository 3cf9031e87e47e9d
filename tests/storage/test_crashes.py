"""After a crash every acknowledged commit is there, and of no commit a part."""

import random
import shutil
from pathlib import Path

from tastemesh.storage.store import Store
from tests.storage.children import batch, start, state_after, turn_of

KILLS = 6


async def test_what_was_acknowledged_survives_kill_9(path: Path) -> None:
    rng = random.Random(20261122)
    turn = 0
    for _ in range(KILLS):
        with start("write", path) as writer:
            assert writer.stdout is not None
            for _ in range(rng.randrange(1, 60)):
                turn = int(writer.stdout.readline())
            writer.kill()  # in the middle of whatever comes after that turn
            for line in writer.stdout:
                turn = int(line)
        async with await Store.open(path) as store:
            found = await store.load(0)
            assert turn_of(found) in (turn, turn + 1)
            assert found == state_after(turn_of(found))


async def test_a_log_torn_anywhere_leaves_whole_commits(path: Path) -> None:
    async with await Store.open(path) as store:
        for turn in range(1, 13):
            await store.commit(batch(turn))
        crashed = path.parent / "crashed"
        shutil.copytree(path.parent, crashed)
    log_bytes = sizes(crashed)["window.db-wal"]
    rng = random.Random(20261122)
    turns = []
    for cut in sorted(rng.randrange(log_bytes + 1) for _ in range(40)):
        turns.append(await turns_after_cut(crashed, path.parent / str(cut), cut, rng))
    assert turns == sorted(turns)
    assert len(set(turns)) > 6
    assert await turns_after_cut(crashed, path.parent / "whole", log_bytes, rng) == 12


def sizes(folder: Path) -> dict[str, int]:
    return {each.name: each.stat().st_size for each in folder.iterdir()}


async def turns_after_cut(crashed: Path, folder: Path, cut: int, rng: random.Random) -> int:
    """The turns that are left where the log ends at `cut`, with rubbish behind it."""
    shutil.copytree(crashed, folder)
    with (folder / "window.db-wal").open("r+b") as log:
        log.truncate(cut)
        log.seek(cut)
        log.write(rng.randbytes(rng.randrange(5_000)))
    async with await Store.open(folder / "window.db") as store:
        found = await store.load(0)
    if not found.sequences:
        assert not found.records
        return 0
    assert found == state_after(turn_of(found))
    return turn_of(found)
