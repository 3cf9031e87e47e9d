"""Small arbitrary graphs with trust, and the ranking written out with dense matrices."""

from enum import Enum
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tastemesh.ranking.contacts import ContactTrust
from tastemesh.ranking.holdings import HoldingMatrix, Weights
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.push import push
from tastemesh.ranking.salsa import Scores, rank


class Question(NamedTuple):
    """User 0 is ego."""

    weights: NDArray[np.float64]
    shares: NDArray[np.float64]
    times_s: NDArray[np.int32]

    @property
    def matrix(self) -> HoldingMatrix:
        return holdings(self.weights)

    @property
    def taken_s(self) -> NDArray[np.int32]:
        return self.times_s[self.weights > 0]

    @property
    def trust(self) -> ContactTrust:
        return trust_of(self.shares)

    @property
    def profile(self) -> NDArray[np.float64]:
        own: NDArray[np.float64] = self.weights[0]
        if own.any():
            own = own / own.sum()
        return own


def holdings(weights: NDArray[np.float64], scale: float = 1.0) -> HoldingMatrix:
    by_user = sp.csr_array((weights / scale).astype(np.float32))
    by_user.indices = by_user.indices.astype(np.int32)
    by_user.indptr = by_user.indptr.astype(np.int32)
    return HoldingMatrix(Weights.of(by_user), scale)


def trust_of(shares: NDArray[np.float64]) -> ContactTrust:
    return ContactTrust(tuple(bytes([n + 1]) for n in range(len(shares))), sp.csr_array(shares))


class Kernel(Enum):
    """The two ways to the same scores, everybody heard in open evidence."""

    EXACT = "exact"
    PUSH = "push"

    def rank(
        self,
        matrix: HoldingMatrix,
        trust: ContactTrust,
        p: SalsaParameters,
        profile: NDArray[np.float64] | None = None,
    ) -> Scores:
        if self is Kernel.EXACT:
            return rank(matrix, trust, [0], p, profile=profile)
        everybody = np.arange(matrix.shape[0], dtype=np.int32)
        audience, taste = (everybody, np.ones(len(everybody))), None
        if profile is not None:
            liked = np.flatnonzero(profile).astype(np.int32)
            taste = liked, profile[liked]
        pushed = push(matrix, trust, [0], p, profile=taste, standing=audience)
        return pushed.spread_out(matrix, trust.without([0], matrix.shape[0]))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    users, items = draw(st.integers(2, 7)), draw(st.integers(1, 7))
    # Weights and trust that are rare, often 0, and exact in float32.
    weight = st.sampled_from([0.0, 0.0, 0.0, 2.0**-10, 0.25, 1.0, 1.0])
    weights = draw(hnp.arrays(np.float64, (users, items), elements=weight))
    share = st.sampled_from([0.0, 0.0, 0.001, 0.1, 1.0, 5.0])
    shares = draw(hnp.arrays(np.float64, (draw(st.integers(1, 3)), users), elements=share))
    shares[:, 0] = 0.0
    if shares.any():
        shares *= draw(st.sampled_from([1.0, 0.5])) / shares.sum()
    times_s = draw(hnp.arrays(np.int32, weights.shape, elements=st.integers(0, 2)))
    return Question(weights, shares, times_s)


parameters = st.builds(
    SalsaParameters,
    rho=st.sampled_from([0.0, 0.5, 0.95, 1.0]),
    kappa=st.sampled_from([1e-6, 0.01, 1.0]),
    eta=st.sampled_from([0.0, 0.6, 1.0]),
    alpha=st.sampled_from([0.0, 0.3]),
    rounds=st.integers(1, 4),
    theta=st.sampled_from([0.0, 0.3, 1.0]),
    popularity_exponent=st.sampled_from([0.0, 0.3]),
    contact_exponent=st.sampled_from([1.0, 0.5]),
    contact_share_max=st.sampled_from([1.0, 0.6]),
    open_gain=st.sampled_from([1.0, 20.0]),
    open_doubt=st.sampled_from([0.1, 5.0]),
    open_backward=st.sampled_from([1.0, 0.25, 0.0]),
)


def reference(
    question: Question, p: SalsaParameters, standing: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The formulas of `tastemesh.ranking.salsa` over all pairs, ego's own items included."""
    w, shares, own = question.weights, question.shares, question.profile
    users, items = w.shape
    tau = shares.sum(axis=0)
    volume, trusted = w.sum(axis=1), tau @ w
    rho = p.rho if own.any() else 0.0
    # One step among (ego, users): to items, then to users, the rest to the start.
    to_items = np.vstack([own, w / np.where(volume > 0, volume, 1.0)[:, None]])
    to_users = (tau[:, None] * w / (p.kappa + trusted) ** p.eta).T
    start = np.concatenate([[rho], (1.0 - rho) * tau])
    state, total = start, np.zeros(users)
    for number in range(p.rounds):
        total += (1.0 - p.alpha) ** number * state[1:]
        taken = state @ to_items @ to_users
        state = np.concatenate([[0.0], taken]) + (state.sum() - taken.sum()) * start
    parts = np.zeros((len(shares), items))
    for c, v, i in np.ndindex(len(shares), users, items):
        if tau[v] > 0 and volume[v] > 0:
            parts[c, i] += total[v] * shares[c, v] / tau[v] * w[v, i] / volume[v] ** p.theta
    scores = np.zeros(items)
    for i in range(items):
        s = parts[:, i].copy()
        if p.contact_share_max < 1.0:
            top = int(np.argmax(s))
            cap = p.contact_share_max / (1.0 - p.contact_share_max)
            s = np.minimum(s, cap * (s.sum() - s[top]))
        q = p.contact_exponent
        scores[i] = (s**q).sum() ** (1.0 / q) * (1.0 + trusted[i] / p.kappa) ** (
            -p.popularity_exponent
        )
    scores[w[0] > 0] = 0.0
    heard = np.ones(users) if standing is None else standing.copy()
    heard[0] = 0.0
    amount = heard * np.where(volume > 0, np.maximum(volume, 1e-300) ** -p.open_exponent, 0.0)
    mine = np.flatnonzero(own)
    gram = (w[:, mine] * amount[:, None]).T @ w[:, mine] + p.open_doubt * np.eye(len(mine))
    x = np.zeros(items)
    x[mine] = np.linalg.solve(gram, own[mine])
    open_walk = np.zeros(items)
    for i, v, j in np.ndindex(items, users, items):
        came_before = question.times_s[v, j] < question.times_s[v, i]
        k = p.open_backward if came_before else 1.0
        open_walk[j] += amount[v] * x[i] * w[v, i] * w[v, j] * k
    terms = np.abs(amount * (w @ x))
    open_walk[(open_walk <= 1e-9 * terms.max()) | (scores <= 0)] = 0.0
    open_walk *= np.maximum(heard @ w, 1.0) ** -p.open_popularity_exponent
    if open_walk.any():
        open_walk /= open_walk.max()
    return scores * (1.0 + (p.open_gain - 1.0) * open_walk)
