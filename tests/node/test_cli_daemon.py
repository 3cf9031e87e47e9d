"""The command line with real daemons: processes, homes and a broker, as a person starts them."""

import asyncio
import json
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tastemesh.node.cli import main
from tests.brokers import BrokerProcess, free_port

pytestmark = [pytest.mark.broker, pytest.mark.slow]

DEADLINE_S = 60.0  # the machine that runs the tests may be busy
PROGRAM = (sys.executable, "-c", "from tastemesh.node.cli import main; raise SystemExit(main())")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("TASTEMESH_")}


async def _start(
    *arguments: object, limit_bytes: int = resource.RLIM_INFINITY, **environment: str
) -> asyncio.subprocess.Process:
    """Start a process that can write no file beyond `limit_bytes`."""
    return await asyncio.create_subprocess_exec(
        *PROGRAM,
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT | environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes)),
    )


async def tastemesh(*arguments: object) -> tuple[int, str]:
    """Run one command in a process of its own to its end; return status and stderr."""
    process = await _start(*arguments)
    async with asyncio.timeout(DEADLINE_S):
        _, err = await process.communicate()
    return process.returncode or 0, err.decode()


class Shell:
    """Runs commands in this process, where an import is paid once: returns status, out, err."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    async def attempt(self, *arguments: object) -> tuple[int, str, str]:
        status = await asyncio.to_thread(main, [str(word) for word in arguments])
        out, err = self._capsys.readouterr()
        return status, out, err

    async def __call__(self, *arguments: object) -> str:
        """Run a command that must succeed; return its stdout."""
        status, out, err = await self.attempt(*arguments)
        assert (status, err) == (0, "")
        return out

    async def init(self, home: Path, broker: str) -> str:
        """Make a home; return its identity."""
        out = await self("init", "--home", home, "--broker", broker, "--http-port", 0)
        return out.split("endorse ")[1].strip()

    async def recommended(self, home: Path, item: str) -> dict[str, Any]:
        """Ask until the item is in the list; return its line."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                answer = json.loads(await self("recommend", "--json", "--home", home))
                for line in answer["recommendations"]:
                    if line["item"] == item:
                        return dict(line)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in set(os.environ) - set(ENVIRONMENT):
        monkeypatch.delenv(name)
    return Shell(capsys)


class Daemon:
    """One `tastemesh run`."""

    def __init__(self, home: Path, process: asyncio.subprocess.Process) -> None:
        self.home = home
        self.process = process
        self.log: list[str] = []

    async def ready(self) -> None:
        assert self.process.stderr
        async with asyncio.timeout(DEADLINE_S):
            while not (self.log and json.loads(self.log[-1])["event"] == "ready"):
                line = (await self.process.stderr.readline()).decode()
                assert line, self.log
                self.log.append(line)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; return the status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(DEADLINE_S):
            _, rest = await self.process.communicate()
        self.log += rest.decode().splitlines()
        return self.process.returncode or 0


@asynccontextmanager
async def running(home: Path, *options: object, **extra: Any) -> AsyncIterator[Daemon]:
    daemon = Daemon(home, await _start("run", "--home", home, *options, **extra))
    try:
        await daemon.ready()
        yield daemon
    finally:
        await daemon.stop()


async def test_two_homes_recommend_each_others_items(shell: Shell, tmp_path: Path) -> None:
    broker = await _start("broker", "--home", tmp_path / "broker", "--port", 0)
    try:
        assert broker.stdout
        said = (await broker.stdout.readline()).decode()
        url = said.removeprefix("MQTT broker on ").split(";")[0]
        names = [await shell.init(tmp_path / name, url) for name in ("ann", "bob")]
        async with running(tmp_path / "ann") as ann, running(tmp_path / "bob") as bob:
            for daemon, friend, own in ((ann, names[1], "of ann"), (bob, names[0], "of bob")):
                told = await shell("record", "both/like this", "--home", daemon.home)
                assert told.startswith("recorded as ")
                await shell("record", own, "--kind", "like", "--home", daemon.home)
                await shell("endorse", friend, "--weight", 0.9, "--home", daemon.home)
            line = await shell.recommended(ann.home, "of bob")
            await shell.recommended(bob.home, "of ann")
            assert line["reasons"][0]["contact"] == names[1]
            assert not line["unverified"]
            shown = await shell("recommend", "--explain", "--home", ann.home)
            assert "of bob" in shown
            assert names[1][:16] in shown
            assert "both/like this" not in shown
            assert names[0] in await shell("status", "--home", ann.home)
    finally:
        broker.terminate()
        await broker.communicate()
    assert broker.returncode == 0


