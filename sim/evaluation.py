"""What `tastemesh evaluate` found: sizes, a row a method, and the table of them."""

import msgspec
from rich.table import Table

from tastemesh.sim.splits import SplitKind
from tastemesh.sim.wording import counted

_UNVERIFIED = "Unverified: no endorsement stands behind most of it, so anybody can buy a place"


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


def _shown(value: float, best: float) -> str:
    return f"[bold]{value:.4f}[/bold]" if value == best else f"{value:.4f}"


def _interval(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.4f} to {ends[1]:.4f}"
