"""The same ranking with trust that anybody can have: in proportion to likeness to ego.

It measures what the ranking itself can do, and so what security costs. Trust is cosine similarity
squared, and the evidence that lifts what trust found is a linear item-item model of everybody's
holdings (EASE: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019), solved on
the smaller side of the matrix. Copies of a history own both: never for use among strangers.

How much a holding weighs is a setting: hours played and check-ins counted say less of taste than
that there were any (Steam, FourSquare), plays and ratings more (Last.fm, MovieLens; measured). Most
baselines see no weights at all.

Deviation: EASE sees weights, and ego by its recent taste. Where the matrix to invert would be too
large the evidence is the open walk of `tastemesh.ranking.evidence`.
"""

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tastemesh.ranking import salsa, slate
from tastemesh.ranking.contacts import POOL, ContactTrust
from tastemesh.ranking.exploration import EXPLORATION, similarity_trust
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.profile import own_profile, recent_profile
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.ridge import MAX_BYTES, inverse_bytes, ridge_inverse
from tastemesh.sim.systems.system import Parameters
from tastemesh.sim.systems.tastemesh import window_of

_GAIN = 20.0  # of 20 and 100, the difference is below .001 (measured)
_DIAGONAL_BLOCK = 512  # columns whose influence on themselves is computed at once


class TastemeshSimilarity:
    """Ranks as a node does, with similarity trust and item-item evidence."""

    name = "tastemesh-similarity"

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._model: ItemModel | None = None
        self._fitted: tuple[Interactions, float, str] | None = None  # what it was made of

    def grid(self, endorsed: bool) -> list[Parameters]:
        """Return the settings to choose from; the first is a customary one.

        With recency over 0 items a taste has none. Settings of one strength and one way of
        weighing follow each other, as they share a model.
        """
        return [
            {"recency_items": recency, "lambda": strength, "weights": weights, "eta": eta}
            for strength, weights, rest in (
                (100.0, "held", ((0.0, 0.6), (20.0, 0.6), (0.0, 1.0))),
                (100.0, "alike", ((0.0, 0.6), (20.0, 0.6), (0.0, 1.0))),
                (30.0, "held", ((0.0, 1.0), (20.0, 0.6))),
                (300.0, "alike", ((0.0, 0.6),)),
            )
            for recency, eta in rest
        ]

    def fit(
        self, train: Interactions, endorsements: Endorsements | None, parameters: Parameters
    ) -> None:
        """Fill the window and solve for the item model."""
        weights = str(parameters["weights"])
        held = train
        if weights == "alike":
            held = msgspec.structs.replace(train, weight=np.ones_like(train.weight))
        self._view = window_of(held, self._seed)
        self._matrix = self._view.matrix(0)
        self._ids = [name.encode() for name in train.user_ids]
        self._position = {name: at for at, name in enumerate(train.item_ids)}
        self._recency_items = float(parameters["recency_items"])
        self._ranking = msgspec.structs.replace(
            EXPLORATION, eta=float(parameters["eta"]), open_gain=_GAIN
        )
        self._solve(train, float(parameters["lambda"]), weights)

    def _solve(self, train: Interactions, strength: float, weights: str) -> None:
        """Make the item model, unless the last one is of the same, or there is no room for one."""
        is_small = inverse_bytes(min(self._matrix.shape)) <= MAX_BYTES
        fitted = self._fitted
        if is_small and fitted and fitted[0] is train and fitted[1:] == (strength, weights):
            return
        self._model = self._fitted = None  # before the next one takes as much memory
        if is_small:
            self._model = ItemModel(self._matrix, strength)
            self._fitted = (train, strength, weights)

    def rank(self, users: NDArray[np.int32], k: int) -> NDArray[np.int32]:
        """Return each user's best items, shape [n, k]."""
        ranked = np.full((len(users), k), -1, dtype=np.int32)
        for row, user in enumerate(users.tolist()):
            listed = self._listed(self._ids[user], k)
            ranked[row, : len(listed)] = [self._position[line.item] for line in listed]
        return ranked

    def _listed(self, name: bytes, k: int) -> list[slate.Recommendation]:
        matrix, egos = self._matrix, [self._view.user_number(name)]
        if self._recency_items > 0:
            profile = recent_profile(self._view, matrix, egos, self._recency_items)
        else:
            profile = own_profile(matrix, egos)
        shares = sp.csr_array(similarity_trust(matrix, egos)[None, :])
        scores = salsa.rank(
            matrix,
            ContactTrust((POOL,), shares),
            egos,
            self._ranking,
            profile=profile,
            evidence=None if self._model is None else self._model.evidence(profile),
        )
        own = slate.own_items(matrix, egos)
        return slate.cut(self._view, scores.items, k, excluded=own, key=b"")


class ItemModel:
    """EASE over a window: with P = (X'X + lambda)^-1, an item scores -(own P)(j) / P(j, j).

    Over users where these are fewer: P = (I - X' (X X' + lambda)^-1 X) / lambda.

    Args:
        matrix: X.
        strength: lambda, above 0.
    """

    def __init__(self, matrix: HoldingMatrix, strength: float) -> None:
        self._held = matrix.reference.by_user.astype(np.float64)
        self._held.data *= matrix.scale
        self._holders = self._held.T.tocsr()
        self._strength = strength
        self._by_item = matrix.shape[1] <= matrix.shape[0]
        side = self._holders if self._by_item else self._held
        self._inverse = ridge_inverse(side, strength)
        if self._by_item:
            self._diagonal = self._inverse.diagonal()
        else:
            self._diagonal = (1.0 - self._self_influence()) / strength

    def evidence(self, profile: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the model expects of a taste: float64[items], at least 0."""
        if self._by_item:
            own = np.flatnonzero(profile)
            through = np.asarray(profile[own] @ self._inverse[own])
        else:
            spread = self._holders @ (self._inverse @ (self._held @ profile))
            through = np.asarray(profile - spread) / self._strength
        result: NDArray[np.float64] = np.maximum(-through / self._diagonal, 0.0)
        return result

    def _self_influence(self) -> NDArray[np.float64]:
        """Return x' (X X' + lambda)^-1 x for the column x of each item."""
        influence = np.zeros(self._holders.shape[0])
        for start in range(0, len(influence), _DIAGONAL_BLOCK):
            rows = self._holders[start : start + _DIAGONAL_BLOCK]
            through = np.asarray(rows @ self._inverse)
            influence[start : start + _DIAGONAL_BLOCK] = (rows.toarray() * through).sum(axis=1)
        return influence
