"""Web3Recommend's rule, literally: walks that return only to the trusted, then two decays.

Madhwal and Pouwelse, "Web3Recommend: Decentralised recommendations with trust and relevance"
(2023), as its final code has it, with the parameters of its app. A walk from the user chooses an
item other than the one it came from by affinity; from the item it goes to a trusted holder by
affinity, or, if none holds it, to any trusted user by trust; before each half-step it stops with
probability alpha. An item scores its share of all item visits, and 1 - beta * f of that if one
other node precedes it in more than 99 % of the walks that reach it (f: that share).

Trust comes from the endorsements where there are any, for they are what the trust edges of that
network state; whoever has fewer than five is filled up to five by similarity of taste, as the app
does (`tastemesh.sim.systems.similarity_trust`). Without endorsements all trust is similarity. The
grid offers both, so that validation may take the stronger one.

Deviation: own items are never listed (their list has them). Not modelled: their start at a trusted
user while somebody has fewer than five items, and the eviction of other users' items beyond five,
which only costs accuracy.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.matrices import column_sizes, rank_by_scores, tie_lots
from tastemesh.sim.systems.similarity_trust import TRUSTED_COUNT, affinities, most_similar
from tastemesh.sim.systems.system import Parameters
from tastemesh.sim.systems.trusting_walks import Adjacency, first_visits, walk

_WALKS = 1_000  # a user, their app
_MAX_HALF_STEPS = 100  # their app
_BOTTLENECK = 0.99  # their beta threshold
_EGOS_AT_ONCE = 32  # 32,000 walks in step; 256,000 took a quarter longer (measured)


class Web3Recommend:
    """Scores items by walks over items and trusted users, cut where they pass a bottleneck."""

    name = "web3recommend"

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._similar: tuple[Interactions, csr_array] | None = None

    def grid(self, endorsed: bool) -> list[Parameters]:
        """Return the app's alpha and larger ones; 0.5 was worse on three data sets (measured)."""
        sources = ("endorsements", "similarity") if endorsed else ("similarity",)
        return [
            {"alpha": alpha, "beta": 0.8, "trust": source}
            for source in sources
            for alpha in (0.1, 0.2, 0.3)
        ]

    def fit(
        self, train: Interactions, endorsements: Endorsements | None, parameters: Parameters
    ) -> None:
        """Lay out affinities and trust.

        Trust `given` is the endorsements alone, as their experiments set it; it is not in the grid.
        """
        self._alpha, self._beta = float(parameters["alpha"]), float(parameters["beta"])
        user_count = len(train.user_ids)
        share = affinities(train.user, train.weight, user_count)
        affinity = csr_array(
            (share, (train.user, train.item)), shape=(user_count, len(train.item_ids))
        )
        affinity.sort_indices()
        if parameters["trust"] == "given" and endorsements is not None:
            trust = _stated(endorsements)
        else:
            if self._similar is None or self._similar[0] is not train:
                self._similar = (train, most_similar(affinity))
            trust = self._similar[1]
            if parameters["trust"] == "endorsements" and endorsements is not None:
                trust = _filled_up(endorsements, trust)
        self._owned = affinity
        self._lots = tie_lots(train)
        self._affinity = Adjacency(affinity)
        # People without interactions hold nothing to walk to.
        self._trust = Adjacency(csr_array(trust[:user_count, :user_count]))
        self._shared = column_sizes(affinity) > 1

    def rank(self, users: NDArray[np.int32], k: int) -> NDArray[np.int32]:
        """Return each user's best items, shape [n, k]; fewer than k where walks reach fewer."""
        rng = np.random.default_rng([self._seed, 3])
        return rank_by_scores(
            lambda block: self._scores(block, rng), self._owned, users, k, self._lots
        )

    def scores(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return each item's share of a user's visits after the decay, own items included.

        Args:
            users: positions, n of them.

        Returns:
            float32[n, items]; a row sums to 1 at most.
        """
        return self._scores(users, np.random.default_rng([self._seed, 3]))

    def _scores(self, users: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.float32]:
        scores = np.zeros((len(users), self._owned.shape[1]), dtype=np.float32)
        for start in range(0, len(users), _EGOS_AT_ONCE):
            part = slice(start, start + _EGOS_AT_ONCE)
            self._add_scores(users[part], rng, scores[part])
        return scores

    def _add_scores(
        self, egos: NDArray[np.int32], rng: np.random.Generator, scores: NDArray[np.float32]
    ) -> None:
        starts = np.repeat(egos.astype(np.int64), _WALKS)
        trace = walk(
            starts, self._affinity, self._trust, self._shared, self._alpha, _MAX_HALF_STEPS, rng
        )
        item_count = self._owned.shape[1]
        walker, place = np.nonzero(trace[:, ::2] >= 0)  # items stand at even places
        ego = walker // _WALKS
        visits = np.bincount(
            ego * item_count + trace[walker, 2 * place], minlength=scores.size
        ).reshape(scores.shape)
        total = np.maximum(visits.sum(axis=1, keepdims=True), 1)
        scores += visits / total
        cell, share = self._bottlenecks(egos, trace)
        penalised = share > _BOTTLENECK
        scores.ravel()[cell[penalised]] *= 1.0 - self._beta * share[penalised]

    def _bottlenecks(
        self, egos: NDArray[np.int32], trace: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return how far each item reached and not owned depends on a single node.

        Returns:
            Cells ``ego * items + item``, and for each the largest share, in [0, 1], of the
            walks that reach it in which one and the same node comes before it.
        """
        user_count, item_count = self._owned.shape
        node_count = user_count + item_count
        walker, node, place, is_item = first_visits(trace, item_count)
        ego = walker // _WALKS
        target = np.flatnonzero(is_item)
        target = target[~self._affinity.holds(egos[ego[target]].astype(np.int64), node[target])]
        cell = ego[target] * np.int64(item_count) + node[target]
        walks = np.bincount(cell, minlength=len(egos) * item_count)
        # Each target against everything its walk visited for the first time before it.
        earlier = place[target]
        target_of = np.repeat(np.arange(len(target)), earlier)
        step = np.arange(len(target_of)) - np.repeat(np.cumsum(earlier) - earlier, earlier)
        before = (target - earlier)[target_of] + step
        root = item_count + egos[ego[before]]
        passed = node[before] != root
        pair = cell[target_of[passed]] * node_count + node[before[passed]]
        pairs, count = np.unique(pair, return_counts=True)
        pair_cell = pairs // node_count
        worst = np.zeros(len(egos) * item_count)
        np.maximum.at(worst, pair_cell, count / walks[pair_cell])
        reached = np.flatnonzero(walks)
        return reached, worst[reached]


def _stated(endorsements: Endorsements) -> csr_array:
    """Return the endorsements as a matrix, whoever has stated however few."""
    positive = endorsements.weight > 0
    edges = (endorsements.source[positive], endorsements.subject[positive])
    size = (len(endorsements.ids), len(endorsements.ids))
    return csr_array((endorsements.weight[positive].astype(np.float64), edges), shape=size)


def _filled_up(endorsements: Endorsements, similar: csr_array) -> csr_array:
    """Return the endorsements, and similar users for whoever has endorsed fewer than five."""
    person_count = len(endorsements.ids)
    positive = endorsements.weight > 0
    source, subject = endorsements.source[positive], endorsements.subject[positive]
    weight = endorsements.weight[positive].astype(np.float64)
    weight /= weight.max(initial=1e-9)  # strongest 1, so on the scale of a similarity
    degree = np.bincount(source, minlength=person_count)
    rows = np.repeat(np.arange(similar.shape[0]), np.diff(similar.indptr))
    rank = np.arange(similar.nnz) - similar.indptr[rows]
    endorsed = source.astype(np.int64) * person_count + subject
    fresh = ~np.isin(rows * np.int64(person_count) + similar.indices, endorsed)
    wanted = fresh & (rank < TRUSTED_COUNT - degree[rows])
    return csr_array(
        (
            np.r_[weight, similar.data[wanted]],
            (np.r_[source, rows[wanted]], np.r_[subject, similar.indices[wanted]]),
        ),
        shape=(person_count, person_count),
    )
