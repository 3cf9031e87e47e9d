"""Many random walks at once over two weighted graphs, user -> item and user -> trusted user.

All walks take their half-steps together, so that each half-step is a handful of array operations;
about 1.7 us a half-step and walk (measured). A weighted choice is one search in the running sum of
all weights.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


class Adjacency:
    """A weighted graph laid out for weighted choices.

    Args:
        matrix: CSR with entries above 0.
    """

    def __init__(self, matrix: csr_array) -> None:
        matrix = matrix.tocsr()
        matrix.sort_indices()
        self.start = matrix.indptr.astype(np.int64)
        self.target = matrix.indices.astype(np.int64)
        self.weight = matrix.data.astype(np.float64)
        self._width = matrix.shape[1]
        self._reach = np.r_[0.0, np.cumsum(self.weight)]
        rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(self.start))
        self._key = rows * self._width + self.target

    def degree(self, node: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of out-edges of each node."""
        return self.start[node + 1] - self.start[node]

    def find(self, node: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the position of each edge node -> target, -1 where there is none."""
        if not len(self._key):
            return np.full(len(node), -1)
        key = node * self._width + target
        at = np.minimum(np.searchsorted(self._key, key), len(self._key) - 1)
        return np.where((target >= 0) & (self._key[at] == key), at, -1)

    def holds(self, node: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell whether there is an edge node -> target."""
        return self.find(node, target) >= 0

    def choose(
        self,
        node: NDArray[np.int64],
        avoided: NDArray[np.int64] | None,
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Choose an out-neighbour of each node in proportion to weight.

        Args:
            node: where each walk is.
            avoided: a neighbour that may not be chosen, -1 for none; None: all may.
            rng: source of the choice.

        Returns:
            The neighbour, -1 where there is none to choose.
        """
        if not len(self._key):
            return np.full(len(node), -1)
        start, stop = self.start[node], self.start[node + 1]
        free = self._reach[stop] - self._reach[start]
        count = stop - start
        point = rng.random(len(node))
        if avoided is None:
            point = self._reach[start] + point * free
            at = self._at(point, start, stop)
        else:
            hole = self.find(node, avoided)
            width = np.where(hole >= 0, self.weight[hole], 0.0)
            count = count - (hole >= 0)
            point = self._reach[start] + point * (free - width)
            point += np.where((hole >= 0) & (point >= self._reach[hole]), width, 0.0)
            at = self._at(point, start, stop)
            slipped = (at == hole) & (count > 0)  # by rounding, at the very edge of the hole
            at = np.where(slipped, np.where(hole + 1 < stop, hole + 1, hole - 1), at)
        return np.where(count > 0, self.target[np.minimum(at, len(self.target) - 1)], -1)

    def _at(
        self, point: NDArray[np.float64], start: NDArray[np.int64], stop: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        at = np.searchsorted(self._reach, point, side="right") - 1
        return np.clip(at, start, np.maximum(stop - 1, start))


def walk(
    starts: NDArray[np.int64],
    affinity: Adjacency,
    trust: Adjacency,
    shared: NDArray[np.bool_],
    alpha: float,
    max_half_steps: int,
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    """Walk user -> item -> trusted user -> item ... from each start.

    Args:
        starts: the user where each walk begins.
        affinity: user -> item.
        trust: user -> user.
        shared: items that more than one user holds; a walk ends at others.
        alpha: probability to stop before each half-step.
        max_half_steps: longest walk.
        rng: source of all choices.

    Returns:
        int32, shape [walks, half-steps of the longest]: item at even places, user at odd ones, -1
        after the end. The start is not in it.
    """
    alive = np.arange(len(starts))
    user = starts
    item = np.full(len(starts), -1, dtype=np.int64)
    columns: list[NDArray[np.int32]] = []
    for half_step in range(max_half_steps):
        going = rng.random(len(alive)) >= alpha
        alive, user, item = alive[going], user[going], item[going]
        if half_step % 2 == 0:
            reached = item = affinity.choose(user, item, rng)
        else:
            reached = _trusted_holder(user, item, affinity, trust, rng)
            reached = np.where(shared[item], reached, -1)
            user = reached
        going = reached >= 0
        alive, user, item = alive[going], user[going], item[going]
        if not len(alive):
            break
        column = np.full(len(starts), -1, dtype=np.int32)
        column[alive] = reached[going]
        columns.append(column)
    if not columns:
        return np.full((len(starts), 1), -1, dtype=np.int32)
    return np.stack(columns, axis=1)


def _trusted_holder(
    user: NDArray[np.int64],
    item: NDArray[np.int64],
    affinity: Adjacency,
    trust: Adjacency,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Choose a trusted holder of the item by affinity, else any trusted user by trust, else -1."""
    degree = trust.degree(user)
    owner = np.repeat(np.arange(len(user)), degree)
    first = np.cumsum(degree) - degree
    neighbour = trust.target[trust.start[user][owner] + np.arange(len(owner)) - first[owner]]
    at = affinity.find(neighbour, item[owner])
    weight = np.where(at >= 0, affinity.weight[at], 0.0)
    reach = np.r_[0.0, np.cumsum(weight)]
    low, high = reach[first], reach[first + degree]
    chosen = trust.choose(user, None, rng)
    point = low + rng.random(len(user)) * (high - low)
    holding = np.flatnonzero(high > low)
    pick = np.searchsorted(reach, point[holding], side="right") - 1
    pick = np.clip(pick, first[holding], (first + degree)[holding] - 1)
    chosen[holding] = neighbour[pick]
    return chosen


def first_visits(
    trace: NDArray[np.int32], item_count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return each walk's distinct nodes in the order of their first visits.

    Args:
        trace: from `walk`.
        item_count: users are numbered from it on.

    Returns:
        Four arrays over all distinct visits, walk by walk: the walk; the node (an item, or
        `item_count` + user); its place among the distinct nodes of its walk, from 0; whether it is
        an item.
    """
    walker, step = np.nonzero(trace >= 0)
    node = trace[walker, step].astype(np.int64)
    node[step % 2 == 1] += item_count
    node_count = int(node.max(initial=0)) + 1
    _, first = np.unique(walker * np.int64(node_count) + node, return_index=True)
    first.sort()
    walker, node = walker[first], node[first]
    place = np.arange(len(walker)) - np.searchsorted(walker, walker)
    return walker, node, place, node < item_count
