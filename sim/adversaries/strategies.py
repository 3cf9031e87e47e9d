"""The strategies by name: a camouflage, and a shape of endorsements among the attackers.

Shapes are MeritRank's (Nasrulin et al., BRAINS 2022): a chain hands mass on, a star spreads it, a
cycle returns it. The first identity is the one that deceived people endorse; `two-edge` has two, so
that no single one is a bridge (meritrank research, 5.2).
"""

from collections.abc import Mapping
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.gossip.limits import Limits
from tastemesh.sim.adversaries.camouflage import Camouflage, Crowd
from tastemesh.sim.interactions import Endorsements, Interactions

Edge = tuple[int, int]


class Strategy(msgspec.Struct, frozen=True):
    """One way to attack.

    Attributes:
        tries: what it tries, for reports.
        camouflage: what each identity holds beside the target.
        shape: `chain`, `star` or `cycle`, of the endorsements among the attackers.
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
    "two-edge": Strategy("two entries, so that none is a bridge", Crowd.popular, "cycle", 2),
    "sleeper": Strategy("behave like an honest user for long, then turn", Crowd.slept),
    "whitewash": Strategy("come back under fresh keys without a history", Crowd.nothing),
    "slander": Strategy("state distrust in honest people", Crowd.average, slanders=True),
    "random": Strategy("fill profiles with items at random", Crowd.random),
    "average": Strategy("fill profiles as honest people do", Crowd.average),
    "bandwagon": Strategy("fill profiles with hits and random items", Crowd.bandwagon),
    "segment": Strategy("look like the fans of one item", Crowd.segment),
    "back-date": Strategy("claim dates from long ago", Crowd.late_popular),
}

_SLANDERED = 20  # honest people whom each slanderer distrusts


class Attacked(msgspec.Struct, frozen=True):
    """The data as nodes would hold them under attack.

    Attributes:
        train: honest rows and the attackers'; users and items of the honest data keep their places.
        endorsements: aligned with its users; None if there were none.
        attackers: positions of the hostile identities, int32.
        target: position of the item that only they hold.
        deceived: positions of the honest users who endorse an attacker, int32.
        message_count: signed records it took to publish, as full as a record may be.
    """

    train: Interactions
    endorsements: Endorsements | None
    attackers: NDArray[np.int32]
    target: int
    deceived: NDArray[np.int32]
    message_count: int


def mount(
    name: str,
    train: Interactions,
    endorsements: Endorsements | None,
    egos: NDArray[np.int32],
    *,
    identities: int,
    attack_edges: int,
    seed: int,
) -> Attacked:
    """Add an attack to honest data.

    Args:
        name: a key of `STRATEGIES`.
        train: the honest interactions.
        endorsements: aligned with the users of `train`, or None.
        egos: positions of the users whose lists are at stake; targeted strategies aim at them.
        identities: hostile ones, 1 and up.
        attack_edges: honest users who are deceived into endorsing an entry, 0 and up.
        seed: same seed, same attack.

    Raises:
        UsageError: the strategy is unknown, or there are not enough honest users to deceive.
    """
    if name not in STRATEGIES:
        raise UsageError(f"unknown strategy {name!r}; expected one of {', '.join(STRATEGIES)}")
    strategy = STRATEGIES[name]
    rng = np.random.default_rng([seed, identities, attack_edges, list(STRATEGIES).index(name)])
    users = list(train.user_ids)
    if endorsements is not None:
        users += endorsements.ids[len(users) :]
    first = len(users)
    attackers = np.arange(first, first + identities, dtype=np.int32)
    users += [f"hostile:{number}" for number in range(identities)]
    target = len(train.item_ids)
    attacked = _with_profiles(train, tuple(users), attackers, target, strategy, egos, rng)
    if endorsements is None:
        count = _messages(attacked.user[len(train) :], first)
        return Attacked(attacked, None, attackers, target, np.empty(0, np.int32), count)
    vouching = np.unique(endorsements.source[endorsements.weight > 0])
    if attack_edges > len(vouching):
        raise UsageError(f"attack-edges is {attack_edges}; only {len(vouching)} people endorse")
    deceived = rng.choice(vouching, attack_edges, replace=False).astype(np.int32)
    edges = _shape(strategy, attackers.tolist())
    entries = attackers[: strategy.entries].tolist()
    edges += [(int(who), entries[n % len(entries)]) for n, who in enumerate(deceived)]
    slander: list[Edge] = []
    if strategy.slanders:
        for attacker in attackers.tolist():
            slander += [(attacker, int(who)) for who in rng.choice(vouching, _SLANDERED)]
    vouched = _with_edges(endorsements, tuple(users), edges, slander)
    sources = vouched.source[len(endorsements) :]
    stated = np.concatenate([attacked.user[len(train) :], sources[sources >= first]])
    count = _messages(stated, first)
    return Attacked(attacked, vouched, attackers, target, np.sort(deceived), count)


def _messages(authors: NDArray[np.int32], first: int) -> int:
    """Return how many records hold these statements, given the author of each."""
    statements = np.bincount(authors - first)
    return int(np.sum(-(-statements // Limits().statement_count)))


def _with_profiles(
    train: Interactions,
    users: tuple[str, ...],
    attackers: NDArray[np.int32],
    target: int,
    strategy: Strategy,
    egos: NDArray[np.int32],
    rng: np.random.Generator,
) -> Interactions:
    crowd = Crowd(train, egos, rng)
    profiles = [strategy.camouflage(crowd, number) for number in range(len(attackers))]
    held = [np.append(profile.items, target) for profile in profiles]
    sizes = [len(items) for items in held]
    user = np.repeat(attackers, sizes)
    item = np.concatenate(held).astype(np.int32)
    time_s = None
    if train.time_s is not None:
        before, after = int(train.time_s.min()) - 1, int(train.time_s.max()) + 1
        seen = np.array([before if profile.early else after for profile in profiles], np.int64)
        time_s = np.concatenate([train.time_s, np.repeat(seen, sizes)])
    return Interactions(
        user_ids=users,
        item_ids=(*train.item_ids, "hostile:target"),
        user=np.concatenate([train.user, user]),
        item=np.concatenate([train.item, item]),
        weight=np.concatenate([train.weight, np.full(len(item), train.weight.max(), np.float32)]),
        time_s=time_s,
    )


def _shape(strategy: Strategy, attackers: list[int]) -> list[Edge]:
    entries, rest = attackers[: strategy.entries], attackers[strategy.entries :]
    if strategy.shape == "star":
        return [(entry, other) for entry in entries for other in rest]
    ring = [*pairwise(attackers)]
    if strategy.shape == "cycle" and len(attackers) > 1:
        ring.append((attackers[-1], attackers[0]))
    return ring


def _with_edges(
    endorsements: Endorsements, ids: tuple[str, ...], edges: list[Edge], slander: list[Edge]
) -> Endorsements:
    strongest = float(np.abs(endorsements.weight).max(initial=1.0))
    pairs = np.array([*edges, *slander], np.int32).reshape(-1, 2)
    weights = np.repeat([strongest, -strongest], [len(edges), len(slander)]).astype(np.float32)
    honest_self = pairs[:, 0] != pairs[:, 1]
    time_s = None
    if endorsements.time_s is not None:
        latest = int(endorsements.time_s.max(initial=0)) + 1
        time_s = np.append(endorsements.time_s, np.full(int(honest_self.sum()), latest))
    return Endorsements(
        ids=ids,
        source=np.concatenate([endorsements.source, pairs[honest_self, 0]]),
        subject=np.concatenate([endorsements.subject, pairs[honest_self, 1]]),
        weight=np.concatenate([endorsements.weight, weights[honest_self]]),
        time_s=time_s,
    )
