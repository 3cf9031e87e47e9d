"""One strategy against one system: what the attacker got, what it cost him, what others lost.

Part of what the asked users (egos) did is held out, attackers are added to the rest, and the system
lists for the egos. The target is an item that only attackers hold, so nobody could want it.
Headline exposure is of egos who have endorsed somebody and do not endorse a deceived user directly;
those who do are reported beside, and egos who have endorsed nobody in cells of their own.
"""

from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.errors import UsageError
from tastemesh.ranking.metrics import hits, ndcg
from tastemesh.sim.adversaries.staging import Attacked
from tastemesh.sim.adversaries.strategies import mount, varying
from tastemesh.sim.adversaries.white_box import WHITE_BOX, WhiteBox
from tastemesh.sim.attack.stage import ENDORSING, LIST_LENGTH, Group, Stage, fitted, listed
from tastemesh.sim.own import blamed, brought_by
from tastemesh.sim.systems.system import System
from tastemesh.sim.systems.tastemesh import Tastemesh

RANK_DEPTH = 1_000  # a target beyond it has no rank worth naming


class Cell(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "exposure_at_10": "exposure@10",
        "exposure_deceived_at_10": "exposure_of_the_deceiveds_friends@10",
        "honest_ndcg_at_10_clean": "honest_ndcg@10_clean",
        "honest_ndcg_at_10": "honest_ndcg@10",
    },
):
    """One strategy against one system, for one group of egos.

    All but accuracy and collateral is over the headline egos: those of the group who neither are
    deceived nor endorse a deceived user. Where nobody else was asked it is None.

    Attributes:
        strategy: its name.
        system: its name.
        group: `endorsing` or `without-endorsements`.
        identities: hostile identities.
        attack_edges: honest users who endorse one of them.
        messages: signed records that the attackers had to publish, as full as they may be.
        seed: of everything random.
        asked: egos of the group, over whom accuracy and collateral are.
        egos: headline egos among them.
        exposure_at_10: share of the egos with the target in their top ten, marked slots included.
        exposure_deceived_at_10: the same for egos who endorse a deceived user or are one; None if
            there are none.
        target_rank_median: None if it is on less than half of the long lists.
        sybil_gain: exposure per hostile identity.
        sybil_mass: mean trust in all hostile identities; None if the system has none.
        bound: what the theorem allows, mean over the egos; neither exposure nor mass can exceed
            it. For each ego the most that the target can score with the trust that the attackers
            have, in scores of the tenth item, at least that trust itself and at most 1. None if
            the system proves nothing, as of lists with slots that anybody can buy.
        honest_ndcg_at_10_clean: of the egos, without the attack.
        honest_ndcg_at_10: of the egos, under attack.
        niche_collateral: share of the niche items on the egos' clean lists that the attack, or the
            defence, took off them; None if there were none.
    """

    strategy: str
    system: str
    group: str = ENDORSING
    identities: int
    attack_edges: int
    messages: int
    seed: int
    asked: int
    egos: int
    exposure_at_10: float | None
    exposure_deceived_at_10: float | None
    target_rank_median: float | None
    sybil_gain: float | None
    sybil_mass: float | None
    bound: float | None
    honest_ndcg_at_10_clean: float
    honest_ndcg_at_10: float
    niche_collateral: float | None


class Attempt(msgspec.Struct, frozen=True):
    """One attack on one system, the unit of work.

    Attributes:
        seed: of the stage.
        strategy: its name.
        identities: hostile ones.
        attack_edges: deceived users.
        system: its name.
    """

    seed: int
    strategy: str
    identities: int
    attack_edges: int
    system: str


def attempt_cells(
    stage: Stage, attempt: Attempt, clean: list[NDArray[np.int32]]
) -> tuple[Attempt, list[Cell] | str]:
    """Mount one attack and ask.

    Args:
        stage: of the attempt's seed.
        attempt: what to do.
        clean: what the system lists for each group without an attack.

    Returns:
        The attempt, for whoever waits for several, and a cell for each group; or, where a system or
        strategy of somebody's own failed, why.
    """
    try:
        return attempt, _cells(stage, attempt, clean)
    except UsageError as error:
        return attempt, str(error)


def _cells(stage: Stage, attempt: Attempt, clean: list[NDArray[np.int32]]) -> list[Cell]:
    attacked = _mounted(stage, attempt)
    system = fitted(attempt.system, attacked.train, attacked.endorsements, stage.seed, stage.own)
    return [
        _cell(stage, group, attempt, attacked, system, lists)
        for group, lists in zip(stage.groups, clean, strict=True)
    ]