async def test_killed_daemons_and_brokers_come_back_by_themselves(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    ann_id = await shell.init(tmp_path / "ann", nats_broker.url)
    await shell.init(tmp_path / "bob", nats_broker.url)
    async with running(tmp_path / "ann") as ann:
        async with running(tmp_path / "bob") as bob:
            await shell("record", "common", "--home", bob.home)
            await shell("endorse", ann_id, "--home", bob.home)
            await shell("record", "common", "--home", ann.home)
            await shell("record", "first", "--home", ann.home)
            await shell.recommended(bob.home, "first")
            assert await bob.stop(signal.SIGKILL) == -signal.SIGKILL
        status, _, err = await shell.attempt("status", "--home", bob.home)
        assert (status, "no daemon runs for" in err) == (1, True)
        await shell("record", "while bob was dead", "--home", ann.home)
        async with running(tmp_path / "bob") as bob:
            await shell.recommended(bob.home, "first")  # from his own disk
            await shell.recommended(bob.home, "while bob was dead")
            await nats_broker.kill()
            await shell("record", "while the broker was dead", "--home", ann.home)
            await nats_broker.start()
            await shell.recommended(bob.home, "while the broker was dead")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_signal_ends_cleanly(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess, number: signal.Signals
) -> None:
    await shell.init(tmp_path, nats_broker.url)
    async with running(tmp_path) as daemon:
        announced = json.loads((tmp_path / "daemon.json").read_text())
        assert announced["pid"] == daemon.process.pid
        assert await daemon.stop(number) == 0
        assert not (tmp_path / "daemon.json").exists()
        assert "Traceback" not in "".join(daemon.log)


async def test_a_home_and_a_port_belong_to_one_daemon(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    await shell.init(tmp_path / "a", nats_broker.url)
    async with running(tmp_path / "a"):
        port = json.loads((tmp_path / "a" / "daemon.json").read_text())["http"].split(":")[-1]
        status, err = await tastemesh("run", "--home", tmp_path / "a")
        assert status == 1
        assert "in use by another process" in err
        status, err = await tastemesh(
            *("run", "--home", tmp_path / "b", "--http-port", port),
            *("--broker", nats_broker.url),
        )
        assert status == 1
        assert f"HTTP port {port} on 127.0.0.1 is taken" in err.splitlines()[-1]
        assert "TASTEMESH_HTTP_PORT" in err.splitlines()[-1]
        assert await shell("status", "--home", tmp_path / "a")


async def test_wrong_values_are_one_line_from_the_daemon_too(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    await shell.init(tmp_path, nats_broker.url)
    async with running(tmp_path):
        for arguments, said in (
            (("record", "x" * 257), "item id of 257 bytes; expected 1 to 256"),
            (("record", ""), "item id of 0 bytes"),
            (("record", "a\nb"), "without control characters"),
            (("record", b"\xff".decode(errors="surrogateescape")), "not valid UTF-8"),
            (("record", "a", "--weight", "0"), "weight is 0.0"),
            (("record", "a", "--weight", "nan"), "not finite"),
            (("record", "a", "--time", "2100-01-01"), "not the future"),
            (("record", "a", "--identity", "bob"), "'bob' is not on this node"),
            (("endorse", "ann"), "'ann' is not 64 hex digits"),
            (("endorse", "0" * 64, "--weight", "-1.5"), "weight is -1.5; expected -1 to 1"),
        ):
            status, out, err = await shell.attempt(*arguments, "--home", tmp_path)
            assert (status, out, err.count("\n")) == (2, "", 1), err
            assert said in err
        assert "nothing to recommend yet" in await shell("recommend", "--home", tmp_path)
        assert await shell("record", "a", "--private", "--home", tmp_path) == "kept on this node\n"


async def test_a_broker_that_is_away_is_waited_for(shell: Shell, tmp_path: Path) -> None:
    await shell.init(tmp_path, f"mqtt://127.0.0.1:{free_port()}")
    async with running(tmp_path):
        await shell("record", "a", "--home", tmp_path)
        status = json.loads(await shell("status", "--json", "--home", tmp_path))
        assert not status["brokers"][0]["connected"]
        assert status["window"]["records"] == 1


async def test_a_damaged_home_is_one_line(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    await shell.init(tmp_path, nats_broker.url)
    (tmp_path / "window.sqlite3").write_bytes(b"not a database" * 1000)
    status, err = await tastemesh("run", "--home", tmp_path)
    assert (status, err.count("\n")) == (1, 1), err
    assert "window.sqlite3" in err
    (tmp_path / "keys" / "me.key").write_text("not a key")
    status, err = await tastemesh("run", "--home", tmp_path)
    assert (status, err.count("\n")) == (2, 1), err
    assert "me.key" in err


async def test_a_full_disk_is_said_and_not_waited_for(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    await shell.init(tmp_path, nats_broker.url)
    async with running(tmp_path, limit_bytes=2**20) as daemon:
        async with asyncio.timeout(DEADLINE_S):
            status = 0
            while status == 0:
                status, _, err = await shell.attempt("record", "a", "--home", tmp_path)
        assert status == 1
        assert "window.sqlite3" in err
        status, _, err = await shell.attempt("record", "b", "--home", tmp_path)
        assert (status, "nothing was recorded" in err) == (1, True)
        assert "window.sqlite3" in await shell("status", "--home", tmp_path)
        assert await daemon.stop() == 0


async def test_the_supervisor_is_told(
    shell: Shell, nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    await shell.init(tmp_path, nats_broker.url)
    with (
        tempfile.TemporaryDirectory(prefix="tm") as short,  # a socket's path has 107 bytes
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor,
    ):
        supervisor.bind(f"{short}/notify")
        supervisor.settimeout(DEADLINE_S)
        async with running(tmp_path, NOTIFY_SOCKET=f"{short}/notify") as daemon:
            assert supervisor.recv(64) == b"READY=1"
            assert await daemon.stop() == 0
            assert supervisor.recv(64) == b"STOPPING=1"
