"""What an attacker gets, system by system, on one and the same view.

For each seed, part of what the asked users (egos) did is held out, attackers are added to the rest,
and every system lists for the egos. The target is an item that only attackers hold, so nobody could
want it. Headline exposure is of egos who have endorsed somebody and do not endorse a deceived user
directly; those who do are reported beside, as are egos who have endorsed nobody.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import t as student

from tastemesh.errors import UsageError
from tastemesh.ranking.metrics import hits, ndcg
from tastemesh.sim.adversaries.strategies import STRATEGIES, Attacked, mount
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.splits import Split, SplitOptions, split
from tastemesh.sim.systems.matrices import binary_matrix
from tastemesh.sim.systems.registry import make_system
from tastemesh.sim.systems.system import System
from tastemesh.sim.systems.tastemesh import Tastemesh

SYSTEMS = ("tastemesh", "web3recommend", "salsa", "userknn", "popularity")
LIST_LENGTH = 10
RANK_DEPTH = 1_000  # a target beyond it has no rank worth naming
NICHE_HOLDERS = 3  # an honest item with at most so many holders is a niche (guess)

Progress = Callable[[str, int, int], None]


class AttackOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to try.

    Attributes:
        strategies: keys of `STRATEGIES`.
        systems: names of systems.
        identities: numbers of hostile identities.
        attack_edges: numbers of deceived honest users; without endorsements only 0 makes sense.
        seeds: how many, from 0.
        egos: asked users who have endorsed somebody (or all, without endorsements).
        egos_without_endorsements: asked users who have endorsed nobody, reported apart.
    """

    strategies: tuple[str, ...] = tuple(STRATEGIES)
    systems: tuple[str, ...] = SYSTEMS
    identities: tuple[int, ...] = (1, 10, 100)
    attack_edges: tuple[int, ...] = (0, 1, 5)
    seeds: int = 5
    egos: int = 100
    egos_without_endorsements: int = 0


class Cell(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "exposure_at_10": "exposure@10",
        "exposure_deceived_at_10": "exposure_of_the_deceiveds_friends@10",
        "exposure_unanchored_at_10": "exposure_unanchored@10",
        "honest_ndcg_at_10_clean": "honest_ndcg@10_clean",
        "honest_ndcg_at_10": "honest_ndcg@10",
    },
):
    """One strategy against one system.

    Attributes:
        strategy: its name.
        system: its name.
        identities: hostile identities.
        attack_edges: honest users who endorse one of them.
        seed: of everything random.
        exposure_at_10: share of the egos with the target in their top ten, marked slots included.
        exposure_deceived_at_10: the same for egos who endorse a deceived user or are one; None if
            there are none.
        exposure_unanchored_at_10: the same for egos who have endorsed nobody; None if none asked.
        target_rank_median: over the egos; None if it is on less than half of the long lists.
        sybil_gain: exposure per hostile identity.
        sybil_mass: mean trust of the egos in all hostile identities; None if the system has none.
        bound: largest score share that this trust could buy, relative to the tenth item's score,
            mean over the egos, above 1 where the theorem alone does not keep the target off the
            list; None if the system proves nothing.
        honest_ndcg_at_10_clean: of the egos, without the attack.
        honest_ndcg_at_10: of the egos, under attack.
        niche_collateral: share of the niche items on the egos' clean lists that the attack, or the
            defence, took off them; None if there were none.
    """

    strategy: str
    system: str
    identities: int
    attack_edges: int
    seed: int
    exposure_at_10: float
    exposure_deceived_at_10: float | None
    exposure_unanchored_at_10: float | None
    target_rank_median: float | None
    sybil_gain: float
    sybil_mass: float | None
    bound: float | None
    honest_ndcg_at_10_clean: float
    honest_ndcg_at_10: float
    niche_collateral: float | None


class _Stage(msgspec.Struct, frozen=True):
    """One seed's clean data and who is asked."""

    parts: Split
    endorsements: Endorsements | None
    egos: NDArray[np.int32]
    unanchored: NDArray[np.int32]
    relevant: csr_array
    niche: NDArray[np.bool_]


