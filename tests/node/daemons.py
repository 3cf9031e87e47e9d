"""Real daemons and commands for tests: processes, homes, and this process as a shell."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tastemesh.node.cli import main

DEADLINE_S = 60.0  # the machine that runs the tests may be busy
PROGRAM = (sys.executable, "-c", "from tastemesh.node.cli import main; raise SystemExit(main())")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("TASTEMESH_")}


def run_quietly(home: Path) -> None:
    """Be the daemon of a home, for a process that was forked to be one."""
    for name in [name for name in os.environ if name.startswith("TASTEMESH_")]:
        del os.environ[name]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    sys.exit(main(["run", "--home", str(home)]))


async def start(*arguments: object, **environment: str) -> asyncio.subprocess.Process:
    """Start a process."""
    return await asyncio.create_subprocess_exec(
        *PROGRAM,
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT | environment,
    )


async def tastemesh(*arguments: object) -> tuple[int, str]:
    """Run one command in a process of its own to its end; return status and stderr."""
    process = await start(*arguments)
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
    daemon = Daemon(home, await start("run", "--home", home, *options, **extra))
    try:
        await daemon.ready()
        yield daemon
    finally:
        await daemon.stop()


@contextmanager
def serving(home: Path, *options: object) -> Iterator[subprocess.Popen[str]]:
    """A daemon for code that waits, which is what a client is for; its log is not kept."""
    process = subprocess.Popen(
        [*PROGRAM, "run", "--home", str(home), "--http-port", "0", *map(str, options)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    try:
        assert process.stderr
        log = []
        for line in process.stderr:
            log.append(line)
            if json.loads(line)["event"] == "ready":
                break
        else:
            pytest.fail("".join(log))
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


def offline_home(home: Path) -> Path:
    """Make a home whose daemon meets nobody."""
    home.mkdir(parents=True)
    (home / "config.toml").write_text("offline = true\n")
    return home
