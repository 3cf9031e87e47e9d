"""A built-in community for demonstrations and scenarios: clusters of taste, and friends in them."""

import numpy as np

from tastemesh.errors import UsageError
from tastemesh.sim.graphs import friends_in_groups
from tastemesh.sim.interactions import Endorsements, Interactions

# The shape of the made-up community; guesses that look like the small listening networks of HetRec
# Last.fm: tens of items a user, most of them shared with a few friends, some with everybody.
GROUP_USERS = 6
GROUP_ITEMS = 60
COMMON_ITEMS = 30
USER_ITEMS = 30
COMMON_SHARE = 0.25
FRIEND_PROBABILITY_INSIDE = 0.5
FRIEND_PROBABILITY_OUTSIDE = 0.02
ZIPF_EXPONENT = 0.7

_NAMES = (
    "Ana Ben Cem Dana Emeka Fatima Goran Hana Ines Jun Kofi Lena Mateo Nadia Omar Priya Quinn Rosa "
    "Samir Tove Uma Vera Wim Xia Yusuf Zoe Aiko Bora Chidi Dilek Eva Femi Greta Hugo Ilse Jamal "
    "Kaya Luis Mina Noor Oskar Petra Ravi Sofia Tariq Ulla Viktor Wanda"
)

# Friends that each user brings into a demonstration's neighbourhood. Of 1 to 6, tried on HetRec
# Last.fm with 24 users, 4 mixes the most circles.
CLOSEST_FRIENDS = 4


def synthetic_community(user_count: int, seed: int) -> tuple[Interactions, Endorsements]:
    """Make users who share tastes in groups and mostly endorse each other inside them.

    Args:
        user_count: at least 2.
        seed: same seed, same community.

    Returns:
        What they took up, one item after the other, and whom they endorse, both ways.

    Raises:
        UsageError: fewer than 2 users.
    """
    if user_count < 2:
        raise UsageError(f"a community of {user_count}; expected at least 2 users")
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    group_count = max(1, round(user_count / GROUP_USERS))
    group = np.arange(user_count) * group_count // user_count
    catalogue = [np.arange(g * GROUP_ITEMS, (g + 1) * GROUP_ITEMS) for g in range(group_count)]
    common = np.arange(COMMON_ITEMS) + group_count * GROUP_ITEMS
    users: list[int] = []
    items: list[int] = []
    common_count = round(COMMON_SHARE * USER_ITEMS)
    for user in range(user_count):
        own = _favourites(catalogue[group[user]], USER_ITEMS - common_count, rng)
        chosen = rng.permutation(np.concatenate([own, _favourites(common, common_count, rng)]))
        users += [user] * len(chosen)
        items += chosen.tolist()
    order = rng.permutation(len(users))  # everybody's days are interleaved
    names = [
        f"song:{'abcdefghijklmnopqrstuvwxyz'[g % 26]}{g // 26 or ''}-{i:02d}"
        for g in range(group_count)
        for i in range(GROUP_ITEMS)
    ]
    names += [f"song:hit-{i:02d}" for i in range(COMMON_ITEMS)]
    user_ids = tuple(_name(number) for number in range(user_count))
    interactions = Interactions(
        user_ids=user_ids,
        item_ids=tuple(names),
        user=np.array(users, np.int32)[order],
        item=np.array(items, np.int32)[order],
        weight=np.ones(len(users), np.float32),
        time_s=np.arange(len(users), dtype=np.int64) * 60,
    )
    return interactions, _friendships(user_ids, group, seed)


def _name(number: int) -> str:
    """Return what somebody is called.

    >>> _name(0), _name(49)
    ('Ana', 'Ben 2')
    """
    names = _NAMES.split()
    again, place = divmod(number, len(names))
    return f"{names[place]} {again + 1}" if again else names[place]


def _favourites(
    catalogue: np.ndarray[tuple[int], np.dtype[np.int64]], count: int, rng: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    appeal = 1.0 / np.arange(1, len(catalogue) + 1) ** ZIPF_EXPONENT
    return rng.choice(catalogue, size=count, replace=False, p=appeal / appeal.sum())


def _friendships(
    user_ids: tuple[str, ...], group: np.ndarray[tuple[int], np.dtype[np.int64]], seed: int
) -> Endorsements:
    rng = np.random.default_rng(np.random.SeedSequence([seed, 3]))
    friends = friends_in_groups(group, FRIEND_PROBABILITY_INSIDE, FRIEND_PROBABILITY_OUTSIDE, rng)
    pairs = np.array(sorted((*friends, *((b, a) for a, b in friends))), np.int32)
    return Endorsements(
        ids=user_ids,
        source=pairs[:, 0].copy(),
        subject=pairs[:, 1].copy(),
        weight=np.ones(len(pairs), np.float32),
    )


def connected_neighbourhood(
    interactions: Interactions, endorsements: Endorsements | None, count: int, minimum_items: int
) -> list[str]:
    """Pick users who know each other, for a demonstration on a handful of nodes.

    A random handful out of a large community shares neither friends nor items, and shows nothing;
    a clique shares everything, and popularity is all there is to know of it. This starts at the
    best-connected user and lets each one picked bring his four closest friends, so that several
    circles come together. Without endorsements, the most active users are taken.

    Args:
        interactions: who has what.
        endorsements: who vouches for whom, or None.
        count: how many users to pick.
        minimum_items: users with fewer are passed over.

    Returns:
        User ids in the order picked.

    Raises:
        UsageError: there are not that many users with enough items who are connected.
    """
    held = np.bincount(interactions.user, minlength=len(interactions.user_ids))
    active = {
        name: int(n)
        for name, n in zip(interactions.user_ids, held, strict=True)
        if n >= minimum_items
    }
    if endorsements is None:
        picked = sorted(active, key=lambda name: (-active[name], name))[:count]
    else:
        knows: dict[str, set[str]] = {}
        for source, subject in zip(endorsements.source, endorsements.subject, strict=True):
            ends = endorsements.ids[source], endorsements.ids[subject]
            if ends[0] in active and ends[1] in active and ends[0] != ends[1]:
                knows.setdefault(ends[0], set()).add(ends[1])
                knows.setdefault(ends[1], set()).add(ends[0])
        picked = _grow(knows, count)
    if len(picked) < count:
        raise UsageError(
            f"nodes is {count}; the data has only {len(picked)} connected users with at least "
            f"{minimum_items} items"
        )
    return picked


def _grow(knows: dict[str, set[str]], count: int) -> list[str]:
    if not knows:
        return []
    picked = [max(sorted(knows), key=lambda name: len(knows[name]))]
    for friend_count in (CLOSEST_FRIENDS, len(knows)):  # the second only where circles are small
        for name in picked:  # grows while it is walked
            friends = [friend for friend in sorted(knows[name]) if friend not in picked]
            friends.sort(key=lambda friend: -len(knows[name] & knows[friend]))
            picked += friends[: min(friend_count, count - len(picked))]
    return picked[:count]
