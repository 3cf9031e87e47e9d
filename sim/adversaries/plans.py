"""A strategy of `tastemesh attack` turned into signed statements of real identities."""

from collections.abc import Mapping

import msgspec
import numpy as np

from tastemesh.gossip.record import WEIGHT_SCALE, Endorsement, Interaction, Said
from tastemesh.sim.adversaries.strategies import NO_MORE, STRATEGIES, Strategy, mount
from tastemesh.sim.interactions import Endorsements, Interactions

_BACK_DATED_MS = 20 * 24 * 60 * 60 * 1000  # claimed by `back-date`: within the window of 30 days


class Plan(msgspec.Struct, frozen=True):
    """What each hostile identity says.

    Attributes:
        early: by identity, what is said before everybody else comes.
        late: by identity, what is said once the attack begins.
        deceived: positions of honest people who are to endorse an entry.
        entries: identities that deceived people endorse.
        back_dated_ms: how far in the past the records claim to be.
    """

    early: tuple[tuple[Said, ...], ...]
    late: tuple[tuple[Said, ...], ...]
    deceived: tuple[int, ...]
    entries: int
    back_dated_ms: int


def draw_up(
    strategy: str,
    interactions: Interactions,
    endorsements: Endorsements | None,
    people: list[bytes],
    attackers: list[bytes],
    *,
    target: str,
    attack_edges: int,
    seed: int,
    own: Mapping[str, Strategy] = NO_MORE,
) -> Plan:
    """Plan an attack on people of whom everything is known.

    Args:
        strategy: a key of `STRATEGIES` or `own`.
        interactions: what they hold.
        endorsements: whom they endorse, aligned with the users of `interactions`.
        people: their ids, by position.
        attackers: ids of the hostile identities.
        target: the item to push.
        attack_edges: people to deceive, if anybody endorses anybody.
        seed: same seed, same plan.
        own: strategies beside those that are shipped.

    Raises:
        UsageError: the strategy is unknown, or too few people endorse anybody; or one of `own`
            holds what nobody can.
    """
    if strategy in own:  # which counts on what a file of data has: each pair once
        interactions = _distinct(interactions)
    attacked = mount(
        strategy,
        interactions,
        endorsements,
        np.arange(len(people), dtype=np.int32),
        identities=len(attackers),
        attack_edges=attack_edges,
        seed=seed,
        own=own,
    )
    first = int(attacked.attackers[0])
    ids = {first + n: attacker for n, attacker in enumerate(attackers)}
    ids |= dict(enumerate(people))
    early: list[list[Said]] = [[] for _ in attackers]
    late: list[list[Said]] = [[] for _ in attackers]
    train = attacked.train
    times_s = train.time_s
    horizon_s = None if interactions.time_s is None else int(interactions.time_s.min())
    for row in range(len(interactions), len(train)):
        item = int(train.item[row])
        name = target if item == attacked.target else train.item_ids[item]
        is_early = times_s is not None and horizon_s is not None and times_s[row] < horizon_s
        said = Interaction(name, "listen", WEIGHT_SCALE)
        (early if is_early else late)[int(train.user[row]) - first].append(said)
    vouched = attacked.endorsements
    if vouched is not None and endorsements is not None:
        for row in range(len(endorsements), len(vouched)):
            source = int(vouched.source[row])
            if source >= first:
                sign = 1 if vouched.weight[row] > 0 else -1
                subject = ids[int(vouched.subject[row])]
                late[source - first].append(Endorsement(subject, sign * WEIGHT_SCALE))
    return Plan(
        early=tuple(tuple(dict.fromkeys(each)) for each in early),
        late=tuple(tuple(dict.fromkeys(each)) for each in late),
        deceived=tuple(attacked.deceived.tolist()),
        entries=min((STRATEGIES.get(strategy) or own[strategy]).entries, len(attackers)),
        back_dated_ms=_BACK_DATED_MS if strategy == "back-date" else 0,
    )


def _distinct(interactions: Interactions) -> Interactions:
    """Return what people took up, where they did it again the first time alone."""
    pairs = interactions.user.astype(np.int64) * len(interactions.item_ids) + interactions.item
    times_s = interactions.time_s
    in_order = np.argsort(pairs if times_s is None else times_s, kind="stable")
    _, first = np.unique(pairs[in_order], return_index=True)
    return interactions.rows(np.sort(in_order[first]))
