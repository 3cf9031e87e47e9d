"""How fast clients may ask."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from tastemesh.errors import UsageError
from tastemesh.node.cli.client import ask
from tastemesh.node.http.access import Endpoint, announced, token_of
from tastemesh.node.http.gate import Gate
from tastemesh.node.http.rates import CLIENT_COUNT, REQUESTS_PER_S_MAX, RateLimits, Rates
from tastemesh.node.http.server import HttpServer

LIMITS = RateLimits(known_per_s=2.0, known_burst=4, unknown_per_s=0.25, unknown_burst=1)
TOKEN = "t" * 43


class Hands:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    clock = Hands()
    rates = Rates(LIMITS, clock)
    assert [rates.take("a", known=True) for _ in range(5)] == [0, 0, 0, 0, 1]
    clock.now_s += 0.5
    assert [rates.take("a", known=True) for _ in range(2)] == [0, 1]
    clock.now_s += 3600
    assert [rates.take("a", known=True) for _ in range(5)] == [0, 0, 0, 0, 1]


def test_who_has_no_token_cannot_lock_out_who_has() -> None:
    rates = Rates(LIMITS, Hands())
    assert [rates.take("a", known=False) for _ in range(3)] == [0, 4, 4]
    assert rates.take("a", known=True) == 0
    assert rates.take("b", known=False) == 0


def test_it_remembers_a_bounded_number_of_clients() -> None:
    rates = Rates(LIMITS, Hands())
    assert [rates.take("first", known=False) for _ in range(2)] == [0, 4]
    for number in range(CLIENT_COUNT):
        rates.take(str(number), known=False)
    assert rates.take("first", known=False) == 0


async def nothing(scope: object, receive: object, send: object) -> None:
    raise AssertionError("the gate should have answered")


@pytest.mark.parametrize("headers", [{}, {"Authorization": f"Bearer {TOKEN}"}])
async def test_too_many_requests_are_told_when_to_come_back(headers: dict[str, str]) -> None:
    clock = Hands()
    rates = Rates(LIMITS, clock)
    transport = httpx.ASGITransport(Gate(nothing, TOKEN, rates=rates))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        while not rates.take("127.0.0.1", known=bool(headers)):
            pass
        answer = await client.get("/v1/status", headers=headers)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == ("1" if headers else "4")
    assert "try again in" in answer.json()["error"]


@pytest.mark.parametrize("wrong", [0, REQUESTS_PER_S_MAX + 1, 2.5, True, "100"])
def test_how_fast_clients_may_ask_is_a_number_in_range(wrong: Any) -> None:
    with pytest.raises(UsageError, match=f"requests_per_s is {wrong!r}; expected 1 to 100000"):
        RateLimits.of(wrong)


@pytest.mark.parametrize("per_s", [1, 250])
def test_a_node_that_is_told_so_lets_more_or_fewer_requests_in(per_s: int) -> None:
    clock = Hands()
    rates = Rates(RateLimits.of(per_s), clock)
    assert sum(not rates.take("a", known=True) for _ in range(10_000)) == 10 * per_s
    clock.now_s += 1.0
    assert sum(not rates.take("a", known=True) for _ in range(10_000)) == per_s


async def test_a_command_waits_as_it_is_told(tmp_path: Path) -> None:
    answered: list[str] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        answered.append(scope["path"])
        start = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": b"{}"})

    rates = Rates(RateLimits(known_per_s=5.0, known_burst=1))
    gate = Gate(answer, token_of(tmp_path), rates=rates)
    async with HttpServer(gate, 0) as server:
        with announced(tmp_path, Endpoint(pid=os.getpid(), http=server.url)):
            for path in ("/v1/first", "/v1/second"):
                assert await asyncio.to_thread(ask, tmp_path, "GET", path) == {}
    assert answered == ["/v1/first", "/v1/second"]


async def test_the_body_of_an_answer_does_not_wait_until_its_head_is_acknowledged() -> None:
    async with HttpServer(Gate(nothing, TOKEN), 0) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 ")
        (connection,) = server._server.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        await writer.wait_closed()
