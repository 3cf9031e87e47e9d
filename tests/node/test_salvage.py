"""A daemon whose database was damaged while it was down starts, and keeps what is readable."""

import asyncio
import json
import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

import tastemesh
from tastemesh.gossip.limits import Limits
from tastemesh.node.home import WINDOW_FILE
from tastemesh.node.node import Node
from tastemesh.node.plays import Play
from tests.brokers import BrokerProcess
from tests.node.daemons import DEADLINE_S, Shell, running

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PAGE_BYTES = 4_096
COUNT = 120
SHARES = (0.05, 0.5)  # of the pages, by seed


def overwrite_pages(file: Path, seed: int) -> bytes:
    """Put rubbish in the place of some pages, the first among them; return the file."""
    rng = random.Random(seed)
    content = bytearray(file.read_bytes())
    count = len(content) // PAGE_BYTES
    for number in {0, *rng.sample(range(count), round(SHARES[seed] * count))}:
        content[number * PAGE_BYTES : (number + 1) * PAGE_BYTES] = rng.randbytes(PAGE_BYTES)
    file.write_bytes(content)
    return bytes(content)


async def until_held(holder: Node, records: list[str]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not all(map(holder.holds, records)):
            await asyncio.sleep(0.02)


def config(home: Path, broker: BrokerProcess) -> tastemesh.NodeConfig:
    limits = Limits(sync_period_ms=500, presence_period_ms=500)
    return tastemesh.NodeConfig(home=home, brokers=(broker.url,), limits=limits)


@pytest.mark.parametrize("seed", range(len(SHARES)))
async def test_a_damaged_window_is_salvaged_at_the_start(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess, seed: int
) -> None:
    home = tmp_path / "ann"
    await shell.init(home, nats_broker.url)
    async with tastemesh.open_node(config(tmp_path / "bob", nats_broker)) as bob:
        await bob.connected()
        async with tastemesh.open_node(config(home, nats_broker)) as ann:
            await ann.connected()
            await ann.endorse(bob.identities["me"])
            said = [record for n in range(COUNT) for record in await ann.record(f"by ann {n}")]
            heard = [record for n in range(COUNT) for record in await bob.record(f"by bob {n}")]
            await ann.record_many([Play(item=f"private {n}") for n in range(COUNT)], private=True)
            await until_held(ann, heard)
            await until_held(bob, said)
        damaged = overwrite_pages(home / WINDOW_FILE, seed)
        kept = [n for n in range(COUNT) if f"private {n}listen".encode() in damaged]
        async with running(home) as daemon:
            token = (home / "api.token").read_text().strip()
            base = json.loads((home / "daemon.json").read_text())["http"]
            async with httpx.AsyncClient(
                base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=DEADLINE_S
            ) as api:
                status = (await api.get("/v1/status")).json()
                salvaged = status["storage"]["salvaged"]
                assert (home / salvaged["file"]).read_bytes() == damaged
                assert salvaged["private"] == len(kept)
                assert salvaged["records"] <= status["window"]["records"]
                assert status["storage"]["fault"] is None
                lines = (await api.get("/metrics")).text.splitlines()
                assert f'tastemesh_storage_salvaged_rows{{rows="private"}} {len(kept)}' in lines
                async with asyncio.timeout(DEADLINE_S):
                    while status["window"]["records"] < 2 * COUNT:
                        await asyncio.sleep(0.05)
                        status = (await api.get("/v1/status")).json()
                reply = await api.post("/v1/interactions", json={"item": "after"})
                assert reply.status_code == 201
                said += reply.json()["records"]
                assert (await api.get("/v1/recommendations")).json()["recommendations"]
            await until_held(bob, said)
            assert bob.status()["convicted"] == 0
            assert "salvaged" in await shell("status", "--home", home)
            assert salvaged["file"] in await shell("forget", "after", "--home", home)
            await daemon.stop(signal.SIGKILL)
        logged = [json.loads(line) for line in daemon.log]
        (told,) = [line for line in logged if line["event"].startswith("storage fault")]
        assert (told["cause"], told["file"]) == ("damaged", salvaged["file"])
        async with tastemesh.open_node(config(home, nats_broker)) as ann:
            exported = await ann.export()
            assert ann.status()["convicted"] == 0
    items = {each.item for each in exported.interactions}
    assert items >= {f"by ann {n}" for n in range(COUNT)} | {f"private {n}" for n in kept}


async def test_a_weight_that_was_altered_on_a_sound_page_ends_no_start(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    home = tmp_path / "ann"
    async with tastemesh.open_node(config(home, nats_broker)) as ann:
        await ann.record_many([Play(item=item) for item in "abc"], private=True)
    with closing(sqlite3.connect(home / WINDOW_FILE)) as db:
        db.execute("UPDATE private_interactions SET weight_q = weight_q | 1 << 40 WHERE item = 'b'")
        db.commit()
    async with tastemesh.open_node(config(home, nats_broker)) as ann:
        salvaged = ann.status()["storage"]["salvaged"]
        assert "a private interaction is not what was written" in salvaged["problem"]
        assert (salvaged["private"], salvaged["lost_private"]) == (2, 1)
        assert [each.item for each in (await ann.export()).interactions] == ["a", "c"]
    async with tastemesh.open_node(config(home, nats_broker)) as ann:
        assert ann.status()["storage"]["salvaged"] == salvaged
