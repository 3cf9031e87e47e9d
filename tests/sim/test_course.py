"""A method that is asked in parts gives each user what it gives her in one go, to the bit."""

import time

import numpy as np
import pytest

from tastemesh.errors import UsageError
from tastemesh.sim.course import Course
from tastemesh.sim.interactions import Interactions
from tastemesh.sim.own import Own
from tastemesh.sim.splits import SplitOptions, split
from tastemesh.sim.systems.matrices import users_at_once
from tastemesh.sim.systems.registry import LAZY, make_system
from tastemesh.sim.trials import LIST_LENGTH, Asking, Bench, Trials

PEOPLE, ITEMS = 1_500, 8_000


def wide() -> Interactions:
    """People of eight items each, from a large catalogue of which few are popular."""
    rng = np.random.default_rng(3)
    user = np.repeat(np.arange(PEOPLE), 12)
    pairs = np.unique(user * ITEMS + (ITEMS * rng.random(len(user)) ** 3).astype(int))
    return Interactions(
        user_ids=tuple(f"u{at}" for at in range(PEOPLE)),
        item_ids=tuple(f"i{at}" for at in range(ITEMS)),
        user=(pairs // ITEMS).astype(np.int32),
        item=(pairs % ITEMS).astype(np.int32),
        weight=np.ones(len(pairs), np.float32),
    )


@pytest.mark.parametrize("method", sorted(LAZY))
def test_those_asked_in_parts_get_the_lists_of_one_go(method: str) -> None:
    outer = split(wide(), SplitOptions(), 0)
    bench = Bench(
        outer=outer, inner=None, known=None, known_inside=None, seed=0, clock=time.perf_counter
    )
    system = make_system(method)
    (setting, *_) = system.grid(False)
    course, trials = Course(method, [setting], bench), Trials(bench)
    steps = [*course.waiting]
    assert len(steps) == 2 and course.asks_in_parts
    assert users_at_once(ITEMS) < PEOPLE / 2
    for step in reversed(steps):  # whichever process is ready first
        course.take_in(step, trials.take(step))
    run = course.run()
    assert run is not None
    system.fit(outer.train, None, setting)
    assert np.array_equal(run.ranked, system.rank(outer.test_users, LIST_LENGTH))


@pytest.mark.parametrize("hook", ["fit", "rank"])
def test_a_system_cannot_change_what_others_are_given(hook: str) -> None:
    text = """
import numpy as np
class Mine:
    name = "mine"
    def grid(self, endorsed):
        return [{}]
    def fit(self, train, endorsements, parameters):
        FIT
    def rank(self, users, k):
        RANK
        return np.full((len(users), k), -1, np.int32)
SYSTEMS = {"mine": lambda seed: Mine()}
"""
    writes = {"fit": "train.item.sort()", "rank": "users.sort()"}
    for name in writes:
        text = text.replace(name.upper(), writes[name] if name == hook else "pass")
    outer = split(wide(), SplitOptions(), 0)
    bench = Bench(
        outer=outer,
        inner=None,
        known=None,
        known_inside=None,
        seed=0,
        clock=time.perf_counter,
        own=Own("mine.py", text),
    )
    with pytest.raises(UsageError, match=f"mine: its `{hook}` raised ValueError: .*read-only"):
        Trials(bench).take(Asking("mine", {}, 0, 10))
    Trials(bench).take(Asking("popularity", {}, 0, 10))
