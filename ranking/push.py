"""The ranking, pushed along the few rows that can carry mass: the same answer at a flat cost.

Mass reaches a user in proportion to ego's trust only (`tastemesh.ranking.salsa`), and open evidence
hears identities of standing only. So of the whole window just the rows of these users and of ego
can matter. Here they are cut out, with the items that they touch renumbered, and the very same rule
runs on the small matrix. What it costs follows from what those users hold and not from the window.

With a residual of 0 the answer is the exact kernel's. Forward push (Andersen, Chung and Lang, FOCS
2006) leaves mass below a threshold where it is; likewise, a residual above 0 leaves out the users
whom ego trusts least, as many as have that much of its trust together. They would have carried at
most `hub_bound(residual)` of mass (theorem 1 with them as the set A); `Pushed.residual` says what
was really left out.
"""

from collections.abc import Sequence
from typing import cast

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking import products
from tastemesh.ranking.contacts import ContactTrust, Shares
from tastemesh.ranking.holdings import HoldingMatrix, Weights
from tastemesh.ranking.largest import kth_largest
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.salsa import Scores, rank
from tastemesh.ranking.workers import ONE_WORKER, Workers

Sparse = tuple[NDArray[np.int32], NDArray[np.float64]]
"""Numbers and the values there; 0 everywhere else."""

_NOBODY: Sparse = (np.empty(0, np.int32), np.empty(0))


class Asked(msgspec.Struct, frozen=True, eq=False):
    """What one ego's push is made from; see `push`.

    Attributes:
        trust: ego's trust by contact.
        egos: ego's user numbers, public and private; -1 is skipped.
        profile: ego's taste over some items, rising.
        has_profile: whether ego has any taste, though it be for what nobody holds.
        standing: who is heard in open evidence, and how much.
    """

    trust: ContactTrust
    egos: Sequence[int]
    profile: Sparse
    has_profile: bool
    standing: Sparse


class Pushed(msgspec.Struct, frozen=True, eq=False):
    """A ranking of what a few users hold, over numbers of its own.

    Attributes:
        users: int32[m]; the window's number of each user here, rising.
        items: int32[n]; the window's number of each item here; all others score 0.
        scores: float64[n]; as `Scores.items`.
        held: float64[n]; as in `Scores`.
        passed: float64[n]; as in `Scores`.
        hub_mass: float64[m]; as in `Scores`.
        votes: float64[m]; as in `Scores`.
        started: as in `Scores`.
        parameters: what it was made with.
        residual: ego's trust in the users that were left out.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    scores: NDArray[np.float64]
    held: NDArray[np.float64]
    passed: NDArray[np.float64]
    hub_mass: NDArray[np.float64]
    votes: NDArray[np.float64]
    started: float
    parameters: SalsaParameters
    residual: float

    def best(self, k: int) -> NDArray[np.int32]:
        """Return the window's numbers of the k best items, best first; ties by number."""
        scores = self.scores
        last = kth_largest(scores[None], k)[0] if len(scores) else 0.0
        found = np.flatnonzero(scores >= last if last > 0 else scores > 0)
        order = np.lexsort((self.items[found], -scores[found]))[:k]
        return self.items[found[order]]

    def spread_out(self, matrix: HoldingMatrix, trust: ContactTrust) -> Scores:
        """Return the scores over the number spaces of the whole window.

        Args:
            matrix: what was ranked.
            trust: as it was asked with, ego's own rows at 0.
        """
        user_count, item_count = matrix.shape
        # As numpy's own kind of index, once: it takes half of the time for each (measured).
        users, items = self.users.astype(np.intp), self.items.astype(np.intp)
        return Scores(
            items=_placed(self.scores, items, item_count),
            hub_mass=_placed(self.hub_mass, users, user_count),
            votes=_placed(self.votes, users, user_count),
            trust=trust,
            passed=_placed(self.passed, items, item_count),
            held=_placed(self.held, items, item_count),
            started=self.started,
            parameters=self.parameters,
        )


