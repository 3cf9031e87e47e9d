"""One seed's clean data: what is held out, who is asked, and what each system lists for them."""

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.errors import UsageError
from tastemesh.sim.attack.options import AttackOptions
from tastemesh.sim.interactions import Endorsements, Interactions, sealed, sealed_array
from tastemesh.sim.own import NOTHING, Own, blamed, brought_by
from tastemesh.sim.splits import Split, SplitOptions, split
from tastemesh.sim.systems.answers import checked_grid, checked_lists
from tastemesh.sim.systems.matrices import binary_matrix
from tastemesh.sim.systems.registry import make_system
from tastemesh.sim.systems.system import System

LIST_LENGTH = 10
NICHE_HOLDERS = 3  # an honest item with at most so many holders is a niche (guess)

ENDORSING = "endorsing"
WITHOUT_ENDORSEMENTS = "without-endorsements"


class Group(msgspec.Struct, frozen=True):
    """Users who are asked together.

    Attributes:
        name: `ENDORSING` or `WITHOUT_ENDORSEMENTS`.
        egos: their positions, rising, int32.
        relevant: what was held out of each, one row an ego.
    """

    name: str
    egos: NDArray[np.int32]
    relevant: csr_array


class Stage(msgspec.Struct, frozen=True, weakref=True):
    """What every attack of one seed is mounted on.

    Attributes:
        seed: of everything random.
        parts: training and held-out interactions.
        endorsements: aligned with their users, or None.
        groups: who is asked; the first one's figures are the headline.
        is_niche: bool[items].
        own: systems and strategies beside those that are shipped.
    """

    seed: int
    parts: Split
    endorsements: Endorsements | None
    groups: tuple[Group, ...]
    is_niche: NDArray[np.bool_]
    own: Own = NOTHING


def set_stage(
    interactions: Interactions,
    endorsements: Endorsements | None,
    options: AttackOptions,
    seed: int,
) -> Stage:
    """Hold out, and draw who is asked.

    Args:
        interactions: distinct pairs.
        endorsements: of the same people, or None.
        options: how many to ask, and what is known beside what is shipped.
        seed: of the split and the draw.

    Raises:
        UsageError: nobody can be asked.
    """
    how = SplitOptions(kind="random" if interactions.time_s is None else "user-time")
    try:
        parts = split(interactions, how, seed)
    except UsageError:  # which names the options of `evaluate`
        raise UsageError(
            f"nobody to ask: no user has {how.min_interactions} interactions to learn from and one "
            "to hold out"
        ) from None
    people = endorsements.aligned(interactions.user_ids) if endorsements is not None else None
    rng = np.random.default_rng([seed, 6])
    wanted = {ENDORSING: options.egos, WITHOUT_ENDORSEMENTS: options.egos_without_endorsements}
    if people is None:
        wanted = {WITHOUT_ENDORSEMENTS: options.egos}
    vouching = (
        np.empty(0, np.int32) if people is None else np.unique(people.source[people.weight > 0])
    )
    pools = {
        ENDORSING: np.intersect1d(parts.test_users, vouching),
        WITHOUT_ENDORSEMENTS: np.setdiff1d(parts.test_users, vouching),
    }
    held_out = binary_matrix(parts.test)
    groups = []
    for name, count in wanted.items():
        egos = np.sort(rng.permutation(pools[name])[:count]).astype(np.int32)
        if len(egos):
            groups.append(Group(name, egos, held_out[egos]))
        elif count and not groups:
            who = " has endorsed anybody" if people is not None else " is left"
            raise UsageError(f"nobody to ask: no user with enough interactions{who}")
    holders = np.bincount(parts.train.item, minlength=len(interactions.item_ids))
    is_niche = (holders > 0) & (holders <= NICHE_HOLDERS)
    return Stage(seed, parts, people, tuple(groups), is_niche, options.own)


def fitted(
    name: str,
    train: Interactions,
    endorsements: Endorsements | None,
    seed: int,
    own: Own = NOTHING,
) -> System:
    """Fit a system as it comes, untuned: an attacker does not wait for a validation.

    Raises:
        UsageError: it cannot learn, or one of `own` is none.
    """
    with blamed(own, name, "SYSTEMS"):
        system = make_system(name, seed, brought_by(own).systems)
    with blamed(own, name, "grid"):
        grid = checked_grid(name, system.grid(endorsements is not None))
    if name in brought_by(own).systems:  # what it changed would be other data for all others
        train = sealed(train)
        endorsements = None if endorsements is None else sealed(endorsements)
    with blamed(own, name, "fit"):
        system.fit(train, endorsements, grid[0])
    return system


def listed(
    name: str,
    system: System,
    users: NDArray[np.int32],
    k: int,
    train: Interactions,
    own: Own = NOTHING,
) -> NDArray[np.int32]:
    """Ask a system that was fitted on `train`; see `System.rank`.

    Raises:
        UsageError: one of `own` gives no lists.
    """
    with blamed(own, name, "rank"):
        ranked = system.rank(sealed_array(users), k)
    return checked_lists(name, ranked, users, k, train)


def clean_lists(stage: Stage, system: str) -> list[NDArray[np.int32]]:
    """Return what a system lists for each group where nobody attacks."""
    train, own = stage.parts.train, stage.own
    found = fitted(system, train, stage.endorsements, stage.seed, own)
    return [listed(system, found, group.egos, LIST_LENGTH, train, own) for group in stage.groups]
