"""Answers over real connections: in one piece where they are small, whole where they are large."""

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tastemesh.node.http.server import HttpServer

CHUNK = b"x" * 1_000
COUNT = 200  # three times what asyncio holds before it says so


async def answers(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a word, or with more than a connection holds, written without a pause."""
    whole = Response("word") if scope["path"] == "/small" else StreamingResponse(chunks())
    await whole(scope, receive, send)


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(COUNT):
        yield CHUNK


class Reader(asyncio.Protocol):
    """Notes what comes, piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.heard = asyncio.Event()
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
        self.heard.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


async def asked(port: int, path: str, *more: str) -> tuple[asyncio.Transport, Reader]:
    loop = asyncio.get_running_loop()
    transport, reader = await loop.create_connection(Reader, "127.0.0.1", port)
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *more, "", ""]
    transport.write("\r\n".join(lines).encode())
    await reader.heard.wait()
    return transport, reader


async def test_a_small_answer_comes_in_one_piece_and_the_connection_stays_open() -> None:
    async with HttpServer(answers, 0) as server:
        transport, reader = await asked(int(server.url.rpartition(":")[2]), "/small")
        (piece,) = reader.pieces
        assert piece.startswith(b"HTTP/1.1 200") and piece.endswith(b"\r\n\r\nword")
        assert not reader.closed.is_set()
        transport.close()


async def test_a_large_one_and_one_before_closing_come_whole() -> None:
    async with HttpServer(answers, 0) as server:
        port = int(server.url.rpartition(":")[2])
        for path, size in (("/large", COUNT * len(CHUNK)), ("/small", len(b"word"))):
            _, reader = await asked(port, path, "Connection: close")
            await reader.closed.wait()
            head, _, body = b"".join(reader.pieces).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert len(body.replace(b"\r\n", b"")) >= size
            assert body.count(b"x") in (0, size)
