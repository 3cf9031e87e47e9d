"""Ranking a window of 200,000 interactions: against peers, and against a start from nothing."""

from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse as sp

from benchmarks.graphs import NOW_S, filled_view, identity
from benchmarks.many_users import many_users_rows
from benchmarks.measure import interleaved_s, row
from benchmarks.walk import DAMPING, pagerank
from tastemesh.ranking.contacts import POOL, ContactTrust
from tastemesh.ranking.exploration import explore
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.push import push
from tastemesh.ranking.salsa import rank
from tastemesh.ranking.slate import cut, own_items
from tastemesh.ranking.view import View
from tastemesh.reputation.trust import TrustParameters

RESIDUAL = 1e-6
_TRUSTED = 400  # identities that a few dozen contacts' endorsements reach
_CONTACTS = 20
_LOCAL_USERS = 200  # `benchmarks many_users` takes a thousand, for some seven minutes
_REFERENCE_MASS = TrustParameters().reference_mass
_SETTINGS = SalsaParameters(contact_exponent=0.5)  # the node's own


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Compare with whichever peers are installed."""
    count = 4_000 if quick else 200_000
    view = filled_view(count)
    matrix = view.matrix(NOW_S)
    return [
        *_against_peers(matrix, count),
        *(pushed_row(view, matrix, count, trusted) for trusted in (100, _TRUSTED)),
        _marked_row(view, matrix, count),
        *_against_scratch(view, count),
        *many_users_rows(_LOCAL_USERS, quick=quick),
    ]


def _against_peers(matrix: HoldingMatrix, count: int) -> list[dict[str, Any]]:
    plain = sp.csr_matrix(matrix.reference.by_user)
    work = f"personalised PageRank, damping {DAMPING}, L1 residual {RESIDUAL:g}, {count:,} edges"

    def ours() -> object:
        return pagerank(matrix, 0, RESIDUAL)

    rows = []
    try:
        from sknetwork.ranking import PageRank
    except ImportError:
        rows.append(row("exact", "scikit-network", work, interleaved_s(ours)[0] * 1e3, None, "ms"))
    else:
        rounds = int(np.ceil(np.log(RESIDUAL / 2.0) / np.log(DAMPING)))  # each shrinks it by that
        start = {0: 1.0}

        def iterated() -> object:
            solver = PageRank(damping_factor=DAMPING, solver="piteration", n_iter=rounds, tol=0)
            return solver.fit(plain, weights_row=start)

        def quickest() -> object:
            solver = PageRank(damping_factor=DAMPING, solver="bicgstab", tol=RESIDUAL)
            return solver.fit(plain, weights_row=start)

        mine, plainly, quickly = interleaved_s(ours, iterated, quickest)
        said = f"{work}; the peer makes the same {rounds} iterations"
        rows.append(row("exact", "scikit-network", said, mine * 1e3, plainly * 1e3, "ms"))
        said = f"{work}; the peer's quickest solver, bicgstab, to its own tolerance of that"
        rows.append(row("exact", "scikit-network", said, mine * 1e3, quickly * 1e3, "ms"))
    graph = nx.Graph()
    users, items = plain.nonzero()
    graph.add_weighted_edges_from(
        (("u", int(u)), ("i", int(i)), float(w))
        for u, i, w in zip(users, items, plain.data, strict=True)
    )
    tolerance = RESIDUAL / graph.number_of_nodes()  # networkx stops at n times its tolerance

    def networkx() -> object:
        start = {("u", 0): 1.0}
        return nx.pagerank(graph, DAMPING, start, tol=tolerance, max_iter=1_000)

    mine, theirs = interleaved_s(ours, networkx)
    rows.append(row("exact", "networkx", work, mine * 1e3, theirs * 1e3, "ms"))
    return rows


def by_contacts(view: View, trusted: int) -> ContactTrust:
    """Return trust in some users, each through three of ego's contacts, falling as 1/rank."""
    rng = np.random.default_rng(0)
    trusted = min(trusted, view.user_count - 1)
    shares = np.zeros((_CONTACTS, view.user_count))
    for place in range(1, trusted + 1):
        shares[rng.choice(_CONTACTS, 3, replace=False), place] = 1.0 / place
    shares /= shares.sum()
    names = tuple(bytes([number + 1]) for number in range(_CONTACTS))
    return ContactTrust(names, sp.csr_array(shares))


