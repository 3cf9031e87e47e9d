"""Bringing a history in: what of it is recorded beside what its owner says himself."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemesh
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Interaction, Record
from tastemesh.node.history import sifted
from tastemesh.node.imports.history import Listen, Reading, summarise
from tastemesh.node.plays import Play
from tastemesh.node.sharing import Sharing

NOW_MS = 1_800_000_000_000
OLD_S = 1_700_000_000.0


def held(*items: str) -> Record:
    said = tuple(Interaction(item, "listen", 10_000) for item in items)
    return Record(b"i" * 32, b"a" * 32, 0, 1, b"", NOW_MS, said, b"")


def old(count: int) -> list[Play]:
    return [Play(item=f"old:{n}", time_s=OLD_S + n) for n in range(count)]


def published(play: Play) -> bool:
    """Say that nothing stays."""
    return False


def test_an_import_takes_the_room_that_there_is_and_its_newest_plays_get_it() -> None:
    today = held(*(f"today:{n}" for n in range(20)))
    new, done = sifted(old(500), [today], [], NOW_MS, Limits(), stays=published)
    assert new == old(500)[120:]
    assert (done.added, done.known, done.left_out) == (380, 0, 120)
    private = [(Interaction("hidden", "skip", 10_000), NOW_MS)] * 9_999
    plays = [*old(2), *(Play(item="s", kind="skip", time_s=OLD_S + n) for n in (5, 6))]
    new, done = sifted(plays, [], private, NOW_MS, Limits(), stays=lambda p: p.kind == "skip")
    assert [(play.item, play.time_s) for play in new] == [
        ("old:0", OLD_S),
        ("old:1", OLD_S + 1),
        ("s", OLD_S + 6),
    ]
    assert (done.added, done.left_out) == (3, 1)


@given(
    said=st.lists(st.integers(0, 30), max_size=40),
    plays=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=60),
    quota=st.integers(80, 140),
)
def test_the_same_import_again_adds_nothing(
    said: list[int], plays: list[tuple[int, int]], quota: int
) -> None:
    limits = Limits(author_interaction_count=quota)
    brought = [Play(item=f"i{item}", time_s=OLD_S + second) for item, second in plays]
    records = [held(*(f"i{item}" for item in said))] if said else []
    new, done = sifted(brought, records, [], NOW_MS, limits, stays=published)
    assert done.added + done.known + done.left_out == len(brought)
    assert len(said) + done.added <= max(len(said), quota - 100)
    added = tuple(
        Interaction(each.item, "listen", 10_000, NOW_MS - int((each.time_s or 0) * 1000))
        for each in new
    )
    records.append(Record(b"j" * 32, b"a" * 32, 0, 2, b"", NOW_MS, added, b""))
    assert sifted(brought, records, [], NOW_MS, limits, stays=published)[1].added == 0


def test_what_has_no_date_is_known_whenever_it_was_said() -> None:
    listens = [Listen("a", None), Listen("b", None), Listen("b", 1_600_000_000), Listen("c", 5)]
    for later_s in (0, 3_600):
        now_s = NOW_MS // 1000 + later_s
        brought = summarise(listens, Reading(), kind="listen", item_limit=9, now_s=now_s).plays
        assert {play.item: play.time_s for play in brought} == {"a": None, "b": None, "c": 5.0}
        said = [held("a", "b", "c")] if later_s else []
        _, done = sifted(brought, said, [], now_s * 1000, Limits(), stays=published)
        assert (done.added, done.known) == ((0, 3) if later_s else (3, 0))


@pytest.mark.parametrize("sharing", [Sharing(nothing=True), Sharing(least_holders=2)])
async def test_what_a_rule_keeps_private_has_the_room_of_private_things(
    tmp_path: Path, sharing: Sharing
) -> None:
    config = tastemesh.NodeConfig(home=tmp_path, brokers=("mqtt://127.0.0.1:9",), sharing=sharing)
    async with tastemesh.open_node(config) as node:
        done = await node.import_history(old(500))
        assert (done.added, done.left_out, done.records) == (500, 0, [])
        assert (await node.import_history(old(500))).known == 500


async def test_what_was_recorded_today_stays_beside_an_old_history(tmp_path: Path) -> None:
    config = tastemesh.NodeConfig(home=tmp_path, brokers=("mqtt://127.0.0.1:9",))
    async with tastemesh.open_node(config) as node:
        await node.record_many([Play(item=f"today:{n}") for n in range(20)])
        done = await node.import_history(old(500))
        assert (done.added, done.known, done.left_out) == (380, 0, 120)
        for number in range(20, 130):
            await node.record(f"today:{number}")
            if number % 40 == 0 or number > 118:  # at 501 the oldest go
                done = await node.import_history(old(500))
                assert (done.added, done.records) == (0, [])
        items = [each.item for each in (await node.export()).interactions]
        assert sum(item.startswith("today") for item in items) >= 110
