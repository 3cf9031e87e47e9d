"""Systems and strategies from a file: the one that docs/attacks.md shows, and wrong ones."""

from pathlib import Path

import msgspec
import pytest

from tastemesh.errors import UsageError
from tastemesh.node.cli import main
from tastemesh.sim.attack.backends import open_backend
from tastemesh.sim.attack.options import AttackOptions, fingerprint
from tastemesh.sim.attack.runner import run_attacks
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.own import Own, brought_by, read_own
from tests.pages import ROOT, blocks

STRATEGY = (
    "from tastemesh.sim.adversaries.strategies import Strategy\n"
    "STRATEGIES = {'mine': Strategy('x', print,"
)
Community = tuple[Interactions, Endorsements]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (shown,) = (each for each in blocks(ROOT / "docs/attacks.md") if each.language == "python")
    path = tmp_path / "mine.py"
    path.write_text(shown.text)
    return path


def options(own: Own) -> AttackOptions:
    return AttackOptions(
        strategies=("collectors", "copycat"),
        systems=("popularity", "weighted"),
        identities=(30,),
        attack_edges=(1,),
        seeds=1,
        egos=10,
        own=own,
    )


def test_what_a_file_names_is_tried_beside_what_is_shipped(
    mine: Path, community: Community
) -> None:
    wanted = options(read_own(mine))
    cells = run_attacks(*community, wanted)
    assert [(cell.strategy, cell.system) for cell in cells] == [
        ("collectors", "popularity"),
        ("collectors", "weighted"),
        ("copycat", "popularity"),
        ("copycat", "weighted"),
    ]
    assert all(cell.exposure_at_10 for cell in cells if cell.system == "weighted")
    with open_backend("local", jobs=2) as backend:  # processes that have not read the file
        assert run_attacks(*community, wanted, backend=backend) == cells


def test_cells_of_another_text_are_not_those_of_this_one(mine: Path, community: Community) -> None:
    own = read_own(mine)
    moved = msgspec.structs.replace(own, path="elsewhere.py")
    edited = msgspec.structs.replace(own, text=own.text + "\n")
    known = fingerprint(*community, options(own))
    assert fingerprint(*community, options(moved)) == known
    assert fingerprint(*community, options(edited)) != known


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nowhere", ", line 1: ModuleNotFoundError: No module named 'nowhere'"),
        ("\nx = = 2", ", line 2: SyntaxError: invalid syntax"),
        ("x = 2", ": expected SYSTEMS or STRATEGIES, dictionaries by name"),
        ("SYSTEMS = [1]", r": SYSTEMS is \[1\]; expected functions of a seed by name"),
        ("SYSTEMS = {'salsa': int}", ": SYSTEMS has 'salsa', which is there already"),
        ("SYSTEMS = {'mine': 1}", r": SYSTEMS\['mine'\] is 1; expected functions of a seed"),
        ("SYSTEMS = {'a,b': int}", ": SYSTEMS has 'a,b'; expected a name, no comma or bracket"),
        ("SYSTEMS = {'knn[k=5]': int}", r": SYSTEMS has 'knn\[k=5\]'; expected a name, no comma"),
        ("STRATEGIES = {'white-box': 1}", ": STRATEGIES has 'white-box', which is there already"),
        (
            f"{STRATEGY} 'cliques')}}",
            r": STRATEGIES\['mine'\] is .*; expected .* none, chain, star",
        ),
        (f"{STRATEGY} entries=0)}}", r": STRATEGIES\['mine'\] is .*; expected .* 1 or more"),
        ("STRATEGIES = {'mine': int}", r": STRATEGIES\['mine'\] is .* expected Strategy\("),
    ],
)
def test_a_file_that_brings_nothing_to_use_is_refused_with_the_line(
    text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=f"--with {path}{said}"):
        read_own(path)


def test_a_file_may_begin_with_a_mark_of_the_order_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("SYSTEMS = {'mine': int}", encoding="utf-8-sig")
    assert set(brought_by(read_own(path)).systems) == {"mine"}


@pytest.mark.parametrize("held", ["[3, 3]", "[-1]", "[10**6]", "[0.5]"])
def test_a_strategy_that_holds_what_nobody_can_is_refused(held: str, community: Community) -> None:
    text = f"""
import numpy as np
from tastemesh.sim.adversaries.camouflage import Profile
from tastemesh.sim.adversaries.strategies import Strategy
STRATEGIES = {{"mine": Strategy("x", lambda crowd, number: Profile(np.array({held}), early=False))}}
"""
    wanted = msgspec.structs.replace(options(Own("mine.py", text)), strategies=("mine",))
    wanted = msgspec.structs.replace(wanted, systems=("popularity",))
    with pytest.raises(UsageError, match=r"^mine: identity 0 holds array.*; expected items, 0 to"):
        run_attacks(*community, wanted)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_own(tmp_path / "mine.py")


def test_the_commands_take_it(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plays = tmp_path / "plays.csv"
    rows = [f"u{user},i{(user * 7 + place * 3) % 20}" for user in range(12) for place in range(9)]
    plays.write_text("\n".join(["user,item", *rows]) + "\n")
    given = ["--with", str(mine), "--interactions", str(plays)]
    assert main(["evaluate", *given, "--methods", "weighted,popularity", "--processes", "2"]) == 0
    assert "weighted" in capsys.readouterr().out
    chosen = ["--strategies", "all", "--systems", "weighted", "--identities", "3", "--seeds", "1"]
    report = tmp_path / "report"
    assert main(["attack", *given, *chosen, "--report", str(report)]) == 0
    assert "collectors" in capsys.readouterr().out
    page = (report / "index.html").read_text()
    assert "From mine.py." in page and "Tries to look like people drawn by lot." in page
