"""Answers of a real daemon while it takes in 1,000 interactions a second, against its idle median.

A daemon with a full window serves local users who have tastes and friends in it. At rest one client
asks for one list after the other. Under load a hundred connections are open, and a peer pushes
signed records through a real broker all the while. Clients come in two ways:

- steady: each asks once a second, at moments of its own; a hundred a second is what the API lets
  one address ask for (`tastemesh.node.http.rates`);
- at once: all of them ask in the same instant, every two seconds.

They ask for one user's list, as the devices of a person do, or each for another's, as those of an
application's users. A ratio of 0.2 is a p99 of 5 times the median at rest.
"""

import asyncio
import contextlib
import gc
import io
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.daemons import NETWORK, Daemon, daemon, fill, signers
from benchmarks.graphs import BATCH
from benchmarks.measure import row
from tastemesh.gossip import codec
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Interaction
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import records_topic, shard_of
from tastemesh.node.broker import EmbeddedBroker
from tastemesh.node.cli import main
from tastemesh.node.clock import SystemClock
from tastemesh.node.mqtt import MqttTransport
from tastemesh.node.tasks import end

CLIENTS = 100
INGEST_PER_S = 1_000  # interactions
_FRIENDS, _PLAYS = 8, 20  # of a local user
_PUSHERS = 100  # authors who speak under load
_PACE_S, _BURST_S = 1.0, 2.0
_AHEAD_S = 1.0  # records come in before anybody asks


class Client:
    """One connection that is kept open."""

    def __init__(self, of: Daemon) -> None:
        self._host, _, port = of.url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._token = of.token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str, body: object = None) -> float:
        """Send a request; return the seconds until its answer was read."""
        is_idle = self._streams is not None and not self._streams[0].at_eof()
        if self._streams is None or not is_idle:  # idle ones are closed after 5 s
            await self.close()
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Authorization: Bearer {self._token}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        started = time.perf_counter()
        writer.write(head.encode() + content)
        try:
            said = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        except (asyncio.IncompleteReadError, ConnectionError):
            if not is_idle:
                raise
            await self.close()  # it was closed as idle in the moment in which this was sent
            return await self.ask(path, body)
        answer = await reader.readexactly(int(said.partition("content-length: ")[2].split()[0]))
        taken = time.perf_counter() - started
        assert said.startswith(("http/1.1 200", "http/1.1 201")), (path, said, answer)
        return taken

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(ConnectionError):
                await self._streams[1].wait_closed()
            self._streams = None


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Measure at rest, then under each kind of load."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(Path(folder), quick=quick))


async def _measured(folder: Path, *, quick: bool) -> list[dict[str, Any]]:
    count, clients, seconds = (500, 3, 1.0) if quick else (200_000, CLIENTS, 14.0)
    home = folder / "home"
    with contextlib.redirect_stdout(io.StringIO()):
        assert await asyncio.to_thread(main, ["init", "--home", str(home)]) == 0
    await fill(home, count)
    rows = []
    async with EmbeddedBroker(folder / "broker") as broker, daemon(home, broker.url) as served:
        names = [f"user-{number}" for number in range(clients)]
        askers = [Client(served) for _ in names]
        authors = signers(_PUSHERS)  # made now: it would hold up the first who ask
        await _settle(askers[0], names, count)
        rest_s = await _at_rest(askers[0], names, 2 * clients)
        gc.collect()
        gc.freeze()  # a whole search for cycles here, 20 ms, would count as the daemon's
        async with MqttTransport((broker.url,), client_id="benchmark-pusher") as pusher:
            for load, each, ask in (
                ("steady", "one user", _steady(names[:1])),
                ("steady", "a user each", _steady(names)),
                ("at once", "one user", _at_once(names[:1])),
                ("at once", "a user each", _at_once(names)),
            ):
                pushing = asyncio.create_task(_push(pusher, authors))
                await asyncio.sleep(_AHEAD_S)
                taken = await ask(askers, seconds)
                await end(pushing)
                work = (
                    f"lists, {count:,} interactions, {clients} clients {load}, {each}, with"
                    f" {INGEST_PER_S:,} interactions/s coming in: p99 of {len(taken):,}"
                )
                late_ms = float(np.quantile(taken, 0.99)) * 1e3
                rows.append(row("serve", "idle median", work, late_ms, rest_s * 1e3, "ms"))
                if not quick:
                    await asyncio.sleep(2.0)  # the bucket of requests fills up again
        for asker in askers:
            await asker.close()
    gc.unfreeze()
    return rows


