"""Systems and strategies from a file: the one that docs/attacks.md shows, and wrong ones."""

import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tastemesh.errors import UsageError
from tastemesh.node.cli import main
from tastemesh.sim.adversaries.strategies import mount
from tastemesh.sim.attack.backends import IN_PROCESS, open_backend
from tastemesh.sim.attack.journal import Journal
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
        ("\nassert False", ", line 2: AssertionError$"),
        ("\nimport sys\nsys.exit(0)", ", line 3: SystemExit: 0"),
        ("\n\ncompile('x =', 'other.py', 'exec')", ", line 3: SyntaxError: invalid syntax"),
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
        (f"{STRATEGY} entries='2')}}", r": STRATEGIES\['mine'\] is .*; expected .* 1 or more"),
        (f"{STRATEGY} slanders=1)}}", r": STRATEGIES\['mine'\] is .*; expected Strategy"),
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


def test_a_strategy_that_is_another_each_time_is_refused(community: Community) -> None:
    text = """
import numpy as np
from tastemesh.sim.adversaries.camouflage import Profile
from tastemesh.sim.adversaries.strategies import Strategy
count = 0
def hold(crowd, number):
    global count
    count += 1
    return Profile(np.array([count % 7]), early=False)
STRATEGIES = {"mine": Strategy("x", hold)}
"""
    wanted = msgspec.structs.replace(options(Own("mine.py", text)), strategies=("mine",))
    wanted = msgspec.structs.replace(wanted, systems=("popularity",))
    with pytest.raises(UsageError, match=r"^mine: it holds other items each time; expected all"):
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