def pushed_row(view: View, matrix: HoldingMatrix, count: int, trusted: int) -> dict[str, Any]:
    """Time the pushed ranking against the exact one by scipy, both to the ten best items."""
    trust = by_contacts(view, trusted)
    tau = trust.tau
    heard = np.flatnonzero(tau).astype(np.int32)
    standing = np.minimum(1.0, tau / _REFERENCE_MASS)
    plain = HoldingMatrix(matrix.reference, matrix.scale, compiled=False)

    def pushed() -> list[int]:
        said = (heard, standing[heard])
        found = push(matrix, trust, [0], _SETTINGS, standing=said).best(10)
        return [int(item) for item in found]

    def exact() -> list[int]:
        scores = rank(plain, trust, [0], _SETTINGS, standing=standing).items
        found = np.argpartition(-scores, 9)[:10]
        return [int(item) for item in found[np.lexsort((found, -scores[found]))]]

    alike = len(set(pushed()) & set(exact()))
    mine, theirs = interleaved_s(pushed, exact)
    work = f"top ten, {count:,} interactions, trust in {trusted}; {alike} of 10 the same"
    return row("push", "exact by scipy", work, mine * 1e3, theirs * 1e3, "ms")


def _marked_row(view: View, matrix: HoldingMatrix, count: int) -> dict[str, Any]:
    """Time the list of an ego that has endorsed nobody, behind half of what the others did."""
    plain = HoldingMatrix(matrix.reference, matrix.scale, compiled=False)
    rng = np.random.default_rng(0)
    adoption = rng.random(view.user_count)
    own = matrix.row(0)[0]
    profile = np.zeros(matrix.shape[1])
    profile[own] = 1.0 / len(own)
    taken_s = rng.integers(0, NOW_S, len(view.firsts().time_s)).astype(np.int32)

    def listed(holding: HoldingMatrix) -> object:
        return explore(holding, adoption, [0], profile, taken_s=taken_s, behind=0.5)

    mine, theirs = interleaved_s(lambda: listed(matrix), lambda: listed(plain))
    work = f"every item's score for who endorses nobody, {count:,} interactions"
    return row("marked", "by scipy and numpy", work, mine * 1e3, theirs * 1e3, "ms")


def trusted_few(view: View) -> ContactTrust:
    """Return trust in some hundred users, as endorsements would give it."""
    weights = 1.0 / np.arange(1, min(_TRUSTED, view.user_count - 1) + 1)
    shares = np.zeros((1, view.user_count))
    shares[0, 1 : len(weights) + 1] = weights / weights.sum()
    return ContactTrust((POOL,), sp.csr_array(shares))


def _against_scratch(view: View, count: int) -> list[dict[str, Any]]:
    """Time a single new interaction -> fresh top ten, and the same from nothing."""
    number = iter(range(10**6, 10**8))
    rows = view.interactions()
    ids = [view.user_id(n) for n in range(view.user_count)]
    names = [view.item_id(n) for n in range(view.item_count)]
    users = [ids[n] for n in rows.user.tolist()]
    items = [names[n] for n in rows.item.tolist()]

    def listed(asked: View) -> object:
        matrix = asked.matrix(NOW_S)
        scores = rank(matrix, trusted_few(asked), [0])
        return cut(asked, scores.items, 10, excluded=own_items(matrix, [0]), key=b"")

    def fresh() -> object:
        at = next(number)
        view.append(identity(1), [f"new:{at % 100}"], 1.0, NOW_S, at)
        return listed(view)

    def scratch() -> object:
        anew = View()
        anew.extend(users, items, 1.0, NOW_S, rows.record)
        return listed(anew)

    mine, theirs = interleaved_s(fresh, scratch)
    work = f"one new interaction to a fresh top ten, {count:,} interactions; peer: from scratch"
    return [row("incremental", "ourselves", work, mine * 1e3, theirs * 1e3, "ms")]
