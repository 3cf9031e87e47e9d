"""Several egos' pushes in one piece: the rows are read once for all of them (numba, extra `fast`).

Egos of one window trust many of the same people. So the rows that any of them needs are cut out
once, and each pass over these moves the mass of all egos (`tastemesh.ranking.push_lanes`). The
formulas are those of `tastemesh.ranking.push_kernel`, and each ego's sums have the same terms in
the same order, zeros in between: the answer is what each alone would get, bit for bit. So
workers may each take some of the egos.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from tastemesh.ranking.compiled import compiled
from tastemesh.ranking.evidence import features
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.product_kernel import cut_arrays
from tastemesh.ranking.push import Asked, Sparse
from tastemesh.ranking.push_finish import Ints, Values, Weights, finished, foretold
from tastemesh.ranking.push_kernel import Found, localised
from tastemesh.ranking.push_lanes import summed, turned, voted
from tastemesh.ranking.workers import Workers

# Egos for whom another worker is worth its while: two take as long by one as by two, four a tenth
# longer (measured, on two processors).
_EGOS_A_WORKER = 2


def pushed_many(
    matrix: HoldingMatrix, asked: Sequence[Asked], parameters: SalsaParameters, workers: Workers
) -> list[Found]:
    """Return what `tastemesh.ranking.push_kernel.pushed` does for each, over numbers they share.

    Args:
        matrix: who holds what.
        asked: some egos' questions, at least one; arrays take 12 MB for sixteen with 200,000
            interactions.
        parameters: without a cap on contacts, and hearing what came before as what came after.
        workers: each takes some of the egos.
    """
    part_count = max(1, min(workers.count, len(asked) // _EGOS_A_WORKER))
    part = -(-len(asked) // part_count)
    parts = [asked[start : start + part] for start in range(0, len(asked), part)]
    found = workers.run([partial(_pushed_together, matrix, each, parameters) for each in parts])
    return [each for of_part in found for each in of_part]


def _pushed_together(
    matrix: HoldingMatrix, asked: Sequence[Asked], parameters: SalsaParameters
) -> list[Found]:
    p, scale = parameters, matrix.scale
    egos = [np.array([ego for ego in each.egos if ego >= 0], np.int32) for each in asked]
    marks = np.zeros(matrix.shape[0], np.int32)
    for each, present in zip(asked, egos, strict=True):
        shares = each.trust.shares
        _marked(shares.indices, shares.data, present, each.standing[0], marks)
    users = np.flatnonzero(marks).astype(np.int32)
    marks[users] = np.arange(1, len(users) + 1, dtype=np.int32)
    reference = matrix.reference
    own_items = np.concatenate([each.profile[0] for each in asked])
    ends, columns, weights, items, places = cut_arrays(reference.by_user, users, own_items)
    rows, by_item = (ends, columns, weights), turned(ends, columns, weights, len(items))
    volumes = reference.user_sums[users] * scale
    own = [marks[present] - 1 for present in egos]
    tau, voices, contact_egos, contact_ends, share_users, share_data = _localised(
        asked, egos, own, marks, len(users)
    )
    tastes = _tastes(asked, places)
    brought, most = np.zeros(tau.shape), np.zeros(len(asked))
    if p.open_gain > 1.0:
        says, says_ends, says_taste = _joined([features(*taste) for taste in tastes])
        most = foretold(
            *rows, volumes, scale, len(items), voices, says, says_ends, says_taste,
            p.open_exponent, p.open_doubt, brought,
        )  # fmt: skip
    rhos = np.array([p.rho if each.has_profile else 0.0 for each in asked])
    mass = (1.0 - rhos)[:, np.newaxis] * tau
    amounts = np.divide(mass, volumes, out=np.zeros(tau.shape), where=volumes > 0.0)
    # In one piece: glibc keeps what was freed up to twice the largest piece. In three pieces a pass
    # would give its pages back and the next ask for them anew, for a fifth of its time (measured).
    block = np.empty((6 * len(asked), len(items)))
    sums = block[: 4 * len(asked)]
    summed(*by_item, np.concatenate([tau, voices, brought, amounts]).T.copy(), sums)
    held, heard, evidence, at_items, passed, scores = block.reshape(6, len(asked), len(items))
    held *= scale
    block[len(sums) :] = 0.0
    hub_mass = mass.copy()
    liked, liked_ends, liked_taste = _joined(tastes)
    started = _propagated(
        *rows, *by_item, volumes, scale, tau, liked, liked_ends, liked_taste, held, rhos,
        p.kappa, p.eta, p.alpha, p.rounds, mass, at_items, passed, hub_mass,
    )  # fmt: skip
    votes = _outgoing(hub_mass, volumes, p.theta)
    voted(
        *by_item, votes, tau, contact_egos, contact_ends, share_users, share_data,
        p.contact_exponent, scores,
    )  # fmt: skip
    found: list[Found] = []
    for number in range(len(asked)):
        scores[number, tastes[number][0]] = 0.0
        finished(
            ends, columns, own[number], scale,
            held[number], heard[number], evidence[number], most[number],
            p.kappa, p.popularity_exponent, p.contact_exponent,
            p.open_gain, p.open_popularity_exponent, scores[number],
        )  # fmt: skip
        of_items = scores[number], held[number], passed[number]
        found.append(
            (users, items, *of_items, hub_mass[number], votes[number], float(started[number]))
        )
    return found


def _localised(
    asked: Sequence[Asked], egos: Sequence[Ints], own: Sequence[Ints], marks: Ints, count: int
) -> tuple[Values, Values, Ints, Ints, Ints, Values]:
    """Return tau and voices of the egos; whose each contact is, where its shares are, and these."""
    tau, voices = np.zeros((len(asked), count)), np.zeros((len(asked), count))
    users: list[Ints] = []
    data: list[Values] = []
    for number, each in enumerate(asked):
        shares = each.trust.shares
        share_users, share_data, tau[number], voices[number] = localised(
            shares.indices, shares.data, egos[number], *each.standing, marks, count
        )
        voices[number, own[number]] = 0.0
        users.append(share_users)
        data.append(share_data)
    lengths = [np.diff(each.trust.shares.indptr) for each in asked]
    whose = np.repeat(np.arange(len(asked), dtype=np.int32), [len(each) for each in lengths])
    ends = np.zeros(len(whose) + 1, np.int32)
    np.cumsum(np.concatenate(lengths), out=ends[1:])
    return tau, voices, whose, ends, np.concatenate(users), np.concatenate(data)


def _tastes(asked: Sequence[Asked], places: Ints) -> list[Sparse]:
    """Return each ego's taste, over places."""
    tastes: list[Sparse] = []
    done = 0
    for each in asked:
        taste = each.profile[1]
        at = places[done : done + len(taste)]
        done += len(taste)
        tastes.append((at[taste > 0.0], taste[taste > 0.0]))
    return tastes