async def _settle(client: Client, names: list[str], count: int) -> None:
    """Make the local users, each with friends and tastes in the window."""
    rng = np.random.default_rng(0)
    known = signers(-(-count // 500))
    for name in names:
        await client.ask("/v1/identities", {"name": name})
        for friend in rng.choice(len(known), min(_FRIENDS, len(known)), replace=False).tolist():
            said = {"peer": known[friend].id.hex(), "weight": 1.0, "identity": name}
            await client.ask("/v1/endorsements", said)
        items = rng.integers(0, max(50, count // 12), _PLAYS).tolist()
        plays = [{"item": f"mbid:{item:036d}"} for item in dict.fromkeys(items)]
        said = {"plays": plays, "private": True, "identity": name}
        await client.ask("/v1/imports", said)


async def _at_rest(client: Client, names: list[str], count: int) -> float:
    """Return the median of one client's requests, once the walks are known."""
    for name in names:
        await client.ask(_list_of(name))
    taken = [await client.ask(_list_of(names[n % len(names)])) for n in range(count)]
    return statistics.median(taken)


def _list_of(name: str) -> str:
    return f"/v1/recommendations?identity={name}"


_Load = Callable[[list[Client], float], Awaitable[list[float]]]


def _steady(names: list[str]) -> _Load:
    async def one(client: Client, number: int, seconds: float, of: int) -> list[float]:
        loop = asyncio.get_running_loop()
        began = loop.time() + _PACE_S * number / of
        taken = []
        for turn in range(int(seconds / _PACE_S)):
            await asyncio.sleep(max(0.0, began + turn * _PACE_S - loop.time()))
            taken.append(await client.ask(_list_of(names[number % len(names)])))
        return taken

    async def all_of(clients: list[Client], seconds: float) -> list[float]:
        many = [one(each, n, seconds, len(clients)) for n, each in enumerate(clients)]
        return [taken for found in await asyncio.gather(*many) for taken in found]

    return all_of


def _at_once(names: list[str]) -> _Load:
    async def all_of(clients: list[Client], seconds: float) -> list[float]:
        taken: list[float] = []
        for _ in range(max(1, int(seconds / _BURST_S))):
            asked = [each.ask(_list_of(names[n % len(names)])) for n, each in enumerate(clients)]
            taken += await asyncio.gather(*asked)
            await asyncio.sleep(_BURST_S)
        return taken

    return all_of


def _payloads(authors: list[Signer]) -> Iterator[tuple[str, bytes]]:
    """Give signed records of 64 interactions, by all authors in turn, dated now."""
    limits, rng = Limits(), np.random.default_rng(1)
    clock = SystemClock()
    seq = clock.wall_ms() // 1_000  # above those of the window, in each load
    while True:
        seq += 1
        for signer in authors:
            said = tuple(
                Interaction(f"mbid:{item:036d}", "listen", 10_000)
                for item in rng.integers(0, 20_000, BATCH).tolist()
            )
            wall_ms = clock.wall_ms()
            record = codec.sign_record(signer, NETWORK, 0, seq, b"", wall_ms, said, limits)
            topic = records_topic(NETWORK, shard_of(signer.id))
            yield topic, pack_bundles([record.envelope], limits)[0]


async def _push(pusher: MqttTransport, authors: list[Signer]) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    for topic, payload in _payloads(authors):
        due += BATCH / INGEST_PER_S
        await asyncio.sleep(max(0.0, due - loop.time()))
        assert pusher.publish(topic, payload)
