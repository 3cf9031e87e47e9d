"""Who knows whom in a scenario: graphs of our own, or networkx's generators by name.

The two that need no extra are `small-world` and `groups`; the others ask for networkx, which comes
with the extra `lab`.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import msgspec
import numpy as np

from tastemesh.errors import UsageError
from tastemesh.sim.graphs import friends_in_groups, small_world


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The measures of a graph.

    Attributes:
        count: of people.
        friends: whom each endorses, at most.
        groups: circles of people, numbered one after the other.
        mixing: share of the friendships that leave a neighbourhood or group, 0 to 1.
        seed: same seed, same graph.
    """

    count: int
    friends: int
    groups: int
    mixing: float
    seed: int

    @property
    def group(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """The group of each person, int64[count]."""
        return np.arange(self.count) * self.groups // self.count


def _small_world(shape: Shape) -> list[set[int]]:
    degree = min(shape.count - 1, 2 * shape.friends)
    return small_world(shape.count, degree, shape.mixing, seed=shape.seed)


def _groups(shape: Shape) -> list[set[int]]:
    inside = max(1.0, shape.count / shape.groups - 1)
    outside = max(1.0, shape.count - 1 - inside)
    rng = np.random.default_rng([shape.seed, 8])
    wanted = 2 * shape.friends
    pairs = friends_in_groups(
        shape.group,
        min(1.0, wanted * (1 - shape.mixing) / inside),
        min(1.0, wanted * shape.mixing / outside),
        rng,
    )
    return _knows(shape.count, pairs)


def _networkx() -> Any:
    try:
        return import_module("networkx")
    except ImportError:
        raise UsageError(
            "this topology needs networkx: pip install 'tastemesh[lab]'; "
            "small-world and groups do without"
        ) from None


def _scale_free(shape: Shape) -> list[set[int]]:
    each = min(max(1, shape.friends), shape.count - 1)
    return _of(_networkx().barabasi_albert_graph(shape.count, each, seed=shape.seed))


def _clustered(shape: Shape) -> list[set[int]]:
    each = min(max(1, shape.friends), shape.count - 1)
    closed = 1.0 - shape.mixing
    return _of(_networkx().powerlaw_cluster_graph(shape.count, each, closed, seed=shape.seed))


def _random(shape: Shape) -> list[set[int]]:
    edges = min(shape.count * shape.friends, shape.count * (shape.count - 1) // 2)
    return _of(_networkx().gnm_random_graph(shape.count, edges, seed=shape.seed))


def _blocks(shape: Shape) -> list[set[int]]:
    sizes = np.bincount(shape.group, minlength=shape.groups)
    size = max(1.0, float(sizes.mean()) - 1)
    inside = min(1.0, 2 * shape.friends * (1 - shape.mixing) / size)
    across = min(1.0, 2 * shape.friends * shape.mixing / max(1.0, shape.count - size - 1))
    chances = np.full((len(sizes), len(sizes)), across)
    np.fill_diagonal(chances, inside)
    return _of(
        _networkx().stochastic_block_model(sizes.tolist(), chances.tolist(), seed=shape.seed)
    )


def _of(graph: Any) -> list[set[int]]:
    return [set(graph[person]) for person in range(len(graph))]


def _knows(count: int, pairs: list[tuple[int, int]]) -> list[set[int]]:
    knows: list[set[int]] = [set() for _ in range(count)]
    for one, other in pairs:
        knows[one].add(other)
        knows[other].add(one)
    return knows


TOPOLOGIES: Mapping[str, Callable[[Shape], list[set[int]]]] = {
    "small-world": _small_world,
    "groups": _groups,
    "scale-free": _scale_free,
    "clustered": _clustered,
    "random": _random,
    "blocks": _blocks,
}
"""Watts and Strogatz 1998; the planted partition of Condon and Karp 2001; Barabasi and Albert 1999;
Holme and Kim 2002; Erdos and Renyi's G(n, m); the stochastic block model of Holland et al. 1983."""


def endorsed(kind: str, shape: Shape) -> list[list[int]]:
    """Return whom each person endorses: up to `friends` of those that he knows, drawn at random.

    Popular people are endorsed by many and endorse no more than others do.

    Args:
        kind: a key of `TOPOLOGIES`.
        shape: its measures.

    Raises:
        UsageError: there is no such topology, or it needs networkx, which is not installed.
    """
    if kind not in TOPOLOGIES:
        raise UsageError(f"topology is {kind!r}; expected one of {', '.join(TOPOLOGIES)}")
    if not shape.friends:
        return [[] for _ in range(shape.count)]
    rng = np.random.default_rng([shape.seed, 9])
    chosen: list[list[int]] = []
    for known in TOPOLOGIES[kind](shape):
        order = rng.permutation(np.array(sorted(known), np.int64)).tolist()
        chosen.append(sorted(order[: shape.friends]))
    return chosen
