"""The attack lab: what each strategy gets against whom, wherever the work is done."""

import gc
import json
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tastemesh.errors import DataError, UsageError
from tastemesh.sim.attack.backends import IN_PROCESS, Backend, open_backend
from tastemesh.sim.attack.cells import Cell
from tastemesh.sim.attack.journal import Journal
from tastemesh.sim.attack.options import AttackOptions, fingerprint
from tastemesh.sim.attack.runner import run_attacks
from tastemesh.sim.attack.stage import set_stage
from tastemesh.sim.attack.summary import remarks, summary
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.matrices import binary_matrix

Community = tuple[Interactions, Endorsements]


def test_every_cell_is_there_in_the_shape_of_the_contract(
    cells: list[Cell], small: AttackOptions
) -> None:
    assert len(cells) == 3 * 3 * 2 * 2 * 2
    assert {
        "strategy",
        "system",
        "identities",
        "attack_edges",
        "seed",
        "exposure@10",
        "target_rank_median",
        "sybil_gain",
        "sybil_mass",
        "bound",
        "honest_ndcg@10_clean",
        "honest_ndcg@10",
        "niche_collateral",
    } <= set(msgspec.to_builtins(cells[0]))
    assert len(summary(cells)) == len(cells) / small.seeds


def test_without_an_attack_edge_nothing_at_all_is_gained(cells: list[Cell]) -> None:
    mine = [c for c in cells if c.system == "tastemesh" and c.attack_edges == 0]
    assert {c.exposure_at_10 for c in mine} == {0.0}
    assert {c.sybil_mass for c in mine} == {0.0}
    assert {c.bound for c in mine} == {0.0}
    assert all(c.honest_ndcg_at_10 == c.honest_ndcg_at_10_clean for c in mine)


def test_where_everybody_asked_is_beside_the_deceived_there_is_no_exposure(
    community: Community, small: AttackOptions
) -> None:
    interactions, endorsements = community
    options = msgspec.structs.replace(
        small,
        strategies=("copycat",),
        systems=("tastemesh", "userknn"),
        identities=(5,),
        attack_edges=(1, 60),
        egos=200,
    )
    found = run_attacks(interactions, endorsements, options)
    for cell in found:
        assert cell.asked == 60
        if cell.attack_edges == 60:
            assert cell.egos == 0
            assert cell.exposure_at_10 is cell.sybil_gain is cell.bound is None
            assert cell.exposure_deceived_at_10 is not None
        else:
            assert 0 < cell.egos < 60
            assert cell.exposure_at_10 is not None
    mixed = [msgspec.structs.replace(cell, attack_edges=1) for cell in found]
    for row in summary(mixed):
        kept = [c for c in mixed if c.system == row.system and c.exposure_at_10 is not None]
        assert len(kept) == 2
        assert row.exposure == np.mean([c.exposure_at_10 for c in kept])
    assert [row.exposure for row in summary(found) if row.attack_edges == 60] == [None, None]
    assert remarks(found, options) == [
        "asked are 60 of 200 egos (endorsing): there are no more",
        "4 of 8 cells have no exposure: all egos are deceived, or endorse somebody who is",
    ]


def test_undated_data_are_in_the_same_order_under_attack(
    community: Community, small: AttackOptions
) -> None:
    interactions, endorsements = community
    undated = msgspec.structs.replace(interactions, time_s=None)
    options = msgspec.structs.replace(
        small,
        strategies=("whitewash", "early-spam", "copycat"),
        systems=("tastemesh",),
        attack_edges=(0,),
        seeds=1,
    )
    found = run_attacks(undated, endorsements, options)
    assert [c.honest_ndcg_at_10 for c in found] == [c.honest_ndcg_at_10_clean for c in found]
    assert {c.niche_collateral for c in found} <= {0.0, None}


def test_no_bound_is_claimed_for_lists_with_slots_that_can_be_bought(
    community: Community, small: AttackOptions
) -> None:
    options = msgspec.structs.replace(
        small,
        strategies=("sleeper",),
        systems=("tastemesh-exploring",),
        identities=(40,),
        attack_edges=(0,),
    )
    for cell in run_attacks(*community, options):
        assert cell.exposure_at_10
        assert cell.sybil_mass == 0.0
        assert cell.bound is None


@pytest.mark.parametrize(
    "systems",
    [
        ("popularity", "userknn", "rp3beta", "salsa"),  # which have ties
        ("tastemesh-exploring", "tastemesh-diverse"),  # whose head depends on a list's length
    ],
)
def test_who_says_nothing_moves_no_other_systems_lists(
    community: Community, small: AttackOptions, systems: tuple[str, ...]
) -> None:
    options = msgspec.structs.replace(
        small,
        strategies=("whitewash",),
        systems=systems,
        identities=(1,),
        attack_edges=(0,),
        seeds=1,
    )
    for cell in run_attacks(*community, options):
        assert cell.honest_ndcg_at_10 == cell.honest_ndcg_at_10_clean, cell.system
        assert cell.niche_collateral in (0.0, None)


