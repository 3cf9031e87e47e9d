"""Processes that share an evaluation: it finds the same for any number of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tastemesh.errors import ProcessError, UsageError
from tastemesh.sim import crew
from tastemesh.sim.evaluate import evaluate
from tastemesh.sim.own import Own
from tastemesh.sim.systems import ridge
from tests.sim.test_evaluate import circles, crowd, friends

TIMES = {"ms_per_user", "fit_seconds"}


def found(processes: int, methods: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """What an evaluation of the circles finds, without its times."""
    run = msgspec.to_builtins(
        evaluate(
            circles(),
            friends(),
            None,
            methods,
            clock=time.perf_counter,
            processes=processes,
            **more,
        )
    )
    run["results"] = [
        {name: value for name, value in row.items() if name not in TIMES} for row in run["results"]
    ]
    return dict(run)


def hands() -> list[int]:
    """The further processes of evaluations that this one runs."""
    children = [  # each is a child of the thread that started it
        child
        for told in Path("/proc/self/task").glob("*/children")
        for child in map(int, told.read_text().split())
    ]
    return [c for c in children if b"sim.hand" in Path(f"/proc/{c}/cmdline").read_bytes()]


@pytest.mark.slow
def test_two_and_three_processes_find_what_one_does() -> None:
    alone = found(1)
    assert found(2) == alone
    assert found(3) == alone
    assert not hands()


OWN = """
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
import numpy as np

class Mine:
    name = "mine"
    def grid(self, endorsed):
        return GRID
    def fit(self, train, endorsements, parameters):
        pass
    def rank(self, users, k):
        if POOL:
            self.pool = ProcessPoolExecutor(2, multiprocessing.get_context("fork"))
            list(self.pool.map(abs, [1, 2]))
        return RANKED

SYSTEMS = {"mine": lambda seed: Mine()}
"""


def own(
    ranked: str = "np.full((len(users), k), -1, np.int32)", grid: str = "[{}]", pool: int = 0
) -> Own:
    """A system of somebody's own that ranks the same for everybody."""
    text = OWN.replace("RANKED", ranked).replace("GRID", grid).replace("POOL", str(pool))
    return Own("mine.py", text)


@pytest.mark.skipif(sys.platform == "win32", reason="there processes are not forked")
def test_processes_that_a_system_starts_end_with_the_one_that_it_runs_in() -> None:
    run = found(2, ["mine", "popularity"], own=own(pool=1))
    assert [row["method"] for row in run["results"]] == ["mine", "popularity"]


@pytest.mark.skipif(sys.platform == "win32", reason="there processes are not forked")
def test_a_process_that_is_killed_is_noticed_though_one_that_it_started_lives() -> None:
    with pytest.raises(ProcessError, match="want of memory"):
        found(2, ["mine", "popularity"], own=own("os.kill(os.getpid(), 9)", pool=1))


@pytest.mark.parametrize(
    ("ranked", "gave"),
    [
        ("np.zeros((len(users) - 1, k), np.int32)", "int32, shape ["),
        ("np.zeros((len(users), 3), np.int32)", "int32, shape ["),
        ("np.zeros((len(users), k))", "float64, shape ["),
        ("[[0] * k for _ in users]", "list, shape ["),
        ("None", "NoneType, shape []"),
    ],
)
def test_a_system_whose_lists_are_none_is_left_out_and_told_what_they_are(
    ranked: str, gave: str
) -> None:
    skipped = found(1, ["mine", "popularity"], own=own(ranked))["skipped"]
    assert skipped["mine"].startswith(f"mine: its `rank` gave {gave}")
    assert "; expected int32, shape [" in skipped["mine"]


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ("[]", "length >= 1"),
        ("[{}] * 10", "length <= 9"),
        ("[{'k': k} for k in np.arange(3)]", "got `numpy.int64`"),
        ("[1, 2]", "got `int`"),
    ],
)
def test_settings_that_could_not_be_told_are_refused_before_any_is_tried(
    grid: str, said: str
) -> None:
    with pytest.raises(UsageError, match=f"^mine: its `grid` gives no 1 to 9 settings, .*{said}"):
        found(1, ["popularity", "mine"], own=own(grid=grid))


@pytest.mark.slow
def test_users_who_are_asked_in_parts_get_the_same_lists_from_several() -> None:
    people = 1_100
    steps: list[tuple[str, int, int]] = []
    alone, shared = (
        evaluate(
            crowd(people),
            methods=["tastemesh"],
            clock=time.perf_counter,
            processes=processes,
            progress=lambda *step: steps.append(step),
        ).results[0]
        for processes in (1, 2)
    )
    timeless = {"ms_per_user": 0.0, "fit_seconds": 0.0}
    assert msgspec.structs.replace(shared, **timeless) == msgspec.structs.replace(alone, **timeless)
    asked = [step[1] for step in steps if step[0] == "tastemesh: users asked"]
    assert [asked[1], asked[3]] == [people, people]


