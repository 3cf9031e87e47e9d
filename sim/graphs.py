"""Random graphs of who knows whom, for scenarios and demonstrations.

Their own thirty lines, as networkx takes 19 MB of an installed node for them (ADR 11).
"""

from itertools import pairwise
from random import Random

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def small_world(count: int, degree: int, rewired: float, seed: int) -> list[set[int]]:
    """Return a ring of neighbours of whom some know somebody across (Watts and Strogatz 1998).

    Args:
        count: of nodes, 0 to count - 1 around the ring.
        degree: of each node, half of it on either side, before anything is rewired.
        rewired: probability that an edge leads elsewhere, 0 to 1.
        seed: same seed, same graph.

    Returns:
        Whom each node knows.
    """
    rng = Random(seed)  # noqa: S311 (a graph to play with)
    knows: list[set[int]] = [set() for _ in range(count)]
    nodes = range(count)

    def join(a: int, b: int) -> None:
        knows[a].add(b)
        knows[b].add(a)

    steps = range(1, degree // 2 + 1)
    for step in steps:
        for node in nodes:
            join(node, (node + step) % count)
    for step in steps:
        for node in nodes:
            if rng.random() >= rewired:
                continue
            other = rng.choice(nodes)
            while (other == node or other in knows[node]) and len(knows[node]) < count - 1:
                other = rng.choice(nodes)
            if len(knows[node]) < count - 1:
                beside = (node + step) % count
                knows[node].discard(beside)
                knows[beside].discard(node)
                join(node, other)
    return knows


def friends_in_groups(
    group: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    inside: float,
    outside: float,
    rng: np.random.Generator,
) -> list[tuple[int, int]]:
    """Return friendships that are likelier within groups, and leave nobody out.

    The planted partition of Condon and Karp (2001), its components then joined in a row.

    Args:
        group: of each person.
        inside: probability that two of one group are friends.
        outside: that two of different groups are.
        rng: draws.

    Returns:
        Pairs, the lower number first, sorted.
    """
    count = len(group)
    pairs: list[tuple[int, int]] = []
    for one in range(count - 1):
        likely = np.where(group[one + 1 :] == group[one], inside, outside)
        drawn = np.flatnonzero(rng.random(count - one - 1) < likely)
        pairs += [(one, one + 1 + int(each)) for each in drawn]
    ends = np.array(pairs, np.int64).reshape(-1, 2)
    joined = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, component = connected_components(joined, directed=False)
    first = np.sort(np.unique(component, return_index=True)[1]).tolist()
    return sorted({*pairs, *pairwise(first)})
