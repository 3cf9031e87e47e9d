"""Faults of disk, file and clock under a running node, each real.

While one lasts the node names it in status, metrics and log, answers from memory, and acknowledges
nothing; when it is gone, it goes on. What was acknowledged is there after a `kill -9`.
"""

import asyncio
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

import tastemesh
from benchmarks.daemons import fill
from tastemesh.errors import StorageError
from tastemesh.gossip.limits import Limits
from tastemesh.node import driver
from tastemesh.node.clock import SystemClock
from tastemesh.node.home import WINDOW_FILE
from tastemesh.node.http import commits
from tastemesh.node.node import Node
from tests.brokers import BrokerProcess
from tests.node.daemons import DEADLINE_S, Daemon, Shell, running

pytestmark = pytest.mark.broker

DAY_MS = 86_400_000

LOCKING = """
import sqlite3, sys
for statement in ("BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "SELECT * FROM records"):
    try:
        sqlite3.connect(sys.argv[1], timeout=0).execute(statement)
    except sqlite3.OperationalError as error:
        print(error)
"""


class Api:
    """The HTTP API of a daemon."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def record(self, item: str, *, private: bool = False) -> list[str]:
        """Record, and return the records' ids once it is acknowledged."""
        reply = await self._client.post("/v1/interactions", json={"item": item, "private": private})
        assert reply.status_code == 201, reply.text
        return [str(each) for each in reply.json()["records"]]

    async def answers(self) -> int:
        """Return the length of the list of recommendations."""
        reply = await self._client.get("/v1/recommendations")
        assert reply.status_code == 200, reply.text
        return len(reply.json()["recommendations"])

    async def health(self) -> int:
        return (await self._client.get("/health")).status_code

    async def cause(self) -> str | None:
        status = (await self._client.get("/v1/status")).json()
        return status["storage"]["cause"] and str(status["storage"]["cause"])

    async def until(self, cause: str | None) -> None:
        """Wait until the disk's fault is this one."""
        async with asyncio.timeout(DEADLINE_S):
            while await self.cause() != cause:
                await asyncio.sleep(0.02)

    async def metrics(self) -> list[str]:
        return (await self._client.get("/metrics")).text.splitlines()


@asynccontextmanager
async def asking(daemon: Daemon) -> AsyncIterator[Api]:
    base = json.loads((daemon.home / "daemon.json").read_text())["http"]
    token = (daemon.home / "api.token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=DEADLINE_S) as client:
        yield Api(client)


Fault = Callable[[Daemon], Callable[[], None]]
"""Brings a fault about under a daemon, and returns what ends it."""


def refused_writes(daemon: Daemon) -> Callable[[], None]:
    """The system lets the process write no file."""
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    forever = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def mend() -> None:
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, forever)

    return mend


def read_only_files(daemon: Daemon) -> Callable[[], None]:
    """The database and its log cannot be changed, not even by root or through what is open."""
    files = [str(file) for file in daemon.home.glob(f"{WINDOW_FILE}*")]

    def change(flag: str) -> bool:
        return not subprocess.run(["chattr", flag, *files], capture_output=True).returncode

    if os.geteuid() or not shutil.which("chattr") or not change("+i"):
        pytest.skip("making files immutable needs root and a file system that can")

    def mend() -> None:
        assert change("-i")

    return mend


def moved_away(daemon: Daemon) -> Callable[[], None]:
    """The database and its log are no longer where they were."""
    elsewhere = daemon.home / "elsewhere"
    elsewhere.mkdir()
    files = list(daemon.home.glob(f"{WINDOW_FILE}*"))
    for file in files:
        file.rename(elsewhere / file.name)

    def mend() -> None:
        for file in files:
            (elsewhere / file.name).rename(file)

    return mend


def full_disk(daemon: Daemon) -> Callable[[], None]:
    """Another file takes the rest of the disk."""
    return filled(daemon.home)


