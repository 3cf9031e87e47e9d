"""The steps that an evaluation is made of, which any process can take.

A step is a function of the bench and of itself alone: it gives the same wherever, after whatever
and beside whatever it is taken.
"""

from collections.abc import Callable
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.ranking.metrics import hits, ndcg
from tastemesh.sim.interactions import Endorsements, Interactions, sealed
from tastemesh.sim.own import NOTHING, Own, blamed, brought_by
from tastemesh.sim.splits import Split
from tastemesh.sim.systems.answers import checked_lists
from tastemesh.sim.systems.registry import make_system
from tastemesh.sim.systems.system import Parameters, System
from tastemesh.sim.systems.tastemesh import Tastemesh

LIST_LENGTH = 20
HEAD_LENGTH = 10


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What all methods are measured on.

    Args:
        outer: training and test part.
        inner: the training part split once more, to choose settings by; None: it cannot be.
        known: endorsements that may be used for the test, aligned with the users, or None.
        known_inside: those that may be used to choose settings.
        seed: of the systems.
        clock: gives seconds, any origin; a process that is to share the work must be able to
            import it.
        own: systems beside those that are shipped.
    """

    outer: Split
    inner: Split | None
    known: Endorsements | None
    known_inside: Endorsements | None
    seed: int
    clock: Callable[[], float]
    own: Own = NOTHING

    def system(self, name: str) -> System:
        """Return a fresh system, shipped or brought."""
        with blamed(self.own, name, "SYSTEMS"):
            return make_system(name, self.seed, brought_by(self.own).systems)

    def fit(
        self,
        name: str,
        system: System,
        train: Interactions,
        known: Endorsements | None,
        parameters: Parameters,
    ) -> None:
        """Have a system learn.

        Raises:
            UsageError: it cannot, or one that was brought raises something.
        """
        with blamed(self.own, name, "fit"):
            system.fit(train, known, parameters)

    def ranked(
        self, name: str, system: System, users: NDArray[np.int32], k: int
    ) -> NDArray[np.int32]:
        """Ask a system.

        Raises:
            UsageError: one that was brought raises something.
        """
        with blamed(self.own, name, "rank"):
            return system.rank(users, k)


class Tuning(msgspec.Struct, frozen=True):
    """Try settings on the validation split.

    Args:
        method: a name that `Bench.system` knows.
        settings: tried one after the other by one system, which may keep what they share.
        places: where each stands in the grid.
    """

    method: str
    settings: tuple[Parameters, ...]
    places: tuple[int, ...]


class Asking(msgspec.Struct, frozen=True):
    """Fit a setting on the whole training part and rank for test users.

    Args:
        method: a name that `Bench.system` knows.
        parameters: the setting.
        first: place of the first user asked among the test users.
        last: place after the last one.
    """

    method: str
    parameters: Parameters
    first: int
    last: int


Step: TypeAlias = Tuning | Asking


class Lists(msgspec.Struct, frozen=True, kw_only=True):
    """What `Asking` found.

    Args:
        ranked: int32, shape [users asked, `LIST_LENGTH`], -1 where a list ends early.
        unverified_share: how much of it is marked, in [0, 1]; None if the system marks nothing.
        fit_s: seconds to fit, 0 where the system had been fitted for the users before.
        rank_s: seconds to rank.
    """

    ranked: NDArray[np.int32]
    unverified_share: float | None
    fit_s: float
    rank_s: float


class Trials:
    """Takes steps, one at a time.

    Args:
        bench: what they are taken on.
    """

    def __init__(self, bench: Bench) -> None:
        # A system changes nothing that the next one is given.
        self._bench = msgspec.structs.replace(
            bench,
            outer=_sealed(bench.outer),
            inner=None if bench.inner is None else _sealed(bench.inner),
            known=None if bench.known is None else sealed(bench.known),
            known_inside=None if bench.known_inside is None else sealed(bench.known_inside),
        )
        self._kept: tuple[str, Parameters, Tastemesh] | None = None

    def take(self, step: Step) -> list[float] | Lists:
        """Return each setting's ndcg@10 on the validation split, or the lists.

        Raises:
            UsageError: the method cannot run on these data.
        """
        return self._tried(step) if isinstance(step, Tuning) else self._asked(step)

    def _tried(self, step: Tuning) -> list[float]:
        bench, inner = self._bench, self._bench.inner
        assert inner is not None
        self._kept = None
        system = bench.system(step.method)
        relevant = relevant_items(inner)
        count = np.diff(relevant.indptr)
        found = []
        for parameters in step.settings:
            bench.fit(step.method, system, inner.train, bench.known_inside, parameters)
            ranked = bench.ranked(step.method, system, inner.test_users, HEAD_LENGTH)
            checked_lists(step.method, ranked, inner.test_users, HEAD_LENGTH, inner.train)
            found.append(float(ndcg(hits(ranked, relevant), count, HEAD_LENGTH).mean()))
        return found

    def _asked(self, step: Asking) -> Lists:
        bench, clock, outer = self._bench, self._bench.clock, self._bench.outer
        users = outer.test_users[step.first : step.last]
        started = clock()
        system = self._fitted(step)
        fitted = clock()
        ranked = bench.ranked(step.method, system, users, LIST_LENGTH)
        ended = clock()
        checked_lists(step.method, ranked, users, LIST_LENGTH, outer.train)
        return Lists(
            ranked=ranked,
            unverified_share=system.unverified_share if isinstance(system, Tastemesh) else None,
            fit_s=fitted - started,
            rank_s=ended - fitted,
        )

    def _fitted(self, step: Asking) -> System:
        """Return the system that the step asks, the one of the last step where it is the same.

        Only ours learns for long and is asked in several steps; the others are let go, as they may
        be large.
        """
        if self._kept is not None and self._kept[:2] == (step.method, step.parameters):
            return self._kept[2]
        self._kept = None
        bench = self._bench
        system = bench.system(step.method)
        bench.fit(step.method, system, bench.outer.train, bench.known, step.parameters)
        if isinstance(system, Tastemesh):
            self._kept = (step.method, step.parameters, system)
        return system


def _sealed(part: Split) -> Split:
    return msgspec.structs.replace(sealed(part), train=sealed(part.train), test=sealed(part.test))


def relevant_items(part: Split) -> csr_array:
    """Return what each test user holds out, shape [test users, items]."""
    shape = (len(part.train.user_ids), len(part.train.item_ids))
    ones = np.ones(len(part.test), dtype=np.int8)
    return csr_array((ones, (part.test.user, part.test.item)), shape=shape)[part.test_users]
