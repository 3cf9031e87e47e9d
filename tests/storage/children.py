"""Programs that a test runs beside itself, to be refused, starved or killed.

Run as `python -m tests.storage.children NAME FILE`.
"""

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path

from tastemesh.errors import StorageError
from tastemesh.gossip.effects import ReserveSequence
from tastemesh.gossip.inputs import Restored
from tastemesh.storage.batch import StorageEffect
from tastemesh.storage.migrations import shipped_migrations
from tastemesh.storage.store import Store
from tests.storage.records import evict, persist, stored

AUTHOR = b"a" * 32
BATCH_COUNT = 16
WINDOW_COUNT = 20 * BATCH_COUNT

NOBODY = 65_534


def start(name: str, path: Path) -> subprocess.Popen[str]:
    """Start one of the programs below."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.storage.children", name, str(path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def batch(turn: int) -> list[StorageEffect]:
    """What turn 1, 2, … of the writer commits; one in three needs the disk itself."""
    first = turn * BATCH_COUNT
    arrivals = [persist(n, own=turn % 3 == 0) for n in range(first, first + BATCH_COUNT)]
    gone = range(max(0, first - WINDOW_COUNT), max(0, first + BATCH_COUNT - WINDOW_COUNT))
    old = [persist(n) for n in gone]
    return [*arrivals, evict(*old), ReserveSequence(AUTHOR, 0, turn)]


def state_after(turn: int) -> Restored:
    """What a store holds after the writer's turns 1 to `turn`."""
    end = (turn + 1) * BATCH_COUNT
    held = [persist(n) for n in range(max(BATCH_COUNT, end - WINDOW_COUNT), end)]
    return Restored(stored(*held), ((AUTHOR, 0, turn),) if turn else (), (), 0)


def turn_of(restored: Restored) -> int:
    """How many turns a store has seen."""
    return restored.sequences[0][2] if restored.sequences else 0


async def hold(path: Path) -> None:
    """Keep the store open until told to go on."""
    async with await Store.open(path):
        print("open", flush=True)
        sys.stdin.readline()


async def write(path: Path) -> None:
    """Commit one turn after another for ever, saying each once it is committed."""
    async with await Store.open(path) as store:
        turn = turn_of(await store.load(0))
        while True:
            turn += 1
            await store.commit(batch(turn))
            print(turn, flush=True)


async def starve(path: Path) -> None:
    """Commit what the system refuses to write, then again once it does not."""
    async with await Store.open(path) as store:
        await store.commit(batch(1))
        bound, hard_bound = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard_bound))
        large = [persist(n, size_bytes=16_000) for n in range(10_000, 10_100)]
        try:
            await store.commit([evict(persist(BATCH_COUNT)), *large])
        except StorageError as error:
            print(error)
        print(await store.load(0) == state_after(1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (bound, hard_bound))
        await store.commit(batch(2))
        print(await store.load(0) == state_after(2), flush=True)


async def open_as_nobody(path: Path) -> None:
    """Open as a user whom permissions bind, which they do not for root."""
    _become_nobody()
    try:
        await (await Store.open(path)).close()
    except StorageError as error:
        print(error, flush=True)


async def measure_as_nobody(path: Path) -> None:
    """Say what an open store takes on the disk, before and after its folder is out of reach."""
    _become_nobody()
    async with await Store.open(path) as store:
        print(store.disk_bytes > 0)
        path.parent.chmod(0o000)
        print(store.disk_bytes > 0, store.salvage)
        path.parent.chmod(0o700)


def _become_nobody() -> None:
    shipped_migrations()  # root's Python may be out of that user's reach
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


PROGRAMS = (hold, write, starve, open_as_nobody, measure_as_nobody)

if __name__ == "__main__":
    program = {each.__name__: each for each in PROGRAMS}[sys.argv[1]]
    asyncio.run(program(Path(sys.argv[2])))
