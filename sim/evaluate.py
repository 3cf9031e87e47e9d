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
from rich.table import Table
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
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.splits import Split, SplitKind, SplitOptions, split, validation_split
from tastemesh.sim.systems.popularity import Popularity
from tastemesh.sim.systems.registry import SOCIAL, SYSTEMS, check_methods, make_system
from tastemesh.sim.systems.system import Parameters, System
from tastemesh.sim.systems.tastemesh import Tastemesh
from tastemesh.sim.wording import counted

TUNING_BUDGET = 9  # settings a system may try: a 3 by 3 grid; guess
TUNING_USERS = 1_000  # a mean ndcg's standard error is then 0.006 (measured)
_LIST_LENGTH = 20
_STOPPED = "stopped by Ctrl-C"
_UNVERIFIED = "Unverified: no endorsement stands behind most of it, so anybody can buy a place"
_HEAD_LENGTH = 10

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""


class DatasetSize(msgspec.Struct, frozen=True, kw_only=True):
    """What was evaluated on."""

    users: int
    items: int
    interactions: int
    endorsements: int
    train: int
    test: int
    test_users: int


class MethodResult(msgspec.Struct, frozen=True, kw_only=True):
    """One system's row.

    Args:
        method: its name.
        ndcg_at_10: mean over the test users, in [0, 1].
        recall_at_20: mean over the test users, in [0, 1].
        ndcg_at_10_ci95: 95 % interval of that mean, users resampled.
        recall_at_20_ci95: as above.
        ndcg_at_10_minus_first_ci95: interval of the difference to the first method of the run, on
            the same resampled users; None for the first. An interval without 0 is a difference.
        item_coverage_at_10: share of the items that anybody holds in training which stand in a top
            ten.
        gini_at_10: Gini coefficient of those items' exposure, 0 even.
        popularity_overlap_at_10: mean share of a top ten that is in the user's popularity top ten.
        novelty_at_10: mean self-information of the top ten, bits.
        unverified_share: how much of its lists is marked unverified, as no endorsement stands
            behind it; None if the system marks nothing.
        ms_per_user: time to rank, fitting excluded, divided by the test users.
        fit_seconds: time to fit the chosen setting.
        parameters: the setting used.
        tuned: chosen among several on the validation split.
        tried: number of settings tried.
    """

    method: str
    ndcg_at_10: float = msgspec.field(name="ndcg@10")
    recall_at_20: float = msgspec.field(name="recall@20")
    ndcg_at_10_ci95: tuple[float, float] = msgspec.field(name="ndcg@10_ci95")
    recall_at_20_ci95: tuple[float, float] = msgspec.field(name="recall@20_ci95")
    ndcg_at_10_minus_first_ci95: tuple[float, float] | None = msgspec.field(
        name="ndcg@10_minus_first_ci95"
    )
    item_coverage_at_10: float = msgspec.field(name="item_coverage@10")
    gini_at_10: float = msgspec.field(name="gini@10")
    popularity_overlap_at_10: float = msgspec.field(name="popularity_overlap@10")
    novelty_at_10: float = msgspec.field(name="novelty@10")
    unverified_share: float | None
    ms_per_user: float
    fit_seconds: float
    parameters: dict[str, float | int | str]
    tuned: bool
    tried: int


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """All rows of one run; `msgspec.json.encode` gives the JSON of the command contract.

    Args:
        dataset: sizes.
        split: how the data were split.
        cutoff: the moment of a global-time split, ISO.
        seed: of split, systems and resampling.
        tuning: how parameters were chosen, in words.
        results: one row a method, in the order asked for.
        skipped: methods that could not run on these data, and why.
        stopped: Ctrl-C came before all methods were measured; the others are among the skipped.
        notices: what the loaders left out.
    """

    dataset: DatasetSize
    split: SplitKind
    cutoff: str | None
    seed: int
    tuning: str
    results: list[MethodResult]
    skipped: dict[str, str]
    stopped: bool
    notices: list[str]


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


def format_table(evaluation: Evaluation, *, wide: bool = True) -> Table:
    """Return the results as a table for a terminal, best of each accuracy in bold.

    Args:
        evaluation: what `evaluate` found.
        wide: with the measures beyond accuracy; about 150 columns, without them 80.
    """
    size = evaluation.dataset
    when = f" at {evaluation.cutoff}" if evaluation.cutoff else ""
    table = Table(
        title=f"{counted(size.users, 'user')}, {counted(size.items, 'item')}, "
        f"{counted(size.interactions, 'interaction')}, "
        f"{counted(size.endorsements, 'endorsement')}; {evaluation.split} split{when}, "
        f"{counted(size.test_users, 'user')} asked, seed {evaluation.seed}",
        caption=f"Tuned: {evaluation.tuning}."
        + (f" {_UNVERIFIED}." if any(map(_is_unverified, evaluation.results)) else ""),
    )
    table.add_column("method")
    beyond = ("coverage@10", "gini@10", "pop. overlap@10", "novelty@10") if wide else ()
    for heading in ("ndcg@10", "95 %", "recall@20", "95 %", *beyond, "ms/user"):
        table.add_column(heading, justify="right")
    table.add_column("tuned")
    best_ndcg = max((row.ndcg_at_10 for row in evaluation.results), default=0.0)
    best_recall = max((row.recall_at_20 for row in evaluation.results), default=0.0)
    for row in evaluation.results:
        table.add_row(
            f"{row.method} (unverified)" if _is_unverified(row) else row.method,
            _shown(row.ndcg_at_10, best_ndcg),
            _interval(row.ndcg_at_10_ci95),
            _shown(row.recall_at_20, best_recall),
            _interval(row.recall_at_20_ci95),
            *(_beyond_accuracy(row) if wide else ()),
            f"{row.ms_per_user:.2f}",
            f"of {row.tried}" if row.tuned else "no",
        )
    return table


def _is_unverified(row: MethodResult) -> bool:
    return row.unverified_share is not None and row.unverified_share > 0.5


def _beyond_accuracy(row: MethodResult) -> tuple[str, str, str, str]:
    return (
        f"{row.item_coverage_at_10:.3f}",
        f"{row.gini_at_10:.3f}",
        f"{row.popularity_overlap_at_10:.3f}",
        f"{row.novelty_at_10:.2f}",
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
    ranked = system.rank(outer.test_users, _LIST_LENGTH)
    ended = clock()
    return _Run(
        ranked,
        system.unverified_share if isinstance(system, Tastemesh) else None,
        parameters,
        1000 * (ended - fitted) / len(outer.test_users),
        fitted - started,
    )


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


def _shown(value: float, best: float) -> str:
    return f"[bold]{value:.4f}[/bold]" if value == best else f"{value:.4f}"


def _interval(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.4f} to {ends[1]:.4f}"
