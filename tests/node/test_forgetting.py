"""Forgetting and rotation on real nodes: two homes, a real broker, real files."""

import asyncio
from pathlib import Path

import pytest

import tastemesh
from tastemesh.errors import ConfigError, UsageError
from tastemesh.gossip.record import Forget, Interaction, Record
from tastemesh.node.forgetting import plan
from tastemesh.node.keys import create_key, load_key, rotate_key
from tastemesh.node.plays import Play
from tests.brokers import BrokerProcess
from tests.node.test_node import config, own_id, until


def record(seq: int, *items: str) -> Record:
    said = tuple(Interaction(item, "listen", 10_000) for item in items)
    return Record(bytes([seq]) * 32, b"a" * 32, 0, seq, b"", 1_000, said, b"")


def test_what_stood_beside_the_item_is_said_again_with_its_date() -> None:
    made = plan([record(1, "x", "y"), record(2, "y"), record(3, "x"), record(9, "x")], "x", 5_000)
    assert made.forgets == (Forget(0, 1, 1), Forget(0, 3, 3), Forget(0, 9, 9))
    assert made.again == (Interaction("y", "listen", 10_000, 4_000),)
    assert (made.record_count, made.interaction_count) == (3, 3)
    everything = plan([record(1, "x", "y"), record(2, "y")], None, 5_000)
    assert everything.forgets == (Forget(0, 1, 2),)
    assert everything.again == ()


@pytest.mark.broker
async def test_what_is_forgotten_leaves_every_node_every_list_and_every_file(
    any_broker: BrokerProcess, tmp_path: Path
) -> None:
    async with (
        tastemesh.open_node(config(tmp_path / "ana", any_broker)) as ana,
        tastemesh.open_node(config(tmp_path / "ben", any_broker)) as ben,
    ):
        await asyncio.gather(ana.connected(), ben.connected())
        items = [Play(item=item) for item in ("isrc:KEEP", "isrc:REGRETTED", "isrc:ALSO")]
        (record_id,) = await ana.record_many(items)
        await ana.record("isrc:REGRETTED", private=True)
        await ben.endorse(own_id(ana))
        await until(lambda: ben.holds(record_id))
        assert await ben.explain("isrc:REGRETTED") is not None
        gone = await ana.forget("isrc:REGRETTED")
        assert (gone.records, gone.interactions, gone.private) == (1, 1, 1)
        await until(lambda: not ben.holds(record_id))
        await until(lambda: len(ben.records_of(own_id(ana))) == 2)
        assert {line.item for line in await ben.recommend()} == {"isrc:KEEP", "isrc:ALSO"}
        nothing = await ana.forget("isrc:REGRETTED")
        assert (nothing.records, nothing.private) == (0, 0)
    for home in ("ana", "ben"):
        for file in (tmp_path / home).glob("window.sqlite3*"):
            assert b"isrc:REGRETTED" not in file.read_bytes(), file
    async with tastemesh.open_node(config(tmp_path / "ben", any_broker)) as ben:
        assert {line.item for line in await ben.recommend()} == {"isrc:KEEP", "isrc:ALSO"}


@pytest.mark.broker
async def test_an_identity_outlives_its_key_and_its_node_a_restart(
    any_broker: BrokerProcess, tmp_path: Path
) -> None:
    async with tastemesh.open_node(config(tmp_path / "ben", any_broker)) as ben:
        async with tastemesh.open_node(config(tmp_path / "ana", any_broker)) as ana:
            await asyncio.gather(ana.connected(), ben.connected())
            name = own_id(ana)
            await ben.endorse(name)
            (before,) = await ana.record("isrc:BEFORE")
            await until(lambda: ben.holds(before))
            await ana.rotate()
            (after,) = await ana.record("isrc:AFTER")
            assert own_id(ana) == name
            await until(lambda: ben.holds(after))
            assert ben.holds(before)
        async with tastemesh.open_node(config(tmp_path / "ana", any_broker)) as ana:
            assert own_id(ana) == name
            await ana.connected()
            said = await ana.rotate(stolen=True)
            await until(lambda: all(ben.holds(record) for record in said))
            assert not ben.holds(after)
            assert {line.item for line in await ben.recommend()} == {"isrc:BEFORE", "isrc:AFTER"}


def test_a_rotated_key_file_opens_and_a_damaged_one_says_so(tmp_path: Path) -> None:
    path = tmp_path / "me.key"
    first = create_key(path, "secret")
    second = rotate_key(path, "secret", (0, 3))
    third = rotate_key(path, "secret", (1, 3))
    assert first.id == second.id == third.id == load_key(path, "secret").id
    assert load_key(path, "secret").lineage == third.lineage
    assert path.stat().st_mode & 0o777 == 0o600
    for cut in ((1, 2), (2**32 - 1, 1)):
        with pytest.raises(UsageError, match=r"below the last|an epoch below"):
            rotate_key(path, "secret", cut)
    assert load_key(path, "secret").lineage == third.lineage
    text = path.read_bytes()
    path.write_bytes(text.replace(b"ROTATIONS-----\n", b"ROTATIONS-----\nAAAA", 1))
    with pytest.raises(ConfigError, match="the rotations do not fit the keys"):
        load_key(path, "secret")