def test_progress_counts_what_is_done_by_all() -> None:
    steps: list[tuple[str, int, int]] = []
    found(2, ["userknn", "popularity"], progress=lambda *step: steps.append(step))
    stages = [step[0] for step in steps]
    assert sorted(stages) == sorted(
        [f"userknn: setting {at} of 9" for at in range(1, 10)]
        + ["userknn: test", "popularity: test"]
    )
    assert stages[:2] == ["userknn: setting 1 of 9", "userknn: setting 2 of 9"]
    assert {step[2] for step in steps} == {11}
    done = [step[1] for step in steps]
    assert done == sorted(done)
    assert done[:2] == [0, 0]


def test_a_method_that_cannot_run_is_left_out_by_several_as_by_one() -> None:
    alone = np.arange(19_000, dtype=np.int32)  # an inverse of them all would take above 4 GiB
    small = circles()
    data = msgspec.structs.replace(
        small,
        user_ids=(*small.user_ids, *(f"hermit {at}" for at in alone)),
        item_ids=(*small.item_ids, *(f"theirs {at}" for at in alone)),
        user=np.concatenate([small.user, len(small.user_ids) + alone]),
        item=np.concatenate([small.item, len(small.item_ids) + alone]),
        weight=np.ones(len(small) + len(alone), dtype=np.float32),
    )
    told = [
        evaluate(data, methods=["ease"], clock=time.perf_counter, processes=processes).skipped
        for processes in (1, 2)
    ]
    assert told[0] == told[1]
    assert "would need" in told[0]["ease"]


def test_inverses_take_no_more_memory_in_all_than_one_may(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []

    def count(stage: str, done: int, total: int) -> None:
        counts.append(len(hands()))

    alone = found(1, ["ease"])
    assert found(2, ["ease"], progress=count) == alone
    assert max(counts) == 2
    counts.clear()
    monkeypatch.setattr("tastemesh.sim.evaluate.MAX_BYTES", ridge.inverse_bytes(60))
    assert found(2, ["ease"], progress=count) == alone
    assert max(counts) == 1


def test_an_interruption_tells_what_is_measured_and_leaves_no_process_behind() -> None:
    groups: set[int] = set()

    def interrupt(stage: str, done: int, total: int) -> None:
        groups.update(os.getpgid(hand) for hand in hands())
        if stage == "userknn: test":
            raise KeyboardInterrupt

    run = found(2, ["popularity", "als", "userknn"], progress=interrupt)
    assert run["stopped"]
    assert run["results"][0]["method"] == "popularity"
    assert run["skipped"]["userknn"] == "stopped by Ctrl-C"
    assert not hands()
    assert groups
    assert os.getpgid(0) not in groups  # an interrupt from a terminal is for the first process
    with pytest.raises(KeyboardInterrupt):
        found(2, ["userknn"], progress=interrupt)
    assert not hands()


def test_a_process_that_is_killed_ends_the_evaluation_and_leaves_none_behind() -> None:
    def kill(stage: str, done: int, total: int) -> None:
        for hand in hands():
            os.kill(hand, signal.SIGKILL)

    with pytest.raises(ProcessError, match="want of memory"):
        found(2, ["userknn", "itemknn"], progress=kill)
    assert not hands()


FATAL = """
import os, signal, time
from tastemesh.sim.evaluate import evaluate
from tests.sim.test_crew import own
from tests.sim.test_evaluate import circles

def kill(stage, done, total):
    if done > 2:
        os.kill(os.getpid(), signal.SIGKILL)

methods, mine = ["als", "userknn", "mine"], own(pool=1)
evaluate(circles(), methods=methods, own=mine, clock=time.perf_counter, progress=kill, processes=2)
"""


def test_others_end_with_a_first_process_that_is_killed() -> None:
    child = subprocess.run(
        [sys.executable, "-c", FATAL],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,  # which ends when nobody holds the other end any more
        timeout=120,
    )
    assert (child.returncode, child.stderr) == (-signal.SIGKILL, b"")


def test_the_others_find_modules_where_the_first_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('a file of the user')")
    monkeypatch.chdir(tmp_path)
    assert found(2, ["userknn"]) == found(1, ["userknn"])


def test_few_interactions_have_one_process() -> None:
    assert crew.fitting_crew(circles()) == 1
    with pytest.raises(UsageError, match="processes is 0; expected 1 or more"):
        found(0)