def filled(folder: Path) -> Callable[[], None]:
    """Fill the disk that a folder is on, and return what frees it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 1 << 16
        while size:
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                size //= 2
    return filler.unlink


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 12 MB, at this folder."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root and a machine that lets it")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def live_through(
    shell: Shell, home: Path, broker: BrokerProcess, fault: Fault, cause: str
) -> None:
    """Have a daemon go through a fault of its disk, and kill it afterwards."""
    await shell.init(home, broker.url)
    async with running(home) as daemon, asking(daemon) as api:
        said = await api.record("before")
        await api.record("kept before", private=True)
        mend = fault(daemon)
        try:
            during = asyncio.create_task(api.record("during"))
            await api.until(cause)
            await api.answers()
            assert await api.health() == 503
            told = await api.metrics()
            assert "tastemesh_storage_fault 1" in told
            assert f'tastemesh_storage_fault_cause{{cause="{cause}"}} 1' in told
            assert sum("fault_cause{" in line and line.endswith(" 1") for line in told) == 1
            status, _, err = await shell.attempt("record", "refused", "--home", home)
            assert (status, err.count("\n"), "nothing was recorded" in err) == (1, 1, True)
            assert WINDOW_FILE in await shell("status", "--home", home)
            assert not during.done()
        finally:
            mend()
        said += await during
        await api.until(None)
        said += await api.record("after")
        assert await api.health() == 200
        assert "tastemesh_storage_fault 0" in await api.metrics()
        await daemon.stop(signal.SIGKILL)
        logged = [json.loads(line) for line in daemon.log]
        named = [line for line in logged if line["event"].startswith("storage fault")]
        assert [line["cause"] for line in named] == [cause]
        assert WINDOW_FILE in named[0]["fault"]
        assert any(line["event"] == "storage recovered" for line in logged)
    assert len(said) == 3
    with closing(sqlite3.connect(home / WINDOW_FILE)) as db:
        assert {each.hex() for (each,) in db.execute("SELECT id FROM records")} == set(said)
        assert db.execute("SELECT item FROM private_interactions").fetchall() == [("kept before",)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "cause"),
    [(refused_writes, "io"), (read_only_files, "read-only"), (moved_away, "gone")],
)
async def test_a_disk_that_cannot_be_written(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess, fault: Fault, cause: str
) -> None:
    await live_through(shell, tmp_path / "home", nats_broker, fault, cause)


@pytest.mark.slow
async def test_a_full_disk(shell: Shell, tmp_path: Path, nats_broker: BrokerProcess) -> None:
    with small_disk(tmp_path / "disk") as disk:
        await live_through(shell, disk / "home", nats_broker, full_disk, "disk-full")


@pytest.mark.slow
async def test_what_was_begun_on_a_full_disk_is_finished_when_it_is_free_again(
    tmp_path: Path, nats_broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "COMMIT_S", 0.2)
    with small_disk(tmp_path / "disk") as disk:
        async with opened(disk / "home", nats_broker, SetClock()) as node:
            await node.record("regretted")
            await node.record("regretted", private=True)
            free = filled(disk)
            with pytest.raises(StorageError, match=r"full.*kept in memory, and tried again"):
                await commits.committed(node, node.forget("regretted"))
            with pytest.raises(StorageError, match=r"full.*nothing was recorded"):
                await commits.committed(node, node.record("refused"))
            free()
            async with asyncio.timeout(DEADLINE_S):
                while (await node.export()).interactions or node.storage_fault:
                    await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_closing_on_a_full_disk_ends_and_tells_who_waits(
    tmp_path: Path, nats_broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "CLOSING_S", 0.2)
    with small_disk(tmp_path / "disk") as disk, capture_logs() as logged:
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(StorageError, match="the disk is full"):  # from closing the store
                async with opened(disk / "home", nats_broker, SetClock()) as node:
                    await node.record("before")
                    free = filled(disk)
                    during = asyncio.create_task(node.record("during"))
                    forgetting = asyncio.create_task(node.forget("before"))
                    await asyncio.sleep(0)
            for task in (during, forgetting):
                with pytest.raises(StorageError, match=r"stopped before the commit: .* is full"):
                    await task
        lost = [line["lost_count"] for line in logged if line["event"].startswith("closing")]
        assert lost == [1]
        free()
        async with opened(disk / "home", nats_broker, SetClock()) as node:
            assert [said.item for said in (await node.export()).interactions] == ["before"]


@pytest.mark.slow
async def test_pages_that_are_damaged_under_a_running_daemon(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    await shell.init(tmp_path, nats_broker.url)
    await fill(tmp_path, 60_000)  # more than the page cache, or nothing would be read again
    file = tmp_path / WINDOW_FILE
    async with running(tmp_path) as daemon, asking(daemon) as api:
        whole = file.read_bytes()
        with file.open("r+b") as pages:
            pages.seek(4 * 4_096)
            pages.write(bytes(0xA5 for _ in range(len(whole) - 4 * 4_096)))
        async with asyncio.timeout(DEADLINE_S):  # nobody writes: the inspection comes upon it
            while await api.health() == 200:
                await asyncio.sleep(0.02)
        assert await api.cause() is None
        assert "tastemesh_storage_damage 1" in await api.metrics()
        during = asyncio.create_task(api.record("during"))
        await api.until("damaged")
        assert await api.answers() > 0
        with file.open("r+b") as pages:
            pages.write(whole)
        (said,) = await during
        await api.until(None)
        async with asyncio.timeout(DEADLINE_S):
            while await api.health() != 200:
                await asyncio.sleep(0.02)
        await daemon.stop(signal.SIGKILL)
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = db.execute("SELECT own FROM records WHERE id = ?", (bytes.fromhex(said),))
        assert found.fetchall() == [(1,)]


async def test_nobody_can_lock_the_file_of_a_running_node(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    config = tastemesh.NodeConfig(home=tmp_path, brokers=(nats_broker.url,))
    async with tastemesh.open_node(config) as node:
        await node.record("before")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", LOCKING, str(tmp_path / WINDOW_FILE)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert (await process.communicate())[0] == b"database is locked\n" * 3
        await node.record("after")
        assert node.storage_fault is None


class SetClock(SystemClock):
    """This machine's clocks, the wall's off by as much as is said."""

    def __init__(self) -> None:
        self.off_ms = 0

    def wall_ms(self) -> int:
        return super().wall_ms() + self.off_ms


@asynccontextmanager
async def opened(home: Path, broker: BrokerProcess, clock: SetClock) -> AsyncIterator[Node]:
    limits = Limits(author_interaction_count=8, sync_period_ms=500, presence_period_ms=500)
    config = tastemesh.NodeConfig(home=home, brokers=(broker.url,), limits=limits)
    async with Node(config, clock) as node:
        await node.connected()
        yield node


@pytest.mark.parametrize("step_ms", [-DAY_MS, DAY_MS])
async def test_a_clock_that_is_set_by_a_day_and_back(
    tmp_path: Path, nats_broker: BrokerProcess, step_ms: int
) -> None:
    clock = SetClock()
    async with (
        opened(tmp_path / "bob", nats_broker, SetClock()) as bob,
        opened(tmp_path / "ann", nats_broker, clock) as ann,
    ):
        said = [await ann.record(f"before {n}") for n in range(8)]
        clock.off_ms = step_ms
        said += [await ann.record(f"meanwhile {n}") for n in range(4)]
        assert ann.status()["clock"] == {"steps": 1, "last_step_s": pytest.approx(step_ms / 1000)}
        assert [ann.holds(record) for (record,) in said] == [False] * 4 + [True] * 8
        heard = (await bob.record("by bob"))[0]
        await ann.recommend()
        clock.off_ms = 0
        said += [await ann.record("at last")]
        assert ann.status()["clock"] == {"steps": 2, "last_step_s": pytest.approx(-step_ms / 1000)}
        async with asyncio.timeout(DEADLINE_S):
            while not (ann.holds(heard) and bob.holds(said[-1][0])):
                await asyncio.sleep(0.02)
    async with opened(tmp_path / "ann", nats_broker, clock) as ann:
        assert [ann.holds(record) for (record,) in said] == [False] * 5 + [True] * 8


async def test_a_record_that_was_altered_on_the_disk_is_named_and_fetched_again(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    async with opened(tmp_path / "bob", nats_broker, SetClock()) as bob:
        async with opened(tmp_path / "ann", nats_broker, SetClock()) as ann:
            said = [(await ann.record(f"item {n}"))[0] for n in range(4)]
            async with asyncio.timeout(DEADLINE_S):
                while not all(map(bob.holds, said)):
                    await asyncio.sleep(0.02)
        with closing(sqlite3.connect(tmp_path / "ann" / WINDOW_FILE)) as db:
            (envelope,) = db.execute(
                "SELECT envelope FROM records WHERE id = ?", (bytes.fromhex(said[1]),)
            ).fetchone()
            altered = envelope.replace(b"item 1", b"item 7")
            assert altered != envelope
            db.execute("UPDATE records SET envelope = ? WHERE envelope = ?", (altered, envelope))
            db.commit()
        async with opened(tmp_path / "ann", nats_broker, SetClock()) as ann:
            assert ann.status()["rejected"]["damaged"] == 1
            async with asyncio.timeout(DEADLINE_S):
                while not ann.holds(said[1]):
                    await asyncio.sleep(0.02)
                items: set[str] = set()
                while items != {f"item {n}" for n in range(4)}:  # held first, then on the disk
                    items = {each.item for each in (await ann.export()).interactions}


async def test_a_signature_that_was_altered_on_the_disk_is_found_while_the_node_runs(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    async with opened(tmp_path / "bob", nats_broker, SetClock()) as bob:
        (heard,) = await bob.record("by bob")
        async with opened(tmp_path / "ann", nats_broker, SetClock()) as ann:
            (said,) = await ann.record("by ann")
            async with asyncio.timeout(DEADLINE_S):
                while not ann.holds(heard):
                    await asyncio.sleep(0.02)
        file, rows = tmp_path / "ann" / WINDOW_FILE, "SELECT id, envelope FROM records"
        with closing(sqlite3.connect(file)) as db:
            whole = dict(db.execute(rows).fetchall())
            for each, envelope in whole.items():
                altered = envelope[:-5] + bytes([envelope[-5] ^ 1]) + envelope[-4:]
                db.execute("UPDATE records SET envelope = ? WHERE id = ?", (altered, each))
            db.commit()
        async with opened(tmp_path / "ann", nats_broker, SetClock()) as ann:
            assert "damaged" not in ann.status()["rejected"]
            async with asyncio.timeout(DEADLINE_S):
                while ann.status()["rejected"].get("damaged") != 2:
                    await asyncio.sleep(0.02)
                while not (ann.holds(heard) and ann.holds(said)):
                    await asyncio.sleep(0.02)
        with closing(sqlite3.connect(file)) as db:
            assert dict(db.execute(rows).fetchall()) == whole


async def test_a_window_that_is_gone_takes_no_number_a_second_time(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    clock = SetClock()
    async with opened(tmp_path / "bob", nats_broker, clock) as bob:
        async with opened(tmp_path / "ann", nats_broker, clock) as ann:
            await ann.record("before")
            await ann.drain()
        for file in (tmp_path / "ann").glob(f"{WINDOW_FILE}*"):
            file.unlink()
        async with opened(tmp_path / "ann", nats_broker, clock) as ann:
            (said,) = await ann.record("after")
            async with asyncio.timeout(DEADLINE_S):
                while not bob.holds(said):
                    await asyncio.sleep(0.02)
            assert (ann.status()["convicted"], bob.status()["convicted"]) == (0, 0)