def test_neither_exposure_nor_trust_exceeds_the_bound(cells: list[Cell]) -> None:
    mine = [c for c in cells if c.system == "tastemesh"]
    assert any(c.sybil_mass for c in mine)
    for cell in mine:
        assert cell.bound is not None and cell.sybil_mass is not None
        assert cell.exposure_at_10 is not None
        assert cell.exposure_at_10 <= cell.bound <= 1.0
        assert cell.sybil_mass <= cell.bound


def test_the_others_are_bought_with_identities(cells: list[Cell]) -> None:
    copied = [c for c in cells if c.strategy == "copycat" and c.identities == 40]
    by_system = {c.system: c.exposure_at_10 or 0.0 for c in copied if c.attack_edges == 0}
    assert by_system["userknn"] > 0.8
    assert by_system["popularity"] == 1.0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (AttackOptions(strategies=("nuke",)), "unknown strategy 'nuke'"),
        (AttackOptions(systems=("magic",)), "unknown system 'magic'; expected one of tastemesh, "),
        (AttackOptions(identities=(0,)), "identities is 0; expected 1 to 1,000,000"),
        (
            AttackOptions(identities=(1, 10**9)),
            "identities is 1, 1000000000; expected 1 to 1,000,0",
        ),
        (AttackOptions(identities=(10, 10)), "identities is 10, 10; expected each once"),
        (AttackOptions(attack_edges=(0, 1, 0)), "attack-edges is 0, 1, 0; expected each once"),
        (AttackOptions(seeds=0), "seeds is 0; expected 1 to 1,000"),
        (AttackOptions(seeds=1_001), "seeds is 1001; expected 1 to 1,000"),
        (AttackOptions(attack_edges=(0, 61)), "attack-edges is 61; only 60 people endorse"),
        (AttackOptions(egos_without_endorsements=-1), "egos-without-endorsements is -1; expected"),
    ],
)
def test_wrong_options_are_named_before_any_attempt(
    options: AttackOptions, expected: str, community: Community
) -> None:
    begun: list[str] = []
    with pytest.raises(UsageError, match=expected):
        run_attacks(*community, options, lambda *stage: begun.append(str(stage)))
    assert begun == []


def test_attack_edges_need_endorsements(community: Community) -> None:
    with pytest.raises(UsageError, match="attack-edges above 0 need --endorsements"):
        run_attacks(community[0], None, AttackOptions())


def test_too_little_data_are_named_without_the_options_of_evaluate(community: Community) -> None:
    few = community[0].rows(np.arange(3))
    with pytest.raises(UsageError, match="nobody to ask: no user has 5 interactions") as caught:
        run_attacks(few, None, AttackOptions(attack_edges=(0,)))
    assert "--" not in str(caught.value)


def test_who_has_endorsed_nobody_is_reported_apart(
    community: Community, small: AttackOptions
) -> None:
    interactions, endorsements = community
    silent = np.isin(endorsements.source, np.arange(0, 60, 4), invert=True)
    fewer = msgspec.structs.replace(
        endorsements,
        source=endorsements.source[silent],
        subject=endorsements.subject[silent],
        weight=endorsements.weight[silent],
    )
    options = msgspec.structs.replace(
        small,
        strategies=("copycat",),
        systems=("tastemesh",),
        egos_without_endorsements=10,
        seeds=1,
    )
    found = run_attacks(interactions, fewer, options)
    apart = [c for c in found if c.group == "without-endorsements"]
    assert len(apart) == len(found) / 2
    assert {c.bound for c in apart} == {None}
    assert [c.messages for c in apart if c.attack_edges == 0] == [1, 40]


def test_egos_are_measured_by_what_was_held_out_of_them(
    community: Community, small: AttackOptions
) -> None:
    stage = set_stage(*community, small, 0)
    (group,) = stage.groups
    held_out = binary_matrix(stage.parts.test)
    for row, ego in enumerate(group.egos.tolist()):
        assert group.relevant[[row]].indices.tolist() == held_out[[ego]].indices.tolist()


FEW = AttackOptions(
    strategies=("copycat",),
    systems=("tastemesh", "userknn"),
    identities=(5,),
    attack_edges=(0, 1),
    seeds=2,
    egos=5,
)


