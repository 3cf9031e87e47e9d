"""What each deviation from the papers costs and buys: ours with one undone at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from docs.figures.attacks import change
from docs.figures.overlay import with_tastes
from docs.figures.workshop import Workshop, rows_of
from tastemesh.sim.attack.cells import Cell
from tastemesh.sim.attack.options import AttackOptions
from tastemesh.sim.attack.summary import interval
from tastemesh.sim.attack.tables import share
from tastemesh.sim.datasets import load_endorsements
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.variants import BASE

DOCUMENT = "adr/0009-trust-defaults.md"
OTC = "bitcoin-otc/soc-sign-bitcoinotc.csv.gz"
PEOPLE = 1_500  # of Bitcoin-OTC, as many as Last.fm has users

UNDONE = {
    BASE: "nothing",
    "visits": "every visit of a walk counts",
    "relative": "divisor: all hits, not all walks",
    "cliff": "decay: the published threshold",
    "no-decay": "decay: none",
    "no-walls": "distrust is no wall",
    "alpha-30": "stop probability .3, not .15",
    "multiplier-1": "adoption does not count",
    "multiplier-5": "adoption multiplies by 5, not 2",
    "added-up": "contacts are added up",
    "capped": "one contact supplies half at most",
    "closed": "no open evidence",
    "crowd": "open evidence from everybody alike",
}

OPTIONS = AttackOptions(
    strategies=("collude",),
    systems=tuple(name if name == BASE else f"{BASE}-{name}" for name in UNDONE),
    identities=(1_000,),
    attack_edges=(5,),
    seeds=5,
    egos=25,
)


def make(workshop: Workshop) -> None:
    """Run the ablation on both data sets and put both tables into the decision record."""
    for name, (interactions, endorsements) in _datasets(workshop).items():
        cells = workshop.cells(f"ablation-{name}", interactions, endorsements, OPTIONS)
        workshop.write(DOCUMENT, f"ablation-{name}", table(cells))


def _datasets(workshop: Workshop) -> dict[str, tuple[Interactions, Endorsements]]:
    columns = "source=1,subject=2,weight=3,time=4"
    trust = load_endorsements(workshop.data / OTC, columns=columns)
    return {"lastfm": workshop.tags(), "otc": with_tastes(trust, PEOPLE)}


def table(cells: Sequence[Cell]) -> str:
    """Return a row for each deviation undone, as differences to ours on the same seed.

    Args:
        cells: of every variant, on the same seeds.
    """
    by_name = {name: _of(cells, name) for name in dict.fromkeys(cell.system for cell in cells)}
    base = by_name[BASE]
    lines = []
    for name, mine in by_name.items():
        clean = _values(mine, "honest_ndcg_at_10_clean")
        gain = clean - _values(base, "honest_ndcg_at_10_clean")
        exposure, friends = (
            _values(mine, "exposure_at_10"),
            _values(mine, "exposure_deceived_at_10"),
        )
        lines.append(
            (
                UNDONE[name.removeprefix(f"{BASE}-")],
                f"{clean.mean():.4f}",
                "" if name == BASE else _difference(gain),
                f"{share(float(exposure.mean()))} {_range(exposure)}".strip(),
                share(float(np.nanmean(friends))) if not np.isnan(friends).all() else "",
                f"{float(_values(mine, 'sybil_mass').mean()):.2g}",
                change(mine),
                share(float(np.nanmean(_values(mine, "niche_collateral")))),
            )
        )
    header = ("undone", "ndcg@10", "difference, 95 %", "exposure@10", "of friends", "sybil mass")
    return rows_of((*header, "ndcg under attack", "niche collateral"), lines)


def _of(cells: Sequence[Cell], name: str) -> list[Cell]:
    return sorted((cell for cell in cells if cell.system == name), key=lambda cell: cell.seed)


def _values(cells: Sequence[Cell], field: str) -> NDArray[np.float64]:
    found = [getattr(cell, field) for cell in cells]
    return np.array([np.nan if value is None else value for value in found], dtype=np.float64)


def _difference(gains: NDArray[np.float64]) -> str:
    low, high = interval(gains, within=(-1.0, 1.0))
    return f"{gains.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


def _range(values: NDArray[np.float64]) -> str:
    low, high = interval(values)
    return "" if low == high else f"[{share(low)}, {share(high)}]"
