"""Connections that ask nothing, or too much: they cost others nothing."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tastemesh.errors import TastemeshError
from tastemesh.node.http.access import Endpoint, announced, find_daemon
from tastemesh.node.http.connections import Bounds
from tastemesh.node.http.endings import Ending, Endings
from tastemesh.node.http.server import HttpServer
from tests.node.test_http_joined import Reader

HOST = "127.0.0.1"
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

Connection = tuple[asyncio.Transport, Reader]


class App:
    """Answers, once it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Semaphore(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.release()
        await self.may_answer.wait()
        await Response("answered")(scope, receive, send)


class Flood:
    """Answers with more than connections hold: as a stream without an end, or at once."""

    def __init__(self, *, is_stream: bool = True) -> None:
        self._is_stream = is_stream
        self.asked = asyncio.Semaphore(0)
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.release()
        try:
            if self._is_stream:
                await StreamingResponse(self._pieces())(scope, receive, send)
            else:
                await Response(b"x" * 50_000_000)(scope, receive, send)
        finally:
            self.ended.set()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10_000
            await asyncio.sleep(0)  # or nobody would hear of a client that is gone


class Listener:
    """Waits for all of the body, and answers nobody who has gone."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.release()
        while (await receive()).get("more_body"):
            pass
        self.ended.set()


class SlowReader(asyncio.Protocol):
    """Reads a piece, and after a while the next, for longer than a reader may take nothing."""

    def __init__(self, every_s: float = 0.01) -> None:
        self.done = asyncio.Event()
        self._every_s = every_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._until_s = self._loop.time() + 2.5

    def data_received(self, data: bytes) -> None:
        self._transport.pause_reading()
        self._loop.call_later(self._every_s, self._transport.resume_reading)
        if self._loop.time() > self._until_s:
            self.done.set()


async def connect(server: HttpServer) -> Connection:
    port = int(server.url.rpartition(":")[2])
    return await asyncio.get_running_loop().create_connection(Reader, HOST, port)


async def answer(connection: Connection) -> bytes:
    """Ask something and return what comes."""
    transport, reader = connection
    reader.heard.clear()
    reader.pieces.clear()
    transport.write(REQUEST)
    await reader.heard.wait()
    return b"".join(reader.pieces)


async def test_silent_connections_make_room_for_one_that_asks() -> None:
    endings = Endings()
    async with HttpServer(App(), 0, Bounds(connections=8), endings) as server:
        silent = [await connect(server) for _ in range(30)]
        for _, reader in silent[:22]:
            await reader.closed.wait()
        asking = await connect(server)
        assert b"answered" in await answer(asking)
        for _ in range(30):
            silent.append(await connect(server))
            assert b"answered" in await answer(asking)  # who asked last is the last to go
        assert not asking[1].closed.is_set()
    assert endings == {Ending.CROWDED: 53}


async def test_a_connection_without_a_whole_request_is_closed_after_a_while() -> None:
    endings = Endings()
    app = App()
    async with HttpServer(app, 0, Bounds(head_s=0.2), endings) as server:
        for beginning in (b"", REQUEST[:20]):
            transport, reader = await connect(server)
            transport.write(beginning)
            await reader.closed.wait()
        connection = await connect(server)
        assert b"answered" in await answer(connection)
        connection[0].write(REQUEST[:20])  # a second request, of which no more comes
        await connection[1].closed.wait()
        app.may_answer.clear()
        waiting = await connect(server)
        waiting[0].write(REQUEST)
        halfway = await connect(server)
        halfway[0].write(REQUEST.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n{"))
        await halfway[1].closed.wait()  # later than the other one began
        assert not waiting[1].closed.is_set()
        app.may_answer.set()
        await waiting[1].heard.wait()
    assert endings == {Ending.SILENT: 4}


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_reader_that_takes_nothing_is_let_go(*, is_stream: bool) -> None:
    endings = Endings()
    app = Flood(is_stream=is_stream)
    async with HttpServer(app, 0, Bounds(head_s=0.1, stalled_s=0.3), endings) as server:
        transport, _ = await connect(server)
        transport.pause_reading()
        transport.write(REQUEST)
        await app.ended.wait()
        while not endings[Ending.STALLED]:
            await asyncio.sleep(0)
        transport.abort()
    assert endings == {Ending.STALLED: 1}


async def test_a_slow_reader_and_a_slow_answer_are_waited_for() -> None:
    endings = Endings()
    slow = App()
    slow.may_answer.clear()
    bounds = Bounds(head_s=0.2, stalled_s=1.0)
    loop = asyncio.get_running_loop()
    async with (
        HttpServer(slow, 0, bounds, endings) as waiting,
        HttpServer(Flood(), 0, bounds, endings) as server,
    ):
        asked, heard = await connect(waiting)
        asked.write(REQUEST)
        port = int(server.url.rpartition(":")[2])
        transport, reader = await loop.create_connection(SlowReader, HOST, port)
        transport.write(REQUEST)
        await reader.done.wait()
        assert endings == {}
        slow.may_answer.set()
        await heard.heard.wait()
        transport.abort()


@pytest.mark.skipif(sys.platform != "linux", reason="only there the system tells what it keeps")
async def test_one_who_takes_less_than_a_connection_holds_is_no_stalled_reader() -> None:
    endings = Endings()
    loop = asyncio.get_running_loop()
    async with HttpServer(Flood(), 0, Bounds(head_s=0.2, stalled_s=1.0), endings) as server:
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        narrow.setblocking(False)
        await loop.sock_connect(narrow, (HOST, int(server.url.rpartition(":")[2])))
        transport, reader = await loop.create_connection(lambda: SlowReader(0.1), sock=narrow)
        transport.write(REQUEST)
        await reader.done.wait()
        assert endings == {}
        transport.abort()


HALF = REQUEST.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n{")


async def test_a_stop_waits_for_no_client_and_calls_that_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for app, sent in ((Flood(), REQUEST), (Flood(is_stream=False), REQUEST), (Listener(), HALF)):
        async with HttpServer(app, 0, Bounds(stop_s=0.1)) as server:
            transport, _ = await connect(server)
            transport.pause_reading()
            transport.write(sent)
            await app.asked.acquire()
        await app.ended.wait()
        transport.abort()
    assert caplog.records == []  # uvicorn tells of requests that it cancels after 5 s


async def test_a_stop_gives_an_answer_up_after_a_while_and_leaves_no_trace_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = App()
    app.may_answer.clear()
    async with HttpServer(app, 0, Bounds(answer_s=1)) as server:
        waiting = await connect(server)
        waiting[0].write(REQUEST)
        await app.asked.acquire()
    assert [each.exc_info for each in caplog.records] == [None]  # which says that it did
    await waiting[1].closed.wait()


async def test_a_stop_waits_for_an_answer() -> None:
    app = App()
    app.may_answer.clear()
    async with HttpServer(app, 0, Bounds(stop_s=0.1)) as server:
        transport, reader = await connect(server)
        transport.write(REQUEST)
        await app.asked.acquire()
        asyncio.get_running_loop().call_later(0.5, app.may_answer.set)
    await reader.closed.wait()
    assert b"answered" in b"".join(reader.pieces)


async def test_more_requests_than_may_be_answered_at_once_are_told_so() -> None:
    app = App()
    app.may_answer.clear()
    async with HttpServer(app, 0, Bounds(requests=2, connections=3)) as server:
        waiting = [await connect(server) for _ in range(2)]
        for transport, _ in waiting:
            transport.write(REQUEST)
            await app.asked.acquire()
        told = await answer(await connect(server))
        assert told.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in told
        assert b'{"error":"2 requests wait already' in told
        app.may_answer.set()
        for _, reader in waiting:
            await reader.heard.wait()
        assert b"answered" in await answer(await connect(server))


@pytest.mark.parametrize("request_line", ["GET /é HTTP/1.1", "\x16\x03\x01"])
async def test_what_is_no_http_is_refused_in_json_too(request_line: str) -> None:
    async with HttpServer(App(), 0) as server:
        transport, reader = await connect(server)
        transport.write(f"{request_line}\r\nHost: 127.0.0.1\r\n\r\n".encode())
        await reader.closed.wait()
        head, _, body = b"".join(reader.pieces).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"content-type: application/json" in head
        assert "percent-encoded" in json.loads(body)["error"]


async def test_whoever_asks_for_what_there_is_not_fills_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    upgrade = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    async with HttpServer(App(), 0) as server:
        for asked in (upgrade, b"no HTTP\r\n\r\n"):
            transport, reader = await connect(server)
            transport.write(asked)
            await reader.heard.wait()
    assert caplog.records == []


def test_the_token_is_for_a_daemon_that_runs_and_for_nobody_else(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        endpoint = Endpoint(pid=other.pid, http="http://127.0.0.1:1")
        with announced(tmp_path, endpoint):
            assert find_daemon(tmp_path) == endpoint
            left = (tmp_path / "daemon.json").read_bytes()
        with pytest.raises(TastemeshError, match="no daemon runs"):
            find_daemon(tmp_path)
        (tmp_path / "daemon.json").write_bytes(left)  # as `kill -9` leaves it
        with pytest.raises(TastemeshError, match="no daemon runs"):
            find_daemon(tmp_path)
        with announced(tmp_path, endpoint):
            assert find_daemon(tmp_path) == endpoint
        other.communicate(b"\n")
