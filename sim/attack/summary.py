"""Cells averaged over seeds, and what exposure costs."""

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from tastemesh.sim.attack.cells import Cell
from tastemesh.sim.attack.options import AttackOptions
from tastemesh.sim.attack.stage import ENDORSING, WITHOUT_ENDORSEMENTS

LEVELS = (0.01, 0.1, 0.5)  # exposures whose price is asked for (contract)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Cells averaged over seeds.

    Attributes:
        strategy: its name.
        system: its name.
        group: of the egos.
        identities: hostile identities.
        attack_edges: deceived users.
        messages: mean number of records the attackers published.
        egos: mean number of the egos over whom exposure is.
        exposure: mean exposure@10 of the seeds that have one; None if none has.
        exposure_ci95: 95 % interval of it over these seeds, by Student's t.
        exposure_deceived: mean over the seeds in which somebody endorses a deceived user; None if
            in none.
        sybil_mass: mean trust in the attackers, None without trust.
        bound: mean of what the theorem allows, None without one.
        honest_ndcg_clean: mean, without the attack.
        honest_ndcg: mean, under attack.
        niche_collateral: mean, None where no list had niche items.
    """

    strategy: str
    system: str
    group: str
    identities: int
    attack_edges: int
    messages: float
    egos: float
    exposure: float | None
    exposure_ci95: tuple[float, float] | None
    exposure_deceived: float | None
    sybil_mass: float | None
    bound: float | None
    honest_ndcg_clean: float
    honest_ndcg: float
    niche_collateral: float | None


def summary(cells: Iterable[Cell]) -> list[Row]:
    """Average cells over their seeds, in the order in which they come."""
    alike: dict[tuple[str, int, int, str, str], list[Cell]] = {}
    for cell in cells:
        key = (cell.strategy, cell.identities, cell.attack_edges, cell.system, cell.group)
        alike.setdefault(key, []).append(cell)
    rows = []
    for (strategy, identities, edges, system, group), mine in alike.items():
        exposures = [cell.exposure_at_10 for cell in mine if cell.exposure_at_10 is not None]
        rows.append(
            Row(
                strategy=strategy,
                system=system,
                group=group,
                identities=identities,
                attack_edges=edges,
                messages=float(np.mean([cell.messages for cell in mine])),
                egos=float(np.mean([cell.egos for cell in mine])),
                exposure=_mean(exposures),
                exposure_ci95=interval(np.array(exposures)) if exposures else None,
                exposure_deceived=_mean(cell.exposure_deceived_at_10 for cell in mine),
                sybil_mass=_mean(cell.sybil_mass for cell in mine),
                bound=_mean(cell.bound for cell in mine),
                honest_ndcg_clean=float(np.mean([cell.honest_ndcg_at_10_clean for cell in mine])),
                honest_ndcg=float(np.mean([cell.honest_ndcg_at_10 for cell in mine])),
                niche_collateral=_mean(cell.niche_collateral for cell in mine),
            )
        )
    return rows


def remarks(cells: Sequence[Cell], options: AttackOptions) -> list[str]:
    """Return one sentence for each thing that makes the figures mean less than they seem to."""
    said = []
    wanted_of = {WITHOUT_ENDORSEMENTS: options.egos}
    if any(cell.group == ENDORSING for cell in cells):
        wanted_of = {
            ENDORSING: options.egos,
            WITHOUT_ENDORSEMENTS: options.egos_without_endorsements,
        }
    for group, wanted in wanted_of.items():
        asked = min((cell.asked for cell in cells if cell.group == group), default=0)
        if asked < wanted:
            said.append(f"asked are {asked:,} of {wanted:,} egos ({group}): there are no more")
    empty = sum(cell.exposure_at_10 is None for cell in cells)
    if empty:
        said.append(
            f"{empty:,} of {len(cells):,} cells have no exposure: all egos are deceived, or "
            "endorse somebody who is"
        )
    return said


def exposed(rows: Sequence[Row]) -> list[tuple[Row, float]]:
    """Return the rows that have an exposure, each with it."""
    return [(row, row.exposure) for row in rows if row.exposure is not None]


def price(rows: Sequence[Row], level: float, cost: Callable[[Row], float]) -> float | None:
    """Return the least that was paid for an exposure.

    Args:
        rows: attacks to choose the cheapest from.
        level: exposure that is to be reached, above 0, at most 1.
        cost: what is paid.

    Returns:
        None where none of the attacks reached it.
    """
    return min((cost(row) for row, exposure in exposed(rows) if exposure >= level), default=None)


def reach(rows: Sequence[Row], cost: Callable[[Row], float]) -> list[tuple[float, float]]:
    """Return the best exposure for each budget that was tried.

    Args:
        rows: attacks to choose the best from.
        cost: what is paid.

    Returns:
        (budget, largest exposure of all attacks within it), rising in both.
    """
    measured = exposed(rows)
    return [
        (budget, max(exposure for row, exposure in measured if cost(row) <= budget))
        for budget in sorted({cost(row) for row, _ in measured})
    ]


def interval(
    values: NDArray[np.float64], within: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float]:
    """Return the 95 % interval of a mean, by Student's t.

    Args:
        values: one for each seed.
        within: where values can lie; shares, if not said otherwise.
    """
    mean = float(values.mean())
    if len(values) < 2:
        return mean, mean
    spread = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return max(within[0], mean - spread), min(within[1], mean + spread)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
