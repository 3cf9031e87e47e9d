"""What attackers get on Last.fm's tags, friends as endorsements: the tables of the threat model."""

from collections.abc import Iterable, Sequence

import numpy as np

from docs.figures.workshop import Workshop, rows_of, with_interval
from tastemesh.sim.adversaries.strategies import STRATEGIES
from tastemesh.sim.adversaries.white_box import WHITE_BOX
from tastemesh.sim.attack.cells import Cell
from tastemesh.sim.attack.options import SYSTEMS, AttackOptions
from tastemesh.sim.attack.summary import Row, interval, summary
from tastemesh.sim.attack.tables import share

DOCUMENT = "threat-model.md"

COUNTS = (1, 10, 100, 1_000)
FREE = AttackOptions(
    strategies=tuple(STRATEGIES),
    systems=("tastemesh",),
    identities=COUNTS,
    attack_edges=(0,),
    seeds=3,
    egos=10,  # lists must be equal bit for bit; more of them say no more
)
ONE_EDGE = AttackOptions(
    strategies=tuple(STRATEGIES),
    systems=("tastemesh",),
    identities=(1, 100, 1_000),
    attack_edges=(1,),
    seeds=3,
    egos=40,
)
BESIDE = AttackOptions(
    strategies=("copycat", "early-spam"),
    systems=tuple(name for name in SYSTEMS if name != "tastemesh"),
    identities=(1, 1_000),
    attack_edges=(0, 1),
    seeds=3,
    egos=40,
)
HONEST = AttackOptions(
    strategies=tuple(STRATEGIES),
    systems=("tastemesh",),
    identities=(1_000,),
    attack_edges=(1,),
    seeds=3,
    egos=400,  # nearly all who have a later part: lists change by 1 %, and 40 users' by chance by 9
)
KNOWING = AttackOptions(
    strategies=(WHITE_BOX, "collude"),
    systems=("tastemesh",),
    identities=(1_000,),
    attack_edges=(5,),
    seeds=5,
    egos=400,
)


def make(workshop: Workshop) -> None:
    """Run every strategy against ours, some against the others; two tables."""
    tags, friends = workshop.tags()
    free = workshop.cells("free", tags, friends, FREE)
    one_edge = workshop.cells("one-edge", tags, friends, ONE_EDGE)
    workshop.write(DOCUMENT, "attacks", _strategies(free, one_edge))
    beside = summary(workshop.cells("beside", tags, friends, BESIDE))
    ours = summary([*free, *one_edge])
    workshop.write(DOCUMENT, "beside", _systems(ours, beside))


def make_honest(workshop: Workshop) -> None:
    """Run every strategy against nearly all users, and see what it costs them."""
    tags, friends = workshop.tags()
    cells = workshop.cells("honest", tags, friends, HONEST)
    lines = []
    for row in summary(cells):
        mine = [cell for cell in cells if cell.strategy == row.strategy]
        exposed = with_interval(row.exposure, *(row.exposure_ci95 or ()))
        lines.append((row.strategy, change(mine), exposed, share(row.niche_collateral)))
    header = ("strategy", "ndcg@10", "exposure@10", "niche collateral")
    workshop.write(DOCUMENT, "honest", rows_of(header, lines))


def make_white_box(workshop: Workshop) -> None:
    """Run those who know the rule."""
    tags, friends = workshop.tags()
    cells = workshop.cells("white-box", tags, friends, KNOWING)
    lines = [
        (
            row.strategy,
            str(row.attack_edges),
            with_interval(row.exposure, *(row.exposure_ci95 or ())),
            share(row.bound),
            share(row.exposure_deceived),
            "" if row.sybil_mass is None else f"{row.sybil_mass:.2g}",
            change(
                [
                    cell
                    for cell in cells
                    if (cell.strategy, cell.attack_edges) == (row.strategy, row.attack_edges)
                ]
            ),
            share(row.niche_collateral),
        )
        for row in summary(cells)
    ]
    header = ("strategy", "attack edges", "exposure@10", "the bound", "of friends", "sybil mass")
    text = rows_of((*header, "ndcg@10", "niche collateral"), lines)
    workshop.write(DOCUMENT, "white-box", text)


def _strategies(free: Sequence[Cell], one_edge: Sequence[Cell]) -> str:
    lines = []
    for name in dict.fromkeys(cell.strategy for cell in one_edge):
        rows = [row for row in summary(one_edge) if row.strategy == name]
        edgeless = [cell for cell in free if cell.strategy == name]
        lines.append(
            (
                name,
                _most(cell.exposure_at_10 for cell in edgeless),
                change(edgeless),
                *(share(row.exposure) for row in rows),
                _most(row.exposure_deceived for row in rows),
                share(max(row.bound or 0.0 for row in rows)),
                _most(row.niche_collateral for row in rows),
            )
        )
    counts = tuple(f"1 edge, {count:,}" for count in ONE_EDGE.identities)
    header = ("strategy", "no edge", "ndcg, no edge", *counts, "of friends", "the bound")
    return rows_of((*header, "niche collateral"), lines)


def _systems(ours: Sequence[Row], beside: Sequence[Row]) -> str:
    lines = []
    for strategy in BESIDE.strategies:
        for edges in BESIDE.attack_edges:
            for identities in BESIDE.identities:
                cell = {
                    row.system: _in_short(row)
                    for row in (*ours, *beside)
                    if (row.strategy, row.attack_edges, row.identities)
                    == (strategy, edges, identities)
                }
                budget = (strategy, str(edges), f"{identities:,}")
                lines.append((*budget, *(cell[system] for system in SYSTEMS)))
    return rows_of(("strategy", "attack edges", "identities", *SYSTEMS), lines)


def change(cells: Sequence[Cell]) -> str:
    """Return how much ndcg the attacks cost, relative, with a 95 % interval over the seeds.

    Args:
        cells: of one system; several of a seed are averaged first.
    """
    seeds = sorted({cell.seed for cell in cells})
    clean, attacked = (
        np.array(
            [
                np.mean([getattr(cell, field) for cell in cells if cell.seed == seed])
                for seed in seeds
            ]
        )
        for field in ("honest_ndcg_at_10_clean", "honest_ndcg_at_10")
    )
    if np.array_equal(clean, attacked):
        return "as without"
    changes = (attacked - clean) / clean.mean()
    low, high = interval(changes, within=(-1.0, np.inf))
    return f"{changes.mean():+.1%} [{low:+.1%}, {high:+.1%}]"


def _in_short(row: Row) -> str:
    low, high = row.exposure_ci95 or (0.0, 0.0)
    return with_interval(row.exposure, low, high, places=2)


def _most(values: Iterable[float | None]) -> str:
    return share(max((value for value in values if value is not None), default=None))
