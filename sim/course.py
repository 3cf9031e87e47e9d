"""A method's way through an evaluation: its settings are tried, the best one is measured."""

from collections import deque

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.sim.systems.matrices import users_at_once
from tastemesh.sim.systems.registry import KEPT_BY, LAZY
from tastemesh.sim.systems.system import Parameters
from tastemesh.sim.systems.tastemesh import Tastemesh
from tastemesh.sim.trials import Asking, Bench, Lists, Step, Tuning

_ASKED_AT_ONCE = 1_024  # users between two looks at how far it is: some seconds


class Run(msgspec.Struct, frozen=True):
    """What a method did on the test part; see `tastemesh.sim.evaluation.MethodResult`."""

    ranked: NDArray[np.int32]
    unverified_share: float | None
    parameters: Parameters
    ms_per_user: float
    fit_seconds: float


class Course:
    """What is left to do for a method, and what was found.

    Args:
        method: its name.
        grid: settings to choose from, the one to use untuned first.
        bench: what it is measured on.
    """

    def __init__(self, method: str, grid: list[Parameters], bench: Bench) -> None:
        self.method = method
        self.planned = 1 if len(grid) == 1 else len(grid) + 1
        """How many steps it counts for: each setting to choose from, and the test."""
        self.done = 0
        """How many of them are done, or will not be."""
        self.given_up: str | None = None
        """Why it cannot run, if so."""
        self.waiting: deque[Step] = deque()
        """What can be done now, in this order."""
        self._grid = grid
        self.user_count = len(bench.outer.test_users)
        """How many users it is asked for."""
        self._asked_at_once = self.user_count
        if isinstance(bench.system(method), Tastemesh):
            self._asked_at_once = _ASKED_AT_ONCE
        elif method in LAZY:  # whole blocks, as what one user gets depends on who is in hers
            block = users_at_once(len(bench.outer.train.item_ids))
            self._asked_at_once = -(-_ASKED_AT_ONCE // block) * block
        self._scores: dict[int, float] = {}
        self._chosen = grid[0]
        self._lists: dict[int, Lists] = {}
        if len(grid) == 1:
            self._ask()
        else:
            self.waiting.extend(_tunings(method, grid))

    @property
    def asked(self) -> int:
        """How many users it has ranked for."""
        return sum(len(each.ranked) for each in self._lists.values())

    @property
    def asks_in_parts(self) -> bool:
        """Whether there are more users than it is asked for at once."""
        return self.user_count > self._asked_at_once

    def told(self, step: Step) -> str:
        """Return what a step is, for people."""
        if isinstance(step, Asking):
            return f"{self.method}: test"
        numbers = ", ".join(str(place + 1) for place in step.places)
        settings = "setting" if len(step.places) == 1 else "settings"
        return f"{self.method}: {settings} {numbers} of {len(self._grid)}"

    def take_in(self, step: Step, found: list[float] | Lists) -> None:
        """Note what a step found; the last setting's decides what is measured."""
        if self.given_up is not None:
            return
        if isinstance(step, Asking):
            assert isinstance(found, Lists)
            self._lists[step.first] = found
            if self.asked == self.user_count:
                self.done = self.planned
            return
        assert not isinstance(found, Lists)
        self._scores.update(zip(step.places, found, strict=True))
        self.done += len(found)
        if len(self._scores) == len(self._grid):
            scores = [self._scores[place] for place in range(len(self._grid))]
            self._chosen = self._grid[int(np.argmax(scores))]  # the first of equals
            self._ask()

    def give_up(self, why: str) -> None:
        """Do no more of it."""
        self.given_up = why
        self.done = self.planned
        self.waiting.clear()

    def run(self) -> Run | None:
        """Return what was found; None before its end."""
        if self.given_up is not None or self.asked < self.user_count:
            return None
        parts = [self._lists[first] for first in sorted(self._lists)]
        marked = listed = 0.0
        for part in parts:
            count = int(np.count_nonzero(part.ranked >= 0))
            marked += (part.unverified_share or 0.0) * count
            listed += count
        marks = parts[0].unverified_share is not None
        return Run(
            ranked=np.concatenate([part.ranked for part in parts]),
            unverified_share=marked / max(listed, 1.0) if marks else None,
            parameters=self._chosen,
            ms_per_user=1000 * sum(part.rank_s for part in parts) / self.user_count,
            fit_seconds=parts[0].fit_s,
        )

    def _ask(self) -> None:
        for first in range(0, self.user_count, self._asked_at_once):
            last = min(first + self._asked_at_once, self.user_count)
            self.waiting.append(Asking(self.method, self._chosen, first, last))


def _tunings(method: str, grid: list[Parameters]) -> list[Tuning]:
    """Return a step for each setting, one for those that share most of their work."""
    groups: dict[object, list[int]] = {}
    for place, parameters in enumerate(grid):
        by = KEPT_BY.get(method)
        key = place if by is None else tuple(parameters[name] for name in by)
        groups.setdefault(key, []).append(place)
    return [
        Tuning(method, tuple(grid[place] for place in places), tuple(places))
        for places in groups.values()
    ]
