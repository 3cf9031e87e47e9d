"""How accurate each system is on one set of interactions, held-out part against full ranking.

Protocol: split; for every system choose among at most `GRID_MOST` settings of its grid by
ndcg@10 on a validation split of the training part (the same split and at most `TUNING_USERS` users
for all systems); fit the chosen setting on the whole training part; rank all items that a test user
does not hold in it. A system whose grid has one setting is not tuned, and its row says so; none is
where the training part cannot be split. The test part is looked at once, at the end.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeAlias

import msgspec
import numpy as np

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
from tastemesh.sim.course import Course, Run
from tastemesh.sim.crew import Crew, Found, assembled
from tastemesh.sim.evaluation import DatasetSize, Evaluation, MethodResult
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.own import NOTHING, Own, blamed, brought_by
from tastemesh.sim.splits import Split, SplitOptions, split, validation_split
from tastemesh.sim.systems.answers import GRID_MOST, checked_grid
from tastemesh.sim.systems.popularity import Popularity
from tastemesh.sim.systems.registry import (
    INVERTING,
    KEPT_BY,
    SOCIAL,
    SYSTEMS,
    check_methods,
)
from tastemesh.sim.systems.ridge import MAX_BYTES, inverse_bytes
from tastemesh.sim.systems.system import Parameters
from tastemesh.sim.trials import (
    HEAD_LENGTH,
    LIST_LENGTH,
    Asking,
    Bench,
    Step,
    Tuning,
    relevant_items,
)
from tastemesh.sim.wording import counted

TUNING_USERS = 1_000  # a mean ndcg's standard error is then 0.006 (measured)
_STOPPED = "stopped by Ctrl-C"

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
    processes: int = 1,
    own: Own = NOTHING,
) -> Evaluation:
    """Tune, fit and measure each method on the same split.

    Args:
        interactions: distinct pairs.
        endorsements: with ids of the same kind as the users', or None.
        options: how to split; None: `SplitOptions` as it is.
        methods: keys of `tastemesh.sim.systems.registry.SYSTEMS`, or of `own`; None: all.
        seed: the same seed, data and methods give the same figures, times excepted.
        clock: gives seconds, any origin.
        progress: called before each setting is tried and each method is measured.
        processes: how many share the work, 1 or more; the figures are the same for any number,
            times excepted, if this process has one thread for linear algebra, as each of several
            has (`tastemesh.sim.blas`).
        own: systems beside those that are shipped; all of them run where `methods` is None.

    Raises:
        UsageError: a method is unknown or needs endorsements, or the options do not fit the data.
        ProcessError: one of several processes ended before its work did.
    """
    options = options or SplitOptions()
    if processes < 1:
        raise UsageError(f"processes is {processes}; expected 1 or more")
    brought = brought_by(own).systems
    check_methods(methods or (), has_endorsements=endorsements is not None, own=brought)
    names = list(methods or (*SYSTEMS, *brought))
    people = endorsements.aligned(interactions.user_ids) if endorsements is not None else None
    outer = split(interactions, options, seed)
    inner = _inner(outer, options, seed)
    known, known_inside = outer.known(people), inner.known(people) if inner is not None else None
    bench = Bench(
        outer=outer,
        inner=inner,
        known=known,
        known_inside=known_inside,
        seed=seed,
        clock=clock,
        own=own,
    )
    grids = {name: _grid(name, bench, people is not None) for name in names}
    courses = [Course(name, grids[name], bench) for name in names]
    for course in courses:
        if course.method in SOCIAL and not _anybody_endorses(known, len(interactions.user_ids)):
            course.give_up("none of the users endorses another, and it needs --endorsements")
    stopped = _carried_out(courses, bench, processes, progress)
    test = _Test(outer)
    runs = {course.method: run for course in courses if (run := course.run()) is not None}
    skipped = {
        course.method: course.given_up or _STOPPED
        for course in courses
        if course.method not in runs
    }
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
        else f"at most {GRID_MOST} settings a method, by ndcg@10 of "
        f"{counted(len(inner.test_users), 'user')} on a {options.kind} split of the training part",
        results=rows,
        skipped=skipped,
        stopped=stopped,
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


def _carried_out(
    courses: list[Course], bench: Bench, processes: int, progress: Progress | None
) -> bool:
    """Take all courses to their ends, and return whether Ctrl-C came before."""
    try:
        with assembled(min(processes, sum(course.planned for course in courses)), bench) as crew:
            _take_turns(courses, crew, _inverses_at_once(bench), progress)
    except (KeyboardInterrupt, SystemError) as error:
        is_told = any(course.run() is not None for course in courses)
        if not is_told or not is_interrupt(error):  # else what hours of work found is told
            raise
        return True
    return False


def _take_turns(
    courses: list[Course], crew: Crew, inverses_at_once: int, progress: Progress | None
) -> None:
    tell = progress or _tell_nobody
    # Of several the one with the longest steps comes first, or all wait for it at the end.
    turns = sorted(courses, key=lambda course: crew.size > 1 and course.method not in KEPT_BY)
    total = sum(course.planned for course in courses)
    running: dict[Future[Found], tuple[Course, Step]] = {}

    def may_begin(course: Course) -> bool:
        if not course.waiting or course.method not in INVERTING:
            return bool(course.waiting)
        inverting = sum(other.method in INVERTING for other, _ in running.values())
        return inverting < inverses_at_once

    while True:
        while len(running) < crew.size and any(map(may_begin, turns)):
            course = next(filter(may_begin, turns))
            step = course.waiting.popleft()
            if isinstance(step, Tuning) or step.first == 0:
                tell(course.told(step), sum(each.done for each in courses), total)
            running[crew.submit(step)] = course, step
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            course, step = running.pop(future)
            try:
                course.take_in(step, future.result())
            except UsageError as error:
                course.give_up(str(error))
            if isinstance(step, Asking) and course.asks_in_parts:
                tell(f"{course.method}: users asked", course.asked, course.user_count)


def _tell_nobody(what: str, done: int, total: int) -> None:
    pass


def _inverses_at_once(bench: Bench) -> int:
    """Return how many inverses are made at once: all of them take no more than one may take."""
    train = bench.outer.train
    needed = inverse_bytes(min(len(train.user_ids), len(train.item_ids)))
    return max(1, MAX_BYTES // needed)


class _Test:
    """The held-out part, laid out for the metrics, and the popularity lists to compare with."""

    def __init__(self, outer: Split) -> None:
        self.relevant = relevant_items(outer)
        self.count = np.diff(self.relevant.indptr)
        item_count = len(outer.train.item_ids)
        self.holders = np.bincount(outer.train.item, minlength=item_count)
        self.user_count = len(np.unique(outer.train.user))
        self.catalogue = np.flatnonzero(self.holders)
        popularity = Popularity()
        popularity.fit(outer.train, None, {})
        self.popular = popularity.rank(outer.test_users, HEAD_LENGTH)


def _inner(outer: Split, options: SplitOptions, seed: int) -> Split | None:
    """Split the training part; None where it has too little, or all of one time."""
    try:
        return _thinned(validation_split(outer.train, options, seed), seed)
    except UsageError:
        return None


def _grid(name: str, bench: Bench, endorsed: bool) -> list[Parameters]:
    system = bench.system(name)
    with blamed(bench.own, name, "grid"):
        grid = checked_grid(name, system.grid(endorsed))
    return grid if bench.inner is not None else [grid[0]]


def _thinned(inner: Split, seed: int) -> Split:
    """Ask at most `TUNING_USERS` of the validation users, drawn by lot."""
    users = inner.test_users
    if len(users) <= TUNING_USERS:
        return inner
    drawn = np.random.default_rng([seed, 2]).choice(users, TUNING_USERS, replace=False)
    drawn.sort()
    rows = np.isin(inner.test.user, drawn)
    return msgspec.structs.replace(inner, test_users=drawn, test=inner.test.rows(rows))


def _rows(
    runs: dict[str, Run], tried: dict[str, int], test: _Test, seed: int
) -> list[MethodResult]:
    """Return the rows; all intervals come from one set of resampled users."""
    if not runs:
        return []
    hit = [hits(run.ranked, test.relevant) for run in runs.values()]
    ndcgs = np.stack([ndcg(each, test.count, HEAD_LENGTH) for each in hit])
    recalls = np.stack([recall(each, test.count, LIST_LENGTH) for each in hit])
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
            item_coverage_at_10=item_coverage(run.ranked, HEAD_LENGTH, len(test.catalogue)),
            gini_at_10=gini(run.ranked, HEAD_LENGTH, test.catalogue),
            popularity_overlap_at_10=float(
                list_overlap(run.ranked, test.popular, HEAD_LENGTH).mean()
            ),
            novelty_at_10=float(
                novelty(run.ranked, test.holders, test.user_count, HEAD_LENGTH).mean()
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