def _mounted(stage: Stage, attempt: Attempt) -> Attacked:
    train, people, egos = stage.parts.train, stage.endorsements, stage.groups[0].egos
    budget = {"identities": attempt.identities, "attack_edges": attempt.attack_edges}
    if attempt.strategy == WHITE_BOX and people is not None:
        return WhiteBox(train, people, egos, **budget, seed=stage.seed).attack()
    own = brought_by(stage.own).strategies
    draw = partial(mount, attempt.strategy, train, people, egos, **budget, seed=stage.seed, own=own)
    with blamed(stage.own, attempt.strategy, "camouflage"):
        attacked = draw()
        if attempt.strategy in own and _said(draw()) != _said(attacked):
            raise UsageError(varying(attempt.strategy))  # each system would meet another attack
    return attacked


def _said(attacked: Attacked) -> list[bytes | None]:
    """Return what a strategy decides on: who holds what, and when."""
    train = attacked.train
    columns = (train.user, train.item, train.weight, train.time_s, train.turn)
    return [None if each is None else each.tobytes() for each in columns]


def _cell(
    stage: Stage,
    group: Group,
    attempt: Attempt,
    attacked: Attacked,
    system: System,
    clean: NDArray[np.int32],
) -> Cell:
    def asked(k: int) -> NDArray[np.int32]:
        return listed(attempt.system, system, group.egos, k, attacked.train, stage.own)

    ranked = asked(min(RANK_DEPTH, attacked.target + 1))
    top = ranked[:, :LIST_LENGTH]
    if isinstance(system, Tastemesh) and not system.heads_are_shorter_lists:
        top = asked(LIST_LENGTH)
    exposed = (top == attacked.target).any(axis=1)
    beside = _beside_the_deceived(group.egos, attacked)
    headline = ~beside
    exposure = mass = bound = None
    if headline.any():
        exposure = float(exposed[headline].mean())
    if headline.any() and isinstance(system, Tastemesh) and group.name == ENDORSING:
        trusted = np.array(
            [
                system.trust_in(ego, attacked.attackers, LIST_LENGTH)
                for ego in group.egos[headline].tolist()
            ]
        )
        mass, bound = trusted.mean(axis=0).tolist()
        if system.has_marked_slots:
            bound = None
    return Cell(
        strategy=attempt.strategy,
        system=attempt.system,
        group=group.name,
        identities=attempt.identities,
        attack_edges=attempt.attack_edges,
        messages=attacked.message_count,
        seed=stage.seed,
        asked=len(group.egos),
        egos=int(headline.sum()),
        exposure_at_10=exposure,
        exposure_deceived_at_10=float(exposed[beside].mean()) if beside.any() else None,
        target_rank_median=_median_rank(ranked[headline], attacked.target),
        sybil_gain=None if exposure is None else exposure / attempt.identities,
        sybil_mass=mass,
        bound=bound,
        honest_ndcg_at_10_clean=_accuracy(clean, group.relevant),
        honest_ndcg_at_10=_accuracy(np.where(top == attacked.target, -1, top), group.relevant),
        niche_collateral=_collateral(clean, top, stage.is_niche),
    )


def _beside_the_deceived(egos: NDArray[np.int32], attacked: Attacked) -> NDArray[np.bool_]:
    """Tell which egos are deceived themselves or endorse somebody who is."""
    if attacked.endorsements is None or not len(attacked.deceived):
        return np.zeros(len(egos), dtype=bool)
    people = attacked.endorsements
    leads = np.isin(people.subject, attacked.deceived) & (people.weight > 0)
    near = np.union1d(attacked.deceived, people.source[leads])
    return np.isin(egos, near)


def _median_rank(ranked: NDArray[np.int32], target: int) -> float | None:
    if not len(ranked):
        return None
    found = ranked == target
    ranks = np.where(found.any(axis=1), found.argmax(axis=1) + 1.0, np.inf)
    median = float(np.median(ranks))
    return median if np.isfinite(median) else None


def _accuracy(lists: NDArray[np.int32], relevant: csr_array) -> float:
    hit = hits(lists, relevant)
    return float(ndcg(hit, np.diff(relevant.indptr), LIST_LENGTH).mean())


def _collateral(
    clean: NDArray[np.int32], attacked: NDArray[np.int32], is_niche: NDArray[np.bool_]
) -> float | None:
    lost = listed = 0
    for before, after in zip(clean, attacked, strict=True):
        mine = [item for item in before.tolist() if item >= 0 and is_niche[item]]
        listed += len(mine)
        lost += len(set(mine) - set(after.tolist()))
    return lost / listed if listed else None