@pytest.fixture(scope="module")
def few(community: Community) -> list[Cell]:
    return run_attacks(*community, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["local", "dask"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the clusters' own sockets and files
def test_wherever_the_work_is_done_the_cells_are_the_same(
    name: str, community: Community, few: list[Cell]
) -> None:
    with open_backend(name, jobs=2) as backend:
        assert run_attacks(*community, FEW, backend=backend) == few


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_all_calls_share_stays_on_the_cluster_from_one_run_to_the_next() -> None:
    """Dropped and sent anew under one name it was lost: the drop came after the second sending."""
    from distributed import get_client

    shared = np.arange(1_000)
    with open_backend("dask", jobs=2) as backend:
        for _ in range(2):
            totals = backend.run(np.sum, [(shared,), (shared,)], shared=shared)
            assert [int(total) for total in totals] == [499_500, 499_500]
            gc.collect()
            held = get_client().futures
            assert [key for key in held if "ndarray" in str(key)]


class Reversed:
    """A backend that finishes last what was asked first."""

    def run(self, function, calls, shared):  # type: ignore[no-untyped-def]
        yield from reversed([function(*call) for call in calls])


def test_the_order_of_completion_does_not_show(community: Community, few: list[Cell]) -> None:
    assert run_attacks(*community, FEW, backend=Reversed()) == few


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": "slurm"}, "--backend slurm: expected local, dask, ray"),
        ({"name": "local", "jobs": 0}, "--jobs 0: expected 1 or more"),
        ({"name": "local", "jobs": 99_999}, "--jobs 99999: expected at most 1024"),
        ({"name": "local", "scheduler": "tcp://a:1"}, "--scheduler goes with --backend dask"),
        ({"name": "dask", "scheduler": "nowhere"}, "--scheduler nowhere: no dask scheduler"),
    ],
)
def test_backends_that_cannot_be_had_are_named(arguments: dict[str, str], expected: str) -> None:
    with pytest.raises(UsageError, match=expected), open_backend(**arguments):  # type: ignore[arg-type]
        pass


@pytest.mark.skipif(find_spec("ray") is not None, reason="ray is installed")
def test_ray_is_refused_where_it_is_not_installed() -> None:
    expected = "--backend ray needs ray, which is not installed: pip install ray"
    with pytest.raises(UsageError, match=expected), open_backend("ray"):
        pass


class Interrupted:
    """A backend whose machine goes down after some results."""

    def __init__(self, count: int) -> None:
        self.left = count

    def run(self, function, calls, shared):  # type: ignore[no-untyped-def]
        for result in IN_PROCESS.run(function, calls, shared):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            yield result


def _journal(path: Path, community: Community) -> Journal:
    return Journal(path, fingerprint(*community, FEW))


def test_a_second_run_goes_on_where_the_first_was_cut_off(
    tmp_path: Path, community: Community, few: list[Cell]
) -> None:
    path = tmp_path / "cells.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_attacks(*community, FEW, backend=Interrupted(5), journal=_journal(path, community))
    kept = path.read_bytes()
    assert kept.count(b"\n") == 3  # two clean lists came first
    path.write_bytes(kept + kept[:40])  # torn by a power cut
    told: list[int] = []
    cells = run_attacks(
        *community,
        FEW,
        lambda stage, done, total: told.append(done),
        journal=_journal(path, community),
    )
    assert cells == few
    assert told == [3, 4, 5, 6, 7, 8]
    assert path.read_bytes().startswith(kept)
    unneeded: Backend = Interrupted(0)
    assert run_attacks(*community, FEW, backend=unneeded, journal=_journal(path, community)) == few


def test_a_grid_that_has_grown_repeats_no_cell(
    tmp_path: Path, community: Community, few: list[Cell]
) -> None:
    path = tmp_path / "cells.jsonl"
    run_attacks(*community, FEW, journal=_journal(path, community))
    more = msgspec.structs.replace(
        FEW,
        seeds=FEW.seeds + 1,
        strategies=("star", *FEW.strategies),
        systems=("userknn", "popularity"),
    )
    told: list[int] = []
    journal = Journal(path, fingerprint(*community, more))
    cells = run_attacks(
        *community, more, lambda stage, done, total: told.append(done), journal=journal
    )
    assert cells == run_attacks(*community, more)
    assert told[0] == sum(cell in few for cell in cells) > 0
    assert Journal(path, fingerprint(*community, FEW)) is not None  # and back


def test_a_journal_of_something_else_is_refused_and_left_alone(
    tmp_path: Path, community: Community, few: list[Cell]
) -> None:
    path = tmp_path / "cells.jsonl"
    _journal(path, community).append(few[:1])
    other = fingerprint(*community, msgspec.structs.replace(FEW, egos=6))
    with pytest.raises(UsageError, match="made from other data, with other --egos"):
        Journal(path, other)
    with pytest.raises(UsageError, match="--resume /dev/zero: expected a file"):
        Journal(Path("/dev/zero"), other)  # which never ends
    for text in ("user,item", "user,item\n1,2\n", json.dumps({"cells": []}) + "\n"):
        path.write_text(text)
        with pytest.raises(DataError, match="line 1: expected finished cells"):
            _journal(path, community)
        assert path.read_text() == text