def _joined(parts: Sequence[Sparse]) -> tuple[Ints, Ints, Values]:
    """Return the numbers of all, where each one's are, and the values."""
    numbers, values = zip(*parts, strict=True)
    ends = np.zeros(len(parts) + 1, np.int32)
    np.cumsum([len(each) for each in numbers], out=ends[1:])
    return np.concatenate(numbers), ends, np.concatenate(values)


def _propagate(
    ends: Ints,
    columns: Ints,
    weights: Weights,
    item_ends: Ints,
    holders: Ints,
    item_weights: Weights,
    volumes: Values,
    scale: float,
    tau: Values,
    own: Ints,
    own_ends: Ints,
    tastes: Values,
    held: Values,
    rhos: Values,
    kappa: float,
    eta: float,
    alpha: float,
    rounds: int,
    mass: Values,
    at_items: Values,
    passed: Values,
    hub_mass: Values,
) -> Values:
    """Move the mass; return `started` of each ego.

    Args:
        ends: of the rows.
        columns: of the rows.
        weights: of the rows.
        item_ends: of the rows by item.
        holders: of the rows by item.
        item_weights: of the rows by item.
        volumes: of the users.
        scale: of the weights.
        tau: float64[egos, users]; trust.
        own: items of taste, ego by ego.
        own_ends: int32[egos + 1]; where each ego's are.
        tastes: of these.
        held: float64[egos, items]; as in `tastemesh.ranking.salsa.Scores`.
        rhos: of the egos; 0 without taste.
        kappa: see `SalsaParameters`, as the next three.
        eta: exponent.
        alpha: decay.
        rounds: how often the mass is at the users.
        mass: float64[egos, users]; at the users at first; written over.
        at_items: float64[egos, items]; what that mass brings there, without the scale; written
            over.
        passed: float64[egos, items]; 0 before; becomes that of `Scores`.
        hub_mass: float64[egos, users]; the mass before; becomes that of `Scores`.
    """
    ego_count, user_count = tau.shape
    item_count = held.shape[1]
    ego_mass = rhos.copy()
    started = 1.0 - rhos
    taken = np.empty((ego_count, user_count))
    lanes = np.empty((item_count, ego_count))
    for number in range(1, rounds):
        weight = (1.0 - alpha) ** number
        if number > 1:
            amounts = np.zeros((user_count, ego_count))
            for user in range(user_count):
                if volumes[user] > 0.0:
                    for ego in range(ego_count):
                        amounts[user, ego] = mass[ego, user] / volumes[user]
            summed(item_ends, holders, item_weights, amounts, at_items)
        for ego in range(ego_count):
            here, total = at_items[ego], passed[ego]
            here *= scale
            for at in range(own_ends[ego], own_ends[ego + 1]):
                here[own[at]] += ego_mass[ego] * tastes[at]
            for item in range(item_count):
                total[item] += weight * here[item]
            if eta == 1.0:
                for item in range(item_count):
                    here[item] *= 1.0 / (kappa + held[ego, item])
            else:
                for item in range(item_count):
                    here[item] *= (kappa + held[ego, item]) ** -eta
        for item in range(item_count):
            for ego in range(ego_count):
                lanes[item, ego] = at_items[ego, item]
        summed(ends, columns, weights, lanes, taken)
        for ego in range(ego_count):
            before, after = 0.0, 0.0
            for user in range(user_count):
                before += mass[ego, user]
                mass[ego, user] = tau[ego, user] * taken[ego, user] * scale
            for user in range(user_count):
                after += mass[ego, user]
            returned = ego_mass[ego] + before - after
            ego_mass[ego] = returned * rhos[ego]
            started[ego] += weight * returned * (1.0 - rhos[ego])
            for user in range(user_count):
                mass[ego, user] += returned * (1.0 - rhos[ego]) * tau[ego, user]
                hub_mass[ego, user] += weight * mass[ego, user]
    return started


def _mark(indices: Ints, shares: Values, egos: Ints, heard: Ints, marks: Ints) -> None:
    """Mark the users that matter to an ego."""
    for at in range(len(indices)):
        if shares[at] > 0.0:
            marks[indices[at]] = 1
    for numbers in (egos, heard):
        for user in numbers:
            marks[user] = 1


def _go_out(hub_mass: Values, volumes: Values, theta: float) -> Values:
    votes = np.zeros(hub_mass.shape)
    for user in range(len(volumes)):
        if volumes[user] > 0.0:
            rate = volumes[user] ** -theta
            for ego in range(len(votes)):
                votes[ego, user] = hub_mass[ego, user] * rate
    return votes


_propagated = compiled(_propagate, error_model="numpy")
_marked = compiled(_mark)
_outgoing = compiled(_go_out)
