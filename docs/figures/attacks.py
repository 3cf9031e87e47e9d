"""What attackers get on Last.fm's tags, friends as endorsements: the tables of the threat model."""

from collections.abc import Sequence

from docs.figures.workshop import Workshop, rows_of, with_interval
from tastemesh.sim.adversaries.strategies import STRATEGIES
from tastemesh.sim.adversaries.white_box import WHITE_BOX
from tastemesh.sim.attack import plots
from tastemesh.sim.attack.options import SYSTEMS, AttackOptions
from tastemesh.sim.attack.summary import Row, summary
from tastemesh.sim.attack.tables import share

DOCUMENT = "threat-model.md"

OURS = AttackOptions(
    strategies=tuple(STRATEGIES),
    systems=("tastemesh",),
    identities=(1, 1_000),
    attack_edges=(0, 1),
    seeds=5,
    egos=40,
)
BESIDE = AttackOptions(
    strategies=("chain", "copycat", "early-spam", "bandwagon"),
    systems=tuple(name for name in SYSTEMS if name != "tastemesh"),
    identities=(1, 1_000),
    attack_edges=(0, 1),
    seeds=5,
    egos=40,
)
KNOWING = AttackOptions(
    strategies=(WHITE_BOX, "collude"),
    systems=("tastemesh",),
    identities=(1_000,),
    attack_edges=(1, 5),
    seeds=5,
    egos=60,
)


def make(workshop: Workshop) -> None:
    """Run every strategy against ours, the strongest against the others; two tables, a plot."""
    tags, friends = workshop.tags()
    ours = summary(workshop.cells("attacks", tags, friends, OURS))
    beside = summary(workshop.cells("beside", tags, friends, BESIDE))
    workshop.write(DOCUMENT, "attacks", _strategies(ours))
    workshop.write(DOCUMENT, "beside", _systems(ours, beside))
    alike = [row for row in ours if row.strategy in BESIDE.strategies]
    workshop.draw("attack-identities", plots.by_identities([*alike, *beside], 1))
    workshop.draw("attack-cost", plots.cost_curves([*alike, *beside]))


def make_white_box(workshop: Workshop) -> None:
    """Run those who know the rule."""
    tags, friends = workshop.tags()
    rows = summary(workshop.cells("white-box", tags, friends, KNOWING))
    lines = [
        (
            row.strategy,
            str(row.attack_edges),
            with_interval(row.exposure, *row.exposure_ci95),
            share(row.bound),
            share(row.exposure_deceived),
            "" if row.sybil_mass is None else f"{row.sybil_mass:.2g}",
            _change(row),
            share(row.niche_collateral),
        )
        for row in rows
    ]
    header = ("strategy", "attack edges", "exposure@10", "the bound", "of friends", "sybil mass")
    text = rows_of((*header, "ndcg@10", "niche collateral"), lines)
    workshop.write(DOCUMENT, "white-box", text)


def _strategies(rows: Sequence[Row]) -> str:
    lines = []
    for name in dict.fromkeys(row.strategy for row in rows):
        free = [row for row in rows if row.strategy == name and row.attack_edges == 0]
        one, many = (
            next(
                row
                for row in rows
                if (row.strategy, row.attack_edges, row.identities) == (name, 1, count)
            )
            for count in OURS.identities
        )
        lines.append(
            (
                name,
                share(max(row.exposure for row in free)),
                *(with_interval(row.exposure, *row.exposure_ci95) for row in (one, many)),
                share(many.bound),
                _change(many),
                share(many.niche_collateral),
            )
        )
    header = ("strategy", "no edge", "1 edge, 1 identity", "1 edge, 1,000", "the bound")
    return rows_of((*header, "ndcg@10", "niche collateral"), lines)


def _systems(ours: Sequence[Row], beside: Sequence[Row]) -> str:
    lines = []
    for strategy in BESIDE.strategies:
        for edges in BESIDE.attack_edges:
            cell = {
                row.system: with_interval(row.exposure, *row.exposure_ci95, places=2)
                for row in (*ours, *beside)
                if (row.strategy, row.attack_edges, row.identities) == (strategy, edges, 1_000)
            }
            lines.append((strategy, str(edges), *(cell[system] for system in SYSTEMS)))
    return rows_of(("strategy", "attack edges", *SYSTEMS), lines)


def _change(row: Row) -> str:
    change = row.honest_ndcg / row.honest_ndcg_clean - 1
    return "as without" if change == 0 else f"{change:+.1%}"