def push(
    matrix: HoldingMatrix,
    trust: ContactTrust,
    egos: Sequence[int],
    parameters: SalsaParameters = SalsaParameters(),  # noqa: B008 - frozen
    *,
    profile: Sparse | None = None,
    has_profile: bool | None = None,
    standing: Sparse = _NOBODY,
    taken_s: NDArray[np.int32] | None = None,
    residual: float = 0.0,
) -> Pushed:
    """Score what the users hold whom ego trusts.

    Args:
        matrix: who holds what.
        trust: ego's trust by contact.
        egos: ego's user numbers, public and private; -1 is skipped.
        parameters: how mass moves and votes.
        profile: ego's taste over some items, rising, summing to 1 or less. Default: its weights.
        has_profile: as for `tastemesh.ranking.salsa.rank`.
        standing: users and how much each is heard in open evidence, in [0, 1]. Default: nobody.
        taken_s: as for `tastemesh.ranking.salsa.rank`.
        residual: trust that may be left out, 0 to 1.

    Raises:
        UsageError: the residual is out of range.
    """
    if not 0.0 <= residual <= 1.0:
        raise UsageError(f"residual {residual}; expected 0 to 1")
    present = np.array([ego for ego in egos if ego >= 0], np.int32)
    trust, standing, left_out = _without_least(trust, present, standing, residual)
    if profile is None:
        profile = _by_weights(matrix, present)
    if has_profile is None:
        has_profile = bool(profile[1].any())
    is_timeless = taken_s is None or parameters.open_backward == 1.0
    is_plain = parameters.contact_share_max == 1.0 and is_timeless
    if is_plain and products.is_compiled(matrix.compiled):
        from tastemesh.ranking.push_kernel import pushed

        found = pushed(matrix, trust, present, parameters, profile, has_profile, standing)
        return Pushed(*found, parameters, left_out)
    heard, voices = standing
    trusted = trust.shares.indices[trust.shares.data > 0]
    users = np.unique(np.concatenate([trusted, heard, present])).astype(np.int32)
    reference = matrix.reference
    asked = profile[0]
    rows, items, places = products.cut(reference.by_user, users, asked, compiled=matrix.compiled)
    # The transpose is a view of the same arrays by columns; products read it as they read rows.
    by_item = cast("products.Sparse", rows.T)
    weights = Weights(rows, by_item, reference.user_sums[users], np.empty(0))
    taste = np.zeros(len(items))
    taste[places] = profile[1]
    audience = np.zeros(len(users))
    audience[np.searchsorted(users, heard)] = voices
    if taken_s is not None:
        taken_s = taken_s[products.entries(reference.by_user.indptr, users)]
    scores = rank(
        HoldingMatrix(weights, matrix.scale, compiled=matrix.compiled),
        _among(trust, users),
        np.searchsorted(users, present).tolist(),
        parameters,
        profile=taste,
        has_profile=has_profile,
        standing=audience,
        taken_s=taken_s,
    )
    return Pushed(
        users=users,
        items=items,
        scores=scores.items,
        held=scores.held,
        passed=scores.passed,
        hub_mass=scores.hub_mass,
        votes=scores.votes,
        started=scores.started,
        parameters=parameters,
        residual=left_out,
    )


def push_many(
    matrix: HoldingMatrix,
    asked: Sequence[Asked],
    parameters: SalsaParameters = SalsaParameters(),  # noqa: B008 - frozen
    workers: Workers = ONE_WORKER,
) -> list[Pushed]:
    """Score for several egos, in one pass where the compiled kernel is; as `push` does each.

    Args:
        matrix: who holds what.
        asked: their questions.
        parameters: how mass moves and votes.
        workers: share the egos among them.
    """
    if not asked:
        return []
    is_plain = parameters.contact_share_max == 1.0
    if len(asked) > 1 and is_plain and products.is_compiled(matrix.compiled):
        from tastemesh.ranking.push_block import pushed_many

        found = pushed_many(matrix, asked, parameters, workers)
        return [Pushed(*each, parameters, 0.0) for each in found]
    return [
        push(
            matrix,
            each.trust,
            each.egos,
            parameters,
            profile=each.profile,
            has_profile=each.has_profile,
            standing=each.standing,
        )
        for each in asked
    ]


def _by_weights(matrix: HoldingMatrix, egos: NDArray[np.int32]) -> Sparse:
    """Return `tastemesh.ranking.profile.own_profile`, over ego's own items."""
    lines = [matrix.row(ego) for ego in egos.tolist()]
    if not lines:
        return _NOBODY
    own, place = np.unique(np.concatenate([items for items, _ in lines]), return_inverse=True)
    weights = np.concatenate([weights for _, weights in lines])
    taste = np.minimum(np.bincount(place, weights, len(own)), 1.0)
    return own.astype(np.int32), taste / (taste.sum() or 1.0)


def _without_least(
    trust: ContactTrust, egos: NDArray[np.int32], standing: Sparse, residual: float
) -> tuple[ContactTrust, Sparse, float]:
    """Leave out the users whom ego trusts least, and their voices; say how much trust that was."""
    if not residual:
        return trust, standing, 0.0
    shares = trust.shares
    users, place = np.unique(shares.indices, return_inverse=True)
    tau = np.bincount(place, shares.data, len(users))
    tau[np.isin(users, egos)] = 0.0
    order = np.argsort(tau, kind="stable")
    sums = np.cumsum(tau[order])
    count = int(np.searchsorted(sums, residual, side="right"))
    gone = users[order[:count]]
    data = np.where(np.isin(shares.indices, gone), 0.0, shares.data)
    kept: Shares = sp.csr_array((data, shares.indices, shares.indptr), shape=shares.shape)
    is_heard = ~np.isin(standing[0], gone)
    audience = standing[0][is_heard], standing[1][is_heard]
    return ContactTrust(trust.contacts, kept), audience, float(sums[count - 1]) if count else 0.0


def _among(trust: ContactTrust, users: NDArray[np.int32]) -> ContactTrust:
    """Return the same trust over the places of some users, who have all of it."""
    shares = trust.shares
    kept = shares.data > 0
    ends = np.concatenate([[0], np.cumsum(kept)])[shares.indptr]
    small: Shares = sp.csr_array(
        (shares.data[kept], np.searchsorted(users, shares.indices[kept]).astype(np.int32), ends),
        shape=(shares.shape[0], len(users)),
    )
    return ContactTrust(trust.contacts, small)


def _placed(
    values: NDArray[np.float64], numbers: NDArray[np.intp], count: int
) -> NDArray[np.float64]:
    placed = np.zeros(count)
    placed[numbers] = values
    return placed