def run_attacks(
    interactions: Interactions,
    endorsements: Endorsements | None,
    options: AttackOptions,
    progress: Progress | None = None,
) -> list[Cell]:
    """Fill every cell.

    Args:
        interactions: distinct pairs.
        endorsements: of the same people, or None.
        options: what to try.
        progress: told (stage, done, total).

    Raises:
        UsageError: an option is unknown or out of range, or nobody can be asked.
    """
    _check(options, endorsements)
    grid = [
        (strategy, identities, edges)
        for strategy in options.strategies
        for identities in options.identities
        for edges in options.attack_edges
    ]
    total = options.seeds * len(options.systems) * (1 + len(grid))
    done = 0
    cells: list[Cell] = []
    for seed in range(options.seeds):
        stage = _stage(interactions, endorsements, options, seed)
        clean: dict[str, NDArray[np.int32]] = {}
        for name in options.systems:
            system = _fitted(name, stage.parts.train, stage.endorsements, seed)
            clean[name] = system.rank(stage.egos, LIST_LENGTH)
            done += 1
            if progress is not None:
                progress("attacking", done, total)
        for strategy, identities, edges in grid:
            attacked = mount(
                strategy,
                stage.parts.train,
                stage.endorsements,
                stage.egos,
                identities=identities,
                attack_edges=edges,
                seed=seed,
            )
            for name in options.systems:
                cells.append(_cell(stage, attacked, name, strategy, edges, seed, clean[name]))
                done += 1
                if progress is not None:
                    progress("attacking", done, total)
    return cells


def _check(options: AttackOptions, endorsements: Endorsements | None) -> None:
    for name, values, low in (
        ("identities", options.identities, 1),
        ("attack-edges", options.attack_edges, 0),
        ("seeds", (options.seeds,), 1),
        ("egos", (options.egos,), 1),
    ):
        if not values or min(values) < low:
            raise UsageError(f"{name} is {', '.join(map(str, values))}; expected {low} or more")
    if endorsements is None and max(options.attack_edges) > 0:
        raise UsageError("attack-edges above 0 need --endorsements: nobody can be deceived without")
    for name in options.strategies:
        if name not in STRATEGIES:
            raise UsageError(f"unknown strategy {name!r}; expected one of {', '.join(STRATEGIES)}")
    for name in options.systems:
        make_system(name)


def _stage(
    interactions: Interactions,
    endorsements: Endorsements | None,
    options: AttackOptions,
    seed: int,
) -> _Stage:
    how = SplitOptions(kind="random" if interactions.time_s is None else "user-time")
    parts = split(interactions, how, seed)
    people = endorsements.aligned(interactions.user_ids) if endorsements is not None else None
    rng = np.random.default_rng([seed, 6])
    if people is None:
        anchored, loose = parts.test_users, np.empty(0, np.int32)
    else:
        vouching = np.unique(people.source[people.weight > 0])
        anchored = np.intersect1d(parts.test_users, vouching).astype(np.int32)
        loose = np.setdiff1d(parts.test_users, vouching).astype(np.int32)
    if not len(anchored):
        raise UsageError("nobody to ask: no user with enough interactions has endorsed anybody")
    egos = rng.permutation(anchored)[: options.egos]
    unanchored = rng.permutation(loose)[: options.egos_without_endorsements]
    relevant = binary_matrix(parts.test)[egos]
    holders = np.bincount(parts.train.item, minlength=len(interactions.item_ids))
    niche = (holders > 0) & (holders <= NICHE_HOLDERS)
    return _Stage(parts, people, np.sort(egos), np.sort(unanchored), relevant, niche)


def _fitted(name: str, train: Interactions, endorsements: Endorsements | None, seed: int) -> System:
    """Fit a system as it comes, untuned: an attacker does not wait for a validation."""
    system = make_system(name, seed)
    system.fit(train, endorsements, system.grid(endorsements is not None)[0])
    return system


