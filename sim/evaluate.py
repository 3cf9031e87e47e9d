"""How accurate each system is on one set of interactions, held-out part against full ranking.

Protocol: split; for every system choose among at most `TUNING_BUDGET` settings of its grid by
ndcg@10 on a validation split of the training part (the same split and at most `TUNING_USERS` users
for all systems); fit the chosen setting on the whole training part; rank all items that a test user
does not hold in it. A system whose grid has one setting is not tuned, and its row says so; none is
where the training part cannot be split. The test part is looked at once, at the end.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.errors import UsageError, is_interrupt
from tastemesh.ranking.metrics import (
    bootstrap_means,
    gini,
    hits,
    interval95,
    item_coverage,
    list_overlap,
    ndcg,
    novelty,
    recall,
)
from tastemesh.sim.evaluation import DatasetSize, Evaluation, MethodResult
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.splits import Split, SplitOptions, split, validation_split
from tastemesh.sim.systems.popularity import Popularity
from tastemesh.sim.systems.registry import SOCIAL, SYSTEMS, check_methods, make_system
from tastemesh.sim.systems.system import Parameters, System
from tastemesh.sim.systems.tastemesh import Tastemesh
from tastemesh.sim.wording import counted

TUNING_BUDGET = 9  # settings a system may try: a 3 by 3 grid; guess
TUNING_USERS = 1_000  # a mean ndcg's standard error is then 0.006 (measured)
_LIST_LENGTH = 20
_STOPPED = "stopped by Ctrl-C"
_HEAD_LENGTH = 10
_ASKED_AT_ONCE = 1_024  # users between two looks at how far it is: some seconds

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""


def evaluate(
    interactions: Interactions,
    endorsements: Endorsements | None = None,
    options: SplitOptions | None = None,
    methods: Sequence[str] | None = None,
    seed: int = 0,
    *,
    clock: Callable[[], float],
    progress: Progress | None = None,
) -> Evaluation:
    """Tune, fit and measure each method on the same split.

    Args:
        interactions: distinct pairs.
        endorsements: with ids of the same kind as the users', or None.
        options: how to split; None: `SplitOptions` as it is.
        methods: keys of `tastemesh.sim.systems.registry.SYSTEMS`; None: all.
        seed: the same seed, data and methods give the same figures, times excepted.
        clock: gives seconds, any origin.
        progress: called before each setting is tried and each method is measured.

    Raises:
        UsageError: a method is unknown or needs endorsements, or the options do not fit the data.
    """
    options = options or SplitOptions()
    check_methods(methods or (), has_endorsements=endorsements is not None)
    names = list(methods or SYSTEMS)
    systems = {name: make_system(name, seed) for name in names}
    people = endorsements.aligned(interactions.user_ids) if endorsements is not None else None
    outer = split(interactions, options, seed)
    inner = _inner(outer, options, seed)
    known, known_inside = outer.known(people), inner.known(people) if inner is not None else None
    grids = {name: _grid(system, people is not None, inner) for name, system in systems.items()}
    steps = _Steps(sum(len(grid) + 1 for grid in grids.values()), progress)
    test = _Test(outer)
    runs: dict[str, _Run] = {}
    skipped: dict[str, str] = {}
    for name, system in systems.items():
        if name in SOCIAL and not _anybody_endorses(known, len(interactions.user_ids)):
            skipped[name] = "none of the users endorses another, and it needs --endorsements"
            steps.close(len(grids[name]) + 1)
            continue
        try:
            parameters = _tuned(system, grids[name], inner, known_inside, steps)
            runs[name] = _measured(system, parameters, outer, known, clock, steps)
        except UsageError as error:
            skipped[name] = str(error)
        except (KeyboardInterrupt, SystemError) as error:
            if not runs or not is_interrupt(error):  # else what hours of work found is told
                raise
            skipped |= {left: _STOPPED for left in names if left not in (*runs, *skipped)}
            break
        steps.close(len(grids[name]) + 1)
    rows = _rows(runs, {name: len(grid) for name, grid in grids.items()}, test, seed)
    return Evaluation(
        dataset=DatasetSize(
            users=len(interactions.user_ids),
            items=len(interactions.item_ids),
            interactions=len(interactions),
            endorsements=len(endorsements) if endorsements is not None else 0,
            train=len(outer.train),
            test=len(outer.test),
            test_users=len(outer.test_users),
        ),
        split=options.kind,
        cutoff=outer.cutoff,
        seed=seed,
        tuning="not at all, as the training part cannot be split once more"
        if inner is None
        else f"at most {TUNING_BUDGET} settings a method, by ndcg@10 of "
        f"{counted(len(inner.test_users), 'user')} on a {options.kind} split of the training part",
        results=rows,
        skipped=skipped,
        stopped=_STOPPED in skipped.values(),
        notices=interactions.counts.notices()
        + (endorsements.counts.notices() if endorsements is not None else [])
        + (endorsements.strangers(interactions.user_ids) if endorsements is not None else [])
        + _left_out(people, known),
    )


def _left_out(people: Endorsements | None, known: Endorsements | None) -> list[str]:
    if people is None or known is None or len(known) == len(people):
        return []
    return [f"{len(people) - len(known):,} of {len(people):,} endorsements left out: made later"]


def _anybody_endorses(known: Endorsements | None, user_count: int) -> bool:
    """Tell whether one of the users vouches for another."""
    if known is None:
        return False
    inside = (known.source < user_count) & (known.subject < user_count)
    return bool((inside & (known.weight > 0)).any())


class _Run(msgspec.Struct, frozen=True):
    ranked: NDArray[np.int32]
    unverified_share: float | None
    parameters: Parameters
    ms_per_user: float
    fit_seconds: float


class _Steps:
    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._done = self._closed = 0
        self._progress = progress

    def next(self, what: str) -> None:
        if self._progress is not None:
            self._progress(what, self._done, self._total)
        self._done += 1

    def within(self, what: str, done: int, total: int) -> None:
        """Tell how far one of the steps is."""
        if self._progress is not None:
            self._progress(what, done, total)

    def close(self, planned: int) -> None:
        """Count all the steps planned for a method as done, also those it did not come to."""
        self._closed += planned
        self._done = self._closed


class _Test:
    """The held-out part, laid out for the metrics, and the popularity lists to compare with."""

    def __init__(self, outer: Split) -> None:
        self.relevant = _relevant(outer)
        self.count = np.diff(self.relevant.indptr)
        item_count = len(outer.train.item_ids)
        self.holders = np.bincount(outer.train.item, minlength=item_count)
        self.user_count = len(np.unique(outer.train.user))
        self.catalogue = np.flatnonzero(self.holders)
        popularity = Popularity()
        popularity.fit(outer.train, None, {})
        self.popular = popularity.rank(outer.test_users, _HEAD_LENGTH)


def _relevant(part: Split) -> csr_array:
    shape = (len(part.train.user_ids), len(part.train.item_ids))
    ones = np.ones(len(part.test), dtype=np.int8)
    return csr_array((ones, (part.test.user, part.test.item)), shape=shape)[part.test_users]


def _inner(outer: Split, options: SplitOptions, seed: int) -> Split | None:
    """Split the training part; None where it has too little, or all of one time."""
    try:
        return _thinned(validation_split(outer.train, options, seed), seed)
    except UsageError:
        return None


def _grid(system: System, endorsed: bool, inner: Split | None) -> list[Parameters]:
    grid = system.grid(endorsed)
    assert 1 <= len(grid) <= TUNING_BUDGET  # a system of ours that takes more than its share
    return grid if inner is not None else grid[:1]


def _thinned(inner: Split, seed: int) -> Split:
    """Ask at most `TUNING_USERS` of the validation users, drawn by lot."""
    users = inner.test_users
    if len(users) <= TUNING_USERS:
        return inner
    drawn = np.random.default_rng([seed, 2]).choice(users, TUNING_USERS, replace=False)
    drawn.sort()
    rows = np.isin(inner.test.user, drawn)
    return msgspec.structs.replace(inner, test_users=drawn, test=inner.test.rows(rows))


def _tuned(
    system: System,
    grid: Sequence[Parameters],
    inner: Split | None,
    people: Endorsements | None,
    steps: _Steps,
) -> Parameters:
    """Return the setting with the highest ndcg@10 on the validation split, the first of equals."""
    if len(grid) == 1 or inner is None:
        steps.next(system.name)
        return grid[0]
    relevant = _relevant(inner)
    count = np.diff(relevant.indptr)
    scores = []
    for at, parameters in enumerate(grid):
        steps.next(f"{system.name}: setting {at + 1} of {len(grid)}")
        system.fit(inner.train, people, parameters)
        ranked = system.rank(inner.test_users, _HEAD_LENGTH)
        scores.append(float(ndcg(hits(ranked, relevant), count, _HEAD_LENGTH).mean()))
    return grid[int(np.argmax(scores))]


def _measured(
    system: System,
    parameters: Parameters,
    outer: Split,
    people: Endorsements | None,
    clock: Callable[[], float],
    steps: _Steps,
) -> _Run:
    steps.next(f"{system.name}: test")
    started = clock()
    system.fit(outer.train, people, parameters)
    fitted = clock()
    unverified_share = None
    if isinstance(system, Tastemesh):
        ranked, unverified_share = _asked(system, outer.test_users, steps)
    else:
        ranked = system.rank(outer.test_users, _LIST_LENGTH)
    ended = clock()
    return _Run(
        ranked,
        unverified_share,
        parameters,
        1000 * (ended - fitted) / len(outer.test_users),
        fitted - started,
    )


def _asked(
    system: Tastemesh, users: NDArray[np.int32], steps: _Steps
) -> tuple[NDArray[np.int32], float]:
    """Return the lists, and how much of them is marked; ours takes its time, and says how far."""
    parts = []
    marked = listed = 0.0
    for some in np.split(users, range(_ASKED_AT_ONCE, len(users), _ASKED_AT_ONCE)):
        ranked = system.rank(some, _LIST_LENGTH)
        count = int(np.count_nonzero(ranked >= 0))
        marked, listed = marked + system.unverified_share * count, listed + count
        parts.append(ranked)
        if len(users) > _ASKED_AT_ONCE:
            steps.within(f"{system.name}: users asked", sum(map(len, parts)), len(users))
    return np.concatenate(parts), marked / max(listed, 1.0)


def _rows(
    runs: dict[str, _Run], tried: dict[str, int], test: _Test, seed: int
) -> list[MethodResult]:
    """Return the rows; all intervals come from one set of resampled users."""
    if not runs:
        return []
    hit = [hits(run.ranked, test.relevant) for run in runs.values()]
    ndcgs = np.stack([ndcg(each, test.count, _HEAD_LENGTH) for each in hit])
    recalls = np.stack([recall(each, test.count, _LIST_LENGTH) for each in hit])
    means = bootstrap_means(np.concatenate([ndcgs, recalls]), np.random.default_rng([seed, 4]))
    ndcg_means, recall_means = np.split(means, 2)
    return [
        MethodResult(
            method=name,
            ndcg_at_10=float(ndcgs[at].mean()),
            recall_at_20=float(recalls[at].mean()),
            ndcg_at_10_ci95=interval95(ndcg_means[at]),
            recall_at_20_ci95=interval95(recall_means[at]),
            ndcg_at_10_minus_first_ci95=interval95(ndcg_means[at] - ndcg_means[0]) if at else None,
            item_coverage_at_10=item_coverage(run.ranked, _HEAD_LENGTH, len(test.catalogue)),
            gini_at_10=gini(run.ranked, _HEAD_LENGTH, test.catalogue),
            popularity_overlap_at_10=float(
                list_overlap(run.ranked, test.popular, _HEAD_LENGTH).mean()
            ),
            novelty_at_10=float(
                novelty(run.ranked, test.holders, test.user_count, _HEAD_LENGTH).mean()
            ),
            unverified_share=run.unverified_share,
            ms_per_user=run.ms_per_user,
            fit_seconds=run.fit_seconds,
            parameters=dict(run.parameters),
            tuned=tried[name] > 1,
            tried=tried[name],
        )
        for at, (name, run) in enumerate(runs.items())
    ]
