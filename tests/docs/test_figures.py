"""The documents' figures: what makes them, and that what is made lands where it belongs."""

from pathlib import Path

import numpy as np
import pytest

from docs.figures.__main__ import main
from docs.figures.networks import attackers_of, similarity_network, with_sybils
from docs.figures.overlay import USER_ITEMS, with_tastes
from docs.figures.registry import FIGURES
from docs.figures.reproduction import experiment
from docs.figures.workshop import Workshop
from tastemesh.errors import UsageError
from tastemesh.sim.community import synthetic_community

DOCS = Path(__file__).parents[2] / "docs"


def test_the_list_names_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(FIGURES)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nothing", "--data", "."], "no figure 'nothing'; expected all or "),
        (["ablation"], "--data is missing; expected the folder of the data sets"),
        (["ablation", "--data", "/nowhere"], "/nowhere/bitcoin-otc"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--work", str(tmp_path)]) == 2
    assert expected in capsys.readouterr().err


def test_a_table_goes_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figure a -->\nold\n<!-- end of a -->\nafter\n")
    workshop = Workshop(data=tmp_path, work=tmp_path, docs=tmp_path)
    workshop.write("page.md", "a", "new\n")
    expected = "before\n<!-- figure a -->\nnew\n<!-- end of a -->\nafter\n"
    assert page.read_text() == expected
    with pytest.raises(UsageError, match=r"page\.md: no figure b; expected <!-- figure b -->"):
        workshop.write("page.md", "b", "new")
    assert page.read_text() == expected


def test_a_kept_result_is_not_made_again(tmp_path: Path) -> None:
    workshop = Workshop(data=tmp_path, work=tmp_path, docs=tmp_path)
    assert workshop.kept("numbers", list[int], lambda: [1, 2]) == [1, 2]
    assert workshop.kept("numbers", list[int], lambda: [3]) == [1, 2]


def test_tastes_are_laid_over_the_most_connected_and_are_the_same_each_time() -> None:
    _, people = synthetic_community(60, seed=1)
    tastes, trust = with_tastes(people, 40)
    assert len(tastes.user_ids) == len(trust.ids) == 40
    assert np.bincount(tastes.user).tolist() == [USER_ITEMS] * 40
    assert set(trust.ids) <= set(people.ids)
    assert np.array_equal(with_tastes(people, 40)[0].item, tastes.item)


@pytest.mark.parametrize("shape", ["linear", "parallel"])
def test_sybils_hang_on_attackers_and_hold_what_nobody_else_does(shape: str) -> None:
    interactions, _ = synthetic_community(60, seed=2)
    network = similarity_network(interactions)
    roots = np.array([0, 30], np.int32)
    attackers = attackers_of(network, roots)
    attacked = with_sybils(network, attackers, 4, shape, same_items=False)
    trust, held = attacked.trust, attacked.interactions
    for attacker, targets in zip(attackers.tolist(), attacked.targets.tolist(), strict=True):
        holders = np.unique(held.user[np.isin(held.item, targets)])
        assert len(holders) == 4 and holders.min() >= 60
        trusted = set(trust.subject[trust.source == attacker].tolist())
        assert trusted == ({int(holders[0])} if shape == "linear" else set(holders.tolist()))


def test_a_single_attacker_gains_by_their_rule_and_beta_takes_most_of_it() -> None:
    interactions, _ = synthetic_community(120, seed=2)
    found = experiment(similarity_network(interactions), "parallel", 0, counts=[10])
    gain = {each.rule: each.value for each in found}
    assert gain["alpha 0.1, beta 0"] > 0.02
    assert gain["alpha 0.1, beta 0.8"] < 0.5 * gain["alpha 0.1, beta 0"]


def test_every_figure_has_its_place_in_the_documents() -> None:
    whole = "".join(path.read_text() for path in DOCS.rglob("*.md"))
    for mark in ("attacks", "beside", "white-box", "ablation-lastfm", "frontier", "sybils", "giga"):
        assert f"<!-- figure {mark} -->" in whole and f"<!-- end of {mark} -->" in whole
