"""Strategies from a file in the simulator: the one that docs/attacks.md shows, and wrong ones."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tastemesh.errors import UsageError
from tastemesh.node.cli import main
from tastemesh.sim.adversaries.deployment import NETWORK_STRATEGIES
from tastemesh.sim.own import NOTHING, Own
from tastemesh.sim.replay import Replay
from tastemesh.sim.run import run_scenario
from tastemesh.sim.scenario import Adversary, Community, Scenario
from tastemesh.sim.trace import Trace
from tests.pages import ROOT, blocks

(SHOWN,) = (each for each in blocks(ROOT / "docs/attacks.md") if each.language == "python")
MINE = Own("mine.py", SHOWN.text)

SCENARIO = Scenario(
    description="ten people, and who looks like them",
    nodes=10,
    seconds=60.0,
    quiet_s=20.0,
    records_per_hour=60.0,
    sync_period_s=10.0,
    community=Community(topology="groups", groups=2, history=8),
    adversaries=(Adversary(strategy="collectors", identities=6, attack_edges=2, start_s=10.0),),
)

HELD = """
import numpy as np
from tastemesh.sim.adversaries.camouflage import Profile
from tastemesh.sim.adversaries.strategies import Strategy

def held(crowd, number):
    return HELD

STRATEGIES = {"collectors": Strategy("x", held)}
"""


def silent(stage: str, done: int, total: int) -> None:
    assert 0 <= done <= total


def run(own: Own, processes: int = 1, record: Path | None = None) -> dict[str, Any]:
    return run_scenario(SCENARIO, 3, silent, record, processes, own)


def holding(held: str) -> Own:
    return Own("mine.py", HELD.replace("HELD", held))


def test_what_a_file_brings_is_said_by_real_identities_within_the_budget() -> None:
    (found,) = run(MINE)["adversaries"]
    assert (found["strategy"], found["identities"], found["attack_edges"]) == ("collectors", 6, 2)
    assert 0 < found["messages_sent"] <= SCENARIO.adversaries[0].messages
    assert found["window_share"] > 0
    nobody = run_scenario(msgspec.structs.replace(SCENARIO, adversaries=()), 3, silent)
    assert nobody["digest"] != run(MINE)["digest"] == run(MINE)["digest"]


@pytest.mark.slow
def test_several_processes_that_have_not_read_the_file_run_what_one_does() -> None:
    alone = run(MINE)
    assert run(MINE, 2) == run(MINE, 3) == alone


def test_a_replay_needs_no_file_as_what_was_said_is_in_the_trace(tmp_path: Path) -> None:
    path = tmp_path / "run.trace"
    recorded = run(MINE, record=path)
    replayed = Replay(Trace(path)).run(silent)
    assert replayed.digest == recorded["digest"]
    assert replayed.recommendations == SCENARIO.nodes


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (NOTHING, "unknown strategy 'collectors'; expected one of chain, .*, eclipse$"),
        (holding("None"), "^collectors: its `camouflage` gave identity 0 None; expected Profile"),
        (holding("1 / 0"), "^--with mine.py, line 7: collectors: its `camouflage` raised ZeroDiv"),
        (
            holding("Profile(np.array([np.random.randint(5)]), early=False)"),
            "^collectors: it holds other items each time; expected all chance from crowd.rng",
        ),
        *(
            (
                Own("mine.py", HELD.replace("collectors", name)),
                f"^--with mine.py: STRATEGIES has '{name}', which is there already",
            )
            for name in (*NETWORK_STRATEGIES, "adaptive")
        ),
    ],
)
def test_what_cannot_be_used_is_refused_and_replaces_no_trace(
    own: Own, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.trace"
    path.write_bytes(b"of another run")
    with pytest.raises(UsageError, match=said):
        run(own, record=path)
    assert path.read_bytes() == b"of another run"


def test_more_people_to_deceive_than_there_are_are_refused_and_replace_no_trace(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.trace"
    path.write_bytes(b"of another run")
    for strategy in ("adaptive", "star"):
        policy = Adversary(strategy=strategy, attack_edges=11)
        wanted = msgspec.structs.replace(SCENARIO, adversaries=(policy,))
        with pytest.raises(UsageError, match="11"):
            run_scenario(wanted, 3, silent, path)
    assert path.read_bytes() == b"of another run"


@pytest.mark.slow
def test_a_strategy_that_is_another_in_each_process_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = holding("Profile(np.array([hash('salted') % 5]), early=False)")
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    with pytest.raises(UsageError, match="collectors: it holds other items each time"):
        for _ in range(20):  # two processes may have the same by chance
            run(own, 4)


def test_a_strategy_sees_each_pair_once_as_in_a_file_of_data() -> None:
    pairs = "crowd.train.user * len(crowd.train.item_ids) + crowd.train.item"
    again = f"len(crowd.train) - len(np.unique({pairs}))"
    (each,) = run(holding(f"1 / 0 if {again} else crowd.copied(number)"))["adversaries"]
    assert each["messages_sent"] > 0


def test_the_command_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine, scenario, trace = (tmp_path / name for name in ("mine.py", "mine.toml", "mine.trace"))
    mine.write_text(SHOWN.text)
    scenario.write_text(
        'description = "mine"\nnodes = 6\nseconds = 30.0\nquiet_s = 10.0\n'
        '[community]\nhistory = 5\n[[adversaries]]\nstrategy = "collectors"\nstart_s = 5.0\n'
    )
    given = ["sim", str(scenario), "--with", str(mine)]
    assert main([*given, "--record", str(trace)]) == 0
    assert "collectors" in capsys.readouterr().out
    assert main([*given, "--seeds", "2"]) == 0
    assert main(["sim", "--replay", str(trace)]) == 0
    assert main(["sim", "--replay", str(trace), "--with", str(mine)]) == 2
    assert "--replay takes everything from the trace; no " in capsys.readouterr().err
    assert main([*given, "--record", str(mine)]) == 2
    assert mine.read_text() == SHOWN.text