def test_what_a_report_cannot_be_written_for_is_in_the_json(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plays = tmp_path / "plays.csv"
    plays.write_text("".join(f"u{user},i{item % 20}\n" for user in range(9) for item in range(9)))
    report, found = tmp_path / "report", tmp_path / "found.json"
    (report / "index.html").mkdir(parents=True)  # not to be replaced by a file
    given = ["--with", str(mine), "--interactions", str(plays), "--systems", "weighted"]
    chosen = ["--strategies", "collectors", "--identities", "3", "--seeds", "1"]
    written = ["--report", str(report), "--json", str(found)]
    assert main(["attack", *given, *chosen, *written]) != 0
    assert "index.html" in capsys.readouterr().err
    assert len(json.loads(found.read_text())["cells"]) == 1


SYSTEM = """
import numpy as np

class Mine:
    name = "mine"
    def grid(self, endorsed):
        return GRID
    def fit(self, train, endorsements, parameters):
        self.items = len(train.item_ids)
        self.attackers = train.added_item_count and (train.item == self.items - 1).sum()
        FIT
    def rank(self, users, k):
        empty = np.full((len(users), k), -1, np.int32)
        return RANKED

SYSTEMS = {"mine": lambda seed: MADE}
"""


def bringing(
    ranked: str = "empty", *, fit: str = "pass", grid: str = "[{}]", made: str = "Mine()"
) -> Own:
    text = SYSTEM.replace("RANKED", ranked).replace("FIT", fit).replace("GRID", grid)
    return Own("mine.py", text.replace("MADE", made))


class Counting:
    """A backend that counts what it was asked for."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def run(self, function, calls, shared):  # type: ignore[no-untyped-def]
        self.names += [function.__name__] * len(calls)
        return IN_PROCESS.run(function, calls, shared)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (bringing("None"), r"^mine: its `rank` gave NoneType, shape \[\]; expected int32, shape"),
        (bringing("[[0], [1, 2]]"), "^mine: its `rank` gave list, shape of several lengths; exp"),
        (bringing("empty * np.nan"), r"gave float64, shape \[10, 10\]; expected int32, shape \[10"),
        (bringing("empty.astype(int)"), "gave int64, "),
        (bringing("empty[:, 1:]"), r"shape \[10, 9\]; expected int32, shape \[10, 10\]"),
        (bringing("empty[1:]"), r"shape \[9, 10\]; expected"),
        (bringing("empty + self.items + 1"), r"gave (\d+); expected items, 0 to \d+, and -1 where"),
        (bringing("empty - 6"), "gave -7; expected items"),
        (bringing("empty + 1"), r"gave user \d+ item 0 twice; expected each once"),
        (
            bringing("np.where(np.arange(k) == 1, 0, empty).astype(np.int32)"),
            r"gave user \d+ item 0 after -1; expected -1 at the end alone",
        ),
        (
            bringing("np.tile(np.arange(k, dtype=np.int32), (len(users), 1))"),
            r"gave user \d+ item \d which this user holds; expected none of those",
        ),
        (bringing("1 / 0"), "^--with mine.py, line 1[0-9]: mine: its `rank` raised ZeroDivision"),
        (bringing("exit(0)"), "line 1[0-9]: mine: its `rank` raised SystemExit: 0"),
        (
            bringing(fit="self.x"),
            "line 1[0-9]: mine: its `fit` raised AttributeError: 'Mine' obj",
        ),
        (bringing(fit="train.weight /= 2"), "its `fit` raised ValueError: .*read-only"),
        (bringing(fit="endorsements.weight.sort()"), "its `fit` raised ValueError: .*read-only"),
        (bringing("users.sort() or empty"), "its `rank` raised ValueError: .*read-only"),
        (bringing(grid="[]"), "^mine: its `grid` gives no 1 to 9 settings"),
        (bringing(grid="x"), "mine: its `grid` raised NameError"),
        (bringing(made="Mine"), "^mine is made as <class .*Mine'>; expected a system: grid, fit"),
        (bringing(made="Mine(seed)"), "mine: its `SYSTEMS` raised TypeError: Mine.. takes no arg"),
    ],
)
def test_a_system_that_gives_no_lists_is_refused_before_anything_else_is_done(
    own: Own, said: str, community: Community
) -> None:
    wanted = msgspec.structs.replace(
        options(own), strategies=("star", "cycle"), systems=("salsa", "mine")
    )
    backend = Counting()
    with pytest.raises(UsageError, match=said):
        run_attacks(*community, wanted, backend=backend)
    assert len(backend.names) <= 2  # its own clean lists, its own first attack


def test_a_system_that_fails_later_takes_no_cell_with_it(community: Community) -> None:
    own = bringing("1 / 0 if self.attackers > 20 else empty")
    wanted = msgspec.structs.replace(
        options(own), strategies=("star",), systems=("popularity", "mine"), identities=(5, 30)
    )
    told: list[tuple[str, int, str]] = []
    cells = run_attacks(
        *community,
        wanted,
        given_up=lambda each, why: told.append((each.system, each.identities, why)),
    )
    assert [(cell.system, cell.identities) for cell in cells] == [
        ("popularity", 5),
        ("mine", 5),
        ("popularity", 30),
    ]
    ((system, identities, why),) = told
    assert (system, identities) == ("mine", 30) and "ZeroDivisionError" in why
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        run_attacks(*community, wanted)


STRATEGIES_OF = """
import numpy as np
from tastemesh.sim.adversaries.camouflage import Profile
from tastemesh.sim.adversaries.strategies import Strategy

def held(crowd, number):
    return HELD

STRATEGIES = {"mine": Strategy("x", held, "star", entries=4)}
"""


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ("None", r"^mine: its `camouflage` gave identity 0 None; expected Profile\("),
        (
            "Profile([3], early=False)",
            r"^mine: identity 0 holds \[3\]; expected items, .* flat arr",
        ),
        ("Profile(np.array([[3]]), early=False)", "expected items, .* in a flat array"),
        ("Profile(np.array([True]), early=False)", "expected items, .* in a flat array"),
        ("Profile(np.array([np.nan]), early=False)", "expected items, .* in a flat array"),
        ("Profile(np.array([3]), early='no')", "identity 0 has early='no'; expected True or False"),
        ("crowd.rng.shuffle(crowd.train.item)", "line 7: mine: its `camouflage` raised ValueError"),
        ("crowd.train.weight.sort()", "raised ValueError: .*read-only"),
        ("Profile(crowd.items, early=False)", "raised AttributeError: 'Crowd' object has no"),
    ],
)
def test_a_strategy_that_gives_no_profile_is_refused_before_anything_else_is_attacked(
    held: str, said: str, community: Community
) -> None:
    own = Own("mine.py", STRATEGIES_OF.replace("HELD", held))
    wanted = msgspec.structs.replace(
        options(own), strategies=("star", "mine"), systems=("popularity", "salsa")
    )
    train = community[0]
    before = train.item.copy(), train.weight.copy()
    backend = Counting()
    with pytest.raises(UsageError, match=said):
        run_attacks(*community, wanted, backend=backend)
    assert backend.names.count("attempt_cells") == 1
    assert (train.item == before[0]).all() and (train.weight == before[1]).all()


def test_a_strategy_of_ones_own_gets_what_it_paid_for_and_no_more(community: Community) -> None:
    train, people = community
    own = Own("mine.py", STRATEGIES_OF.replace("HELD", "crowd.popular(number)"))
    mine = brought_by(own).strategies
    for identities, edges in ((1, 0), (3, 2), (12, 7)):
        attacked = mount(
            *("mine", train, people, np.arange(3, dtype=np.int32)),
            identities=identities,
            attack_edges=edges,
            seed=0,
            own=mine,
        )
        vouched = attacked.endorsements
        assert vouched is not None
        assert len(attacked.attackers) == identities
        into = np.isin(vouched.subject, attacked.attackers)
        honest = into & ~np.isin(vouched.source, attacked.attackers)
        assert len(np.unique(vouched.source[honest])) == int(honest.sum()) == edges


def test_the_command_tells_the_cells_it_has_of_a_system_that_fails_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plays, path, told = (tmp_path / name for name in ("plays.csv", "mine.py", "cells.json"))
    rows = [f"u{user},i{(user * 7 + place * 3) % 20}" for user in range(12) for place in range(9)]
    plays.write_text("\n".join(["user,item", *rows]) + "\n")
    path.write_text(bringing("1 / 0 if self.attackers > 20 else empty").text)
    chosen = ["--strategies", "star", "--systems", "popularity,mine", "--identities", "5,30"]
    given = ["--with", str(path), "--interactions", str(plays), "--seeds", "1"]
    assert main(["attack", *given, *chosen, "--json", str(told)]) == 1
    said = "1 attempt without cells: --with .*mine.py, line .*: mine: its `rank` raised Zero"
    assert re.search(said, capsys.readouterr().err)
    result = json.loads(told.read_text())
    assert len(result["cells"]) == 3
    assert re.search(said, result["notices"][-1])


def test_a_run_that_is_resumed_tells_the_cells_it_has_again(
    community: Community, tmp_path: Path
) -> None:
    own = bringing("1 / 0 if self.attackers > 20 else empty")
    wanted = msgspec.structs.replace(
        options(own), strategies=("star",), systems=("popularity", "mine"), identities=(5, 30)
    )
    told: list[str] = []
    cells = [
        run_attacks(
            *community,
            wanted,
            journal=Journal(tmp_path / "cells.jsonl", fingerprint(*community, wanted)),
            given_up=lambda each, why: told.append(why),
        )
        for _ in range(2)
    ]
    assert len(cells[0]) == 3 and cells[1] == cells[0]
    assert len(told) == 2 and told[0] == told[1]
