"""Real brokers as child processes of a test: started, killed and started again at will."""

import asyncio
import json
import shutil
import signal
import socket
from pathlib import Path
from typing import Self

from tastemesh.node.broker import find_server, is_listening

START_S = 20.0  # the machine that runs the tests may be busy


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def mosquitto_program() -> str | None:
    """Where mosquitto is; Debian puts it where users' PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def nats_command(
    directory: Path,
    port: int,
    mqtt: dict[str, object] | None = None,
    **extra: object,
) -> list[str]:
    """`mqtt` and `extra` go into the section of that name, and beside it."""
    configuration = directory / "nats.conf"
    configuration.write_text(
        json.dumps(
            {
                "server_name": "test",
                "host": "127.0.0.1",
                "port": -1,
                "jetstream": {"store_dir": str(directory)},
                "mqtt": {"host": "127.0.0.1", "port": port} | (mqtt or {}),
            }
            | extra
        )
    )
    return [str(find_server()), "--config", str(configuration)]


def mosquitto_command(
    directory: Path, port: int, extra: str = "", *, anonymous: bool = True
) -> list[str]:
    """Persistence every 20 changes: by default a kill loses the sessions of half an hour."""
    configuration = directory / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\n"
        f"allow_anonymous {str(anonymous).lower()}\n"
        f"user {Path.home().owner()}\n"
        "persistence true\n"
        f"persistence_location {directory}/\n"
        "autosave_on_changes true\n"
        "autosave_interval 20\n"
        "max_queued_messages 100000\n" + extra
    )
    return [str(mosquitto_program()), "-c", str(configuration)]


class BrokerProcess:
    """One broker on a loopback port that it keeps.

    Args:
        kind: "nats" or "mosquitto".
        command: program and arguments.
        port: its MQTT port.
        log: where its output goes.
        open: whether it takes anybody's connection, in the clear.
        health_port: of NATS's monitoring, for a server in a cluster: asking it over MQTT before
            the cluster has elected its leaders costs 5 s.
    """

    def __init__(
        self,
        kind: str,
        command: list[str],
        port: int,
        log: Path,
        *,
        open: bool = True,
        health_port: int = 0,
    ) -> None:
        self.open = open
        self._health_port = health_port
        self.kind = kind
        self.port = port
        self.log = log
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        async with asyncio.timeout(START_S):
            while not await self._answers():
                if self._process.returncode is not None:
                    raise RuntimeError(f"{self.kind} ended: {self.log.read_text()}")
                await asyncio.sleep(0.02)

    async def _answers(self) -> bool:
        """MQTT where anybody may connect; else TCP must do."""
        if self._health_port:
            return await _is_healthy(self._health_port)
        if self.open:
            return await is_listening("127.0.0.1", self.port)
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async def kill(self) -> None:
        """SIGKILL: nothing is flushed."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: connections stand, and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def terminate(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.kill()


async def _is_healthy(port: int) -> bool:
    """Whether a NATS server has found its cluster's leader and caught up with it."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = await reader.read()
        writer.close()
    except OSError:
        return False
    return answer.startswith(b"HTTP/1.0 200")


class NatsCluster:
    """Three NATS servers on loopback that keep every session and queue three times over.

    MQTT is answered as long as two of them run. `servers` are theirs to kill, pause and start.

    Args:
        directory: each server gets a folder in it.
    """

    def __init__(self, directory: Path) -> None:
        ports = [free_port() for _ in range(3)]
        routes = [free_port() for _ in range(3)]
        healths = [free_port() for _ in range(3)]
        self.servers: list[BrokerProcess] = []
        for number, port in enumerate(ports):
            folder = directory / f"server-{number}"
            folder.mkdir()
            command = nats_command(
                folder,
                port,
                mqtt={"stream_replicas": 3},
                server_name=f"server-{number}",
                http=f"127.0.0.1:{healths[number]}",
                cluster={
                    "name": "test",
                    "host": "127.0.0.1",
                    "port": routes[number],
                    "routes": [f"nats://127.0.0.1:{route}" for route in routes],
                },
            )
            self.servers.append(
                BrokerProcess("nats", command, port, folder / "log", health_port=healths[number])
            )

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(server.url for server in self.servers)

    async def __aenter__(self) -> Self:
        try:
            await asyncio.gather(*(server.start() for server in self.servers))
            async with asyncio.timeout(START_S):  # the first connection has the streams made
                while not await is_listening("127.0.0.1", self.servers[0].port):
                    await asyncio.sleep(0.1)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*(server.kill() for server in self.servers))
