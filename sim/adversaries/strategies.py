"""The strategies by name: a camouflage, and a shape of endorsements among the attackers.

The first identity is the one that deceived people endorse; `two-edge` has two, and two ways from
there to everybody, so that no single one is a bridge (meritrank research, 5.2), and `collude` five,
each for other deceived people. With one attack edge the identity that it leads to is a bridge
whatever is behind it; what takes most trust on is a chain (1.4 times a ladder's with 10 identities
on Last.fm's friends, the same from 100 on), so that is what `two-edge` is then.
"""

import zlib
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.sim.adversaries.camouflage import Camouflage, Crowd, Profile
from tastemesh.sim.adversaries.staging import Attacked, Plan, endorsing, shape, staged
from tastemesh.sim.interactions import Endorsements, Interactions, sealed, sealed_array


class Strategy(msgspec.Struct, frozen=True):
    """One way to attack.

    Attributes:
        tries: what it tries to do, for reports.
        camouflage: what each identity holds beside the target.
        shape: of the endorsements among the attackers; `tastemesh.sim.adversaries.staging.shape`.
        entries: identities that deceived people endorse.
        slanders: the attackers also state distrust in honest people.
    """

    tries: str
    camouflage: Camouflage
    shape: str = "star"
    entries: int = 1
    slanders: bool = False


STRATEGIES: Mapping[str, Strategy] = {
    "chain": Strategy("hand trust on from identity to identity", Crowd.popular, "chain"),
    "star": Strategy("spread one identity's trust over all others", Crowd.popular, "star"),
    "cycle": Strategy("pass trust round in a ring", Crowd.popular, "cycle"),
    "copycat": Strategy("copy what the victims hold", Crowd.copied),
    "early-spam": Strategy("hold what will be popular before anybody does", Crowd.early_popular),
    "two-edge": Strategy(
        "come in twice, so that no single identity has it all", Crowd.popular, "ladder", 2
    ),
    "sleeper": Strategy("behave like an honest user for long, then turn", Crowd.slept),
    "whitewash": Strategy("come back under fresh keys without a history", Crowd.nothing),
    "slander": Strategy("state distrust in honest people", Crowd.average, slanders=True),
    "random": Strategy("fill profiles with items at random", Crowd.random),
    "average": Strategy("fill profiles as honest people do", Crowd.average),
    "bandwagon": Strategy("fill profiles with hits and random items", Crowd.bandwagon),
    "segment": Strategy("look like the fans of one item", Crowd.segment),
    "back-date": Strategy("claim dates from long ago", Crowd.late_popular),
    "collude": Strategy("have several entries vouch for each other", Crowd.copied, "clique", 5),
}

NO_MORE: Mapping[str, Strategy] = {}
"""None beside those that are shipped."""


def varying(strategy: str) -> str:
    """Return what is said of a strategy that does something else each time."""
    return f"{strategy}: it holds other items each time; expected all chance from crowd.rng"


def mount(
    name: str,
    train: Interactions,
    endorsements: Endorsements | None,
    egos: NDArray[np.int32],
    *,
    identities: int,
    attack_edges: int,
    seed: int,
    own: Mapping[str, Strategy] = NO_MORE,
) -> Attacked:
    """Add an attack to honest data.

    Args:
        name: a key of `STRATEGIES` or `own`.
        train: the honest interactions.
        endorsements: aligned with the users of `train`, or None.
        egos: positions of the users whose lists are at stake; targeted strategies aim at them.
        identities: hostile ones, 1 and up.
        attack_edges: honest users who are deceived into endorsing an entry, 0 and up.
        seed: same seed, same attack.
        own: strategies beside those that are shipped.

    Raises:
        UsageError: the strategy is unknown, or there are not enough honest users to deceive; or one
            of `own` holds what nobody can.
    """
    strategy = STRATEGIES.get(name) or own.get(name)
    if strategy is None:
        known = ", ".join((*STRATEGIES, *own))
        raise UsageError(f"unknown strategy {name!r}; expected one of {known}")
    number = (
        list(STRATEGIES).index(name)
        if name in STRATEGIES
        else len(STRATEGIES) + zlib.crc32(name.encode())
    )
    rng = np.random.default_rng([seed, identities, attack_edges, number])
    crowd = Crowd(train, egos, rng)
    if name in own:  # what is sorted in place, say, would be other data for whoever comes next
        crowd = Crowd(sealed(train), sealed_array(egos), rng)
    profiles = tuple(strategy.camouflage(crowd, number) for number in range(identities))
    if name in own:
        _check_profiles(name, profiles, len(train.item_ids))
    if endorsements is None:
        return staged(Plan(profiles=profiles), train, None, rng)
    deceived = rng.choice(endorsing(endorsements, attack_edges), attack_edges, replace=False)
    # With one edge all goes past one identity: a ladder is no better than a chain, and shorter.
    form = "chain" if strategy.shape == "ladder" and attack_edges == 1 else strategy.shape
    plan = Plan(
        profiles=profiles,
        inner=shape(form, strategy.entries, identities),
        entries=strategy.entries,
        deceived=np.sort(deceived).astype(np.int32),
        slanders=strategy.slanders,
    )
    return staged(plan, train, endorsements, rng)


def _check_profiles(name: str, profiles: Sequence[object], item_count: int) -> None:
    """Refuse items that are none, or held twice: a method that adds them up would count both."""
    for number, profile in enumerate(profiles):
        if not isinstance(profile, Profile):
            raise UsageError(
                f"{name}: its `camouflage` gave identity {number} {profile!r}; expected Profile(…)"
            )
        if not isinstance(profile.early, bool | np.bool_):
            raise UsageError(
                f"{name}: identity {number} has early={profile.early!r}; expected True or False"
            )
        if not _are_items(profile.items, item_count):
            raise UsageError(
                f"{name}: identity {number} holds {profile.items!r}; expected items, "
                f"0 to {item_count - 1}, each once, in a flat array of integers"
            )


def _are_items(held: object, item_count: int) -> bool:
    if not isinstance(held, np.ndarray) or held.ndim != 1:
        return False
    if not len(held):  # numpy makes nothing at all an array of floats
        return True
    return bool(
        np.issubdtype(held.dtype, np.integer)
        and held.min() >= 0
        and held.max() < item_count
        and len(np.unique(held)) == len(held)
    )