def _cell(
    stage: _Stage,
    attacked: Attacked,
    name: str,
    strategy: str,
    edges: int,
    seed: int,
    clean: NDArray[np.int32],
) -> Cell:
    system = _fitted(name, attacked.train, attacked.endorsements, seed)
    depth = min(RANK_DEPTH, attacked.target + 1)
    ranked = system.rank(stage.egos, depth)
    top = ranked[:, :LIST_LENGTH]
    exposed = (top == attacked.target).any(axis=1)
    beside = _beside_the_deceived(stage, attacked)
    trusted = (
        tuple(_trust_in(system, stage.egos, attacked)) if isinstance(system, Tastemesh) else ()
    )
    unanchored = None
    if len(stage.unanchored):
        loose = system.rank(stage.unanchored, LIST_LENGTH)
        unanchored = float((loose == attacked.target).any(axis=1).mean())
    headline = float(exposed[~beside].mean()) if (~beside).any() else 0.0
    identities = len(attacked.attackers)
    return Cell(
        strategy=strategy,
        system=name,
        identities=identities,
        attack_edges=edges,
        seed=seed,
        exposure_at_10=headline,
        exposure_deceived_at_10=float(exposed[beside].mean()) if beside.any() else None,
        exposure_unanchored_at_10=unanchored,
        target_rank_median=_median_rank(ranked, attacked.target),
        sybil_gain=headline / identities,
        sybil_mass=float(np.mean([mass for mass, _ in trusted])) if trusted else None,
        bound=float(np.mean([bound for _, bound in trusted])) if trusted else None,
        honest_ndcg_at_10_clean=_accuracy(clean, stage.relevant),
        honest_ndcg_at_10=_accuracy(np.where(top == attacked.target, -1, top), stage.relevant),
        niche_collateral=_collateral(clean, top, stage.niche),
    )


def _beside_the_deceived(stage: _Stage, attacked: Attacked) -> NDArray[np.bool_]:
    """Tell which egos are deceived themselves or endorse somebody who is."""
    if attacked.endorsements is None or not len(attacked.deceived):
        return np.zeros(len(stage.egos), dtype=bool)
    people = attacked.endorsements
    leads = np.isin(people.subject, attacked.deceived) & (people.weight > 0)
    near = np.union1d(attacked.deceived, people.source[leads])
    return np.isin(stage.egos, near)


def _trust_in(
    system: Tastemesh, egos: NDArray[np.int32], attacked: Attacked
) -> Iterator[tuple[float, float]]:
    """Yield each ego's trust in the attackers, and what the theorem lets it buy at most."""
    for ego in egos.tolist():
        yield system.trust_in(ego, attacked.attackers, LIST_LENGTH)


def _median_rank(ranked: NDArray[np.int32], target: int) -> float | None:
    found = ranked == target
    ranks = np.where(found.any(axis=1), found.argmax(axis=1) + 1.0, np.inf)
    median = float(np.median(ranks))
    return median if np.isfinite(median) else None


def _accuracy(lists: NDArray[np.int32], relevant: csr_array) -> float:
    hit = hits(lists, relevant)
    return float(ndcg(hit, np.diff(relevant.indptr), LIST_LENGTH).mean())


def _collateral(
    clean: NDArray[np.int32], attacked: NDArray[np.int32], niche: NDArray[np.bool_]
) -> float | None:
    lost = listed = 0
    for before, after in zip(clean, attacked, strict=True):
        mine = [item for item in before.tolist() if item >= 0 and niche[item]]
        listed += len(mine)
        lost += len(set(mine) - set(after.tolist()))
    return lost / listed if listed else None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Cells averaged over seeds.

    Attributes:
        strategy: its name.
        system: its name.
        identities: hostile identities.
        attack_edges: deceived users.
        exposure: mean exposure@10.
        exposure_ci95: 95 % interval of it over the seeds, by Student's t.
        honest_ndcg_clean: mean, without the attack.
        honest_ndcg: mean, under attack.
    """

    strategy: str
    system: str
    identities: int
    attack_edges: int
    exposure: float
    exposure_ci95: tuple[float, float]
    honest_ndcg_clean: float
    honest_ndcg: float


def summary(cells: Sequence[Cell]) -> list[Row]:
    """Average cells over their seeds, in the order in which they were filled."""
    groups: dict[tuple[str, int, int, str], list[Cell]] = {}
    for cell in cells:
        key = (cell.strategy, cell.identities, cell.attack_edges, cell.system)
        groups.setdefault(key, []).append(cell)
    return [
        Row(
            strategy=strategy,
            system=system,
            identities=identities,
            attack_edges=edges,
            exposure=float(np.mean([c.exposure_at_10 for c in mine])),
            exposure_ci95=_interval(np.array([c.exposure_at_10 for c in mine])),
            honest_ndcg_clean=float(np.mean([c.honest_ndcg_at_10_clean for c in mine])),
            honest_ndcg=float(np.mean([c.honest_ndcg_at_10 for c in mine])),
        )
        for (strategy, identities, edges, system), mine in groups.items()
    ]


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    mean = float(values.mean())
    if len(values) < 2:
        return mean, mean
    reach = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return max(0.0, mean - reach), min(1.0, mean + reach)
