"""Forgetting and rotation on real nodes: two homes, a real broker, real files."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemesh
from tastemesh.errors import ConfigError, UsageError
from tastemesh.gossip import codec, inputs
from tastemesh.gossip.effects import Evict, EvictReason, Persist
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Forget, Interaction, Record
from tastemesh.gossip.statements import MAX_EPOCH
from tastemesh.node.core import Core
from tastemesh.node.forgetting import handed_over, plan, rejoined, repeated
from tastemesh.node.keys import create_key, load_key, rotate_key
from tastemesh.node.plays import Play
from tastemesh.reputation.graph import EndorsementGraph
from tests.brokers import BrokerProcess
from tests.gossip.cores import NETWORK, WALL_MS, Cores, listen, person
from tests.node.test_node import config, own_id, until


def record(seq: int, *items: str) -> Record:
    said = tuple(Interaction(item, "listen", 10_000) for item in items)
    return Record(bytes([seq]) * 32, b"a" * 32, 0, seq, b"", 1_000, said, b"")


def test_what_stood_beside_the_item_is_said_again_with_its_date() -> None:
    made = plan(
        [record(1, "x", "y"), record(2, "y"), record(3, "x"), record(9, "x")], "x", 5_000, 64
    )
    assert made.forgets == (Forget(0, 1, 1), Forget(0, 3, 3), Forget(0, 9, 9))
    assert made.again == (Interaction("y", "listen", 10_000, 4_000),)
    assert (made.record_count, made.interaction_count) == (3, 3)
    everything = plan([record(1, "x", "y"), record(2, "y")], None, 5_000, 64)
    assert everything.forgets == (Forget(0, 1, 2),)
    assert everything.again == ()


@given(
    st.lists(st.sampled_from(("x", "y", "vouch", "forget", "skip")), min_size=1, max_size=40),
    st.integers(1, 8),
)
def test_however_much_is_forgotten_the_quota_of_notices_holds_all_of_it(
    kinds: list[str], most: int
) -> None:
    """What went stays gone, what stays stands, and no more is said than is kept."""
    records, taken_back = [], set()
    for seq, kind in enumerate(kinds, start=1):
        if kind in ("x", "y"):
            records.append(record(seq, kind))
        elif kind == "vouch":
            said = (Endorsement(bytes([seq % 3]) * 32, seq),)
            records.append(msgspec.structs.replace(record(seq), statements=said))
        elif kind == "forget" and seq > 1:
            notice = Forget(0, seq - 1, seq - 1)
            records = [r for r in records if r.seq != seq - 1 or r.notices]
            records.append(msgspec.structs.replace(record(seq), statements=(notice,)))
            taken_back.add(seq - 1)
    made = plan(records, "x", 5_000, most)
    covered = {n for said in made.forgets for n in range(said.first_seq, said.last_seq + 1)}
    of_x = {r.seq for r in records if r.interactions and r.interactions[0].item == "x"}
    assert of_x <= covered
    held = sum(len(r.notices) for r in records)
    if held + len(made.forgets) > most:
        assert len(made.forgets) <= most
        assert {n for n in taken_back if n not in covered} == set()
    left = [r for r in records if r.seq not in covered or r.notices]
    stands = {s.subject: s.weight_q for r in records for s in r.endorsements}
    after = {s.subject: s.weight_q for r in left for s in r.endorsements}
    after.update({s.subject: s.weight_q for s in made.again if isinstance(s, Endorsement)})
    assert after == stands
    heard = [s.item for r in left for s in r.interactions]
    heard += [s.item for s in made.again if isinstance(s, Interaction)]
    assert heard == ["y"] * sum(Interaction("y", "listen", 10_000) in r.statements for r in records)


def test_what_another_device_may_have_said_between_its_forgets_is_not_taken_back_unheard() -> None:
    """However little of it is known here: where this device's own forgets can be joined instead."""
    own = [record(n, "x" if n % 2 else "y") for n in range(1, 4)]
    theirs = (Forget(7, 1, 1), Forget(7, 4, 4))
    notice = msgspec.structs.replace(record(9), epoch=7, statements=theirs)
    made = plan([*own, notice], "x", 5_000, 3, epochs=[0])
    assert made.forgets == (Forget(0, 1, 3), *theirs)
    assert made.again == (Interaction("y", "listen", 10_000, 4_000),)
    far = tuple(Forget(8, seq, seq) for seq in (1, 3))
    near = [*(msgspec.structs.replace(record(n), epoch=8) for n in (2,)), record(5, "x")]
    known = msgspec.structs.replace(record(9), epoch=7, statements=(*theirs, *far))
    assert plan([*near, known], "x", 5_000, 4).forgets == (
        Forget(0, 5, 5),
        *theirs,
        Forget(8, 1, 3),
    )
    mine = (Forget(0, 1, 1), Forget(0, 3, 3))
    held = [own[1], msgspec.structs.replace(record(4), statements=mine), notice]
    assert handed_over(held, (7, 9), (), 5_000, 4, epochs=[0]) == (made.forgets, made.again)


