"""Carries an attack out on honest data: identities, what they hold, whom they endorse.

Shapes of endorsements among the attackers are MeritRank's (Nasrulin et al., BRAINS 2022): a chain
hands mass on, a star spreads it, a cycle returns it. None of these has two ways to everybody, as
a ladder has.
"""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.gossip.limits import Limits
from tastemesh.sim.adversaries.camouflage import Profile
from tastemesh.sim.interactions import Endorsements, Interactions

Edge = tuple[int, int]

_SLANDERED = 20  # honest people whom each slanderer distrusts


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the attackers say, all of it; they are numbered from 0.

    Attributes:
        profiles: what each of them holds beside the target.
        inner: endorsements among them, by number.
        entries: the first so many are whom deceived people endorse, one after the other.
        deceived: positions of the honest users who endorse an entry, int32, rising.
        slanders: they also state distrust in honest people.
    """

    profiles: tuple[Profile, ...]
    inner: tuple[Edge, ...] = ()
    entries: int = 1
    deceived: NDArray[np.int32] = np.empty(0, np.int32)
    slanders: bool = False


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


def endorsing(endorsements: Endorsements, at_least: int) -> NDArray[np.int32]:
    """Return the positions of those who endorse somebody: whom an attacker may deceive.

    Raises:
        UsageError: they are fewer than `at_least`.
    """
    vouching = np.unique(endorsements.source[endorsements.weight > 0])
    if at_least > len(vouching):
        raise UsageError(f"attack-edges is {at_least}; only {len(vouching)} people endorse")
    return vouching


def staged(
    plan: Plan,
    train: Interactions,
    endorsements: Endorsements | None,
    rng: np.random.Generator,
) -> Attacked:
    """Carry out a plan on honest data.

    Args:
        plan: what the attackers say.
        train: the honest interactions.
        endorsements: aligned with the users of `train`, or None: then nobody endorses attackers.
        rng: whom slanderers distrust.
    """
    users = list(train.user_ids)
    if endorsements is not None:
        users += endorsements.ids[len(users) :]
    first, count = len(users), len(plan.profiles)
    attackers = np.arange(first, first + count, dtype=np.int32)
    prefix = _unused("hostile:", users)
    users += [f"{prefix}{number}" for number in range(count)]
    target = len(train.item_ids)
    attacked = _with_profiles(train, tuple(users), attackers, target, plan.profiles)
    if endorsements is None:
        messages = _messages(attacked.user[len(train) :], first)
        return Attacked(attacked, None, attackers, target, np.empty(0, np.int32), messages)
    edges = [(first + source, first + subject) for source, subject in plan.inner]
    entries = min(plan.entries, count)
    edges += [(int(who), first + n % entries) for n, who in enumerate(plan.deceived)]
    slander: list[Edge] = []
    if plan.slanders:
        vouching = endorsing(endorsements, 0)
        for attacker in attackers.tolist():
            slander += [(attacker, int(who)) for who in rng.choice(vouching, _SLANDERED)]
    vouched = _with_edges(endorsements, tuple(users), edges, slander)
    sources = vouched.source[len(endorsements) :]
    stated = np.concatenate([attacked.user[len(train) :], sources[sources >= first]])
    messages = _messages(stated, first)
    return Attacked(attacked, vouched, attackers, target, plan.deceived, messages)


def _unused(prefix: str, names: Sequence[str]) -> str:
    """Return the prefix, lengthened until no name of the data begins with it."""
    while any(name.startswith(prefix) for name in names):
        prefix += ":"
    return prefix


def _messages(authors: NDArray[np.int32], first: int) -> int:
    """Return how many records hold these statements, given the author of each."""
    statements = np.bincount(authors - first)
    return int(np.sum(-(-statements // Limits().statement_count)))


def _with_profiles(
    train: Interactions,
    users: tuple[str, ...],
    attackers: NDArray[np.int32],
    target: int,
    profiles: Sequence[Profile],
) -> Interactions:
    held = [np.append(profile.items, target) for profile in profiles]
    sizes = [len(items) for items in held]
    user = np.repeat(attackers, sizes)
    item = np.concatenate(held).astype(np.int32)
    time_s = turn = None
    if train.time_s is None:
        place = np.array([-1 if profile.early else 1 for profile in profiles], np.int8)
        turn = np.concatenate([np.zeros(len(train), np.int8), np.repeat(place, sizes)])
    else:
        before, after = int(train.time_s.min()) - 1, int(train.time_s.max()) + 1
        seen = np.array([before if profile.early else after for profile in profiles], np.int64)
        time_s = np.concatenate([train.time_s, np.repeat(seen, sizes)])
    return Interactions(
        user_ids=users,
        item_ids=(*train.item_ids, _unused("hostile:", train.item_ids) + "target"),
        user=np.concatenate([train.user, user]),
        item=np.concatenate([train.item, item]),
        weight=np.concatenate([train.weight, np.full(len(item), train.weight.max(), np.float32)]),
        time_s=time_s,
        turn=turn,
        added_item_count=1,
    )


SHAPES = ("none", "chain", "star", "cycle", "clique", "ladder")
"""How attackers may endorse each other, by the names that `shape` takes."""


def shape(name: str, entries: int, count: int) -> tuple[Edge, ...]:
    """Return the endorsements among attackers, by their numbers.

    Args:
        name: one of `SHAPES`. `clique`: entries that endorse all others and one another;
            `ladder`: two by two, each of whom both of the two before endorse, so that nobody's
            mass goes past one identity alone.
        entries: how many, from the first on.
        count: attackers who take part.
    """
    numbers = range(count)
    if name == "none":
        return ()
    if name == "star":
        return tuple((entry, other) for entry in numbers[:entries] for other in numbers[entries:])
    if name == "clique":
        # One another last: of what somebody says of more people than count, the newest counts.
        others = [*numbers[entries:], *numbers[:entries]]
        return tuple(
            (entry, other) for entry in numbers[:entries] for other in others if entry != other
        )
    if name == "ladder":
        return tuple(
            (below, above)
            for below in numbers
            for above in numbers[below - below % 2 + 2 : below - below % 2 + 4]
        )
    ring = [*pairwise(numbers)]
    if name == "cycle" and count > 1:
        ring.append((count - 1, 0))
    return tuple(ring)


def _with_edges(
    endorsements: Endorsements, ids: tuple[str, ...], edges: list[Edge], slander: list[Edge]
) -> Endorsements:
    # As strong as the data's strongest: stronger would weaken all honest ones beside it.
    strongest = float(np.abs(endorsements.weight).max(initial=0.0)) or 1.0
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