def test_what_others_pushed_out_is_joined_over_forgets_before_what_stands_is_said_again() -> None:
    theirs = msgspec.structs.replace(record(9), epoch=7, statements=(Forget(7, 1, 1),))
    ours = msgspec.structs.replace(record(2), statements=(Forget(0, 1, 1),))
    held = [ours, *(record(n, "y") for n in range(4, 8)), theirs]
    lost = (Forget(0, 3, 3), Forget(0, 8, 8))
    forgets, again = rejoined(held, lost, {ours.id}, 5_000, 3, 1, {0})
    assert (forgets, again) == ((Forget(0, 1, 3), Forget(0, 8, 8)), ())


def test_what_was_said_too_often_for_the_quota_of_notices_is_not_brought_back() -> None:
    """By somebody who was away when it was taken back, and hears what is left of that."""
    cores = Cores([person("ana"), person("ben")])
    for n in range(200):
        cores.say(0, listen("x" if n % 2 else f"y{n}"))
    cores.pass_time(200_000)
    assert cores.held(1) == cores.held(0)
    cores.carry = lambda *_: False
    for item in ("y0", "y8", "x", "y16"):
        said = [codec.parse(each, NETWORK, cores.limits) for each in cores.stores[0].values()]
        made = plan(said, item, cores.wall_ms, cores.limits.author_notice_count)
        cores.say(0, *made.statements)
    cores.pass_time(600_000)
    cores.carry = lambda *_: True
    cores.pass_time(900_000)
    assert cores.held(1) == cores.held(0)
    said = [codec.parse(each, NETWORK, cores.limits) for each in cores.stores[1].values()]
    items = {each.item for record in said for each in record.interactions}
    assert items == {f"y{n}" for n in range(0, 200, 2)} - {"y0", "y8", "y16"}


def test_of_two_devices_the_endorsement_that_stands_is_said_again_and_not_the_later_one() -> None:
    """A device that was restored began an epoch; what the first one says since stands below it."""
    block, trust = (Endorsement(b"b" * 32, weight_q) for weight_q in (-10_000, 10_000))
    restored = Record(b"2" * 32, b"a" * 32, 1_700, 1, b"", 1_000, (block,), b"")
    first = Record(b"1" * 32, b"a" * 32, 0, 9, b"", 2_000, (trust, listen("x")), b"")
    graph = EndorsementGraph()
    for each in (restored, first):
        graph.endorse_record(each)
    assert graph.weight(first.author, block.subject) == block.weight
    again = repeated((restored, first), 3_000)
    assert again == (block, Interaction("x", "listen", 10_000, 1_000))


def test_what_would_leave_for_its_own_forget_is_taken_back_and_not_kept_in_private() -> None:
    """A padded notice counts as interactions, too: then the oldest of these leave for it."""
    limits = Limits(author_interaction_count=2, statement_bytes=120)
    ana = person("ana")
    core = Core(node=person("node"), signers=(ana,), network=NETWORK, limits=limits, seed=b"seed")
    refused = Interaction("x", "dislike", 10_000)
    done = core.handle(inputs.Recorded(ana.id, (refused,), WALL_MS), 0)
    (persisted,) = (each for each in done if isinstance(each, Persist))
    taken = plan([persisted.record], "x", WALL_MS, limits.author_notice_count)
    done = core.handle(inputs.Recorded(ana.id, taken.statements, WALL_MS), 0)
    evicted = [each for each in done if isinstance(each, Evict)]
    assert evicted == [Evict((persisted.record.id,), EvictReason.FORGOTTEN)]
    assert core.private_count(ana.id, "x") == 0
    assert not core.holds(persisted.record.id)


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
    for cut in ((1, 2), (MAX_EPOCH, 1)):
        with pytest.raises(UsageError, match=r"below the last|an epoch below"):
            rotate_key(path, "secret", cut)
    assert load_key(path, "secret").lineage == third.lineage
    text = path.read_bytes()
    path.write_bytes(text.replace(b"ROTATIONS-----\n", b"ROTATIONS-----\nAAAA", 1))
    with pytest.raises(ConfigError, match="the rotations do not fit the keys"):
        load_key(path, "secret")
