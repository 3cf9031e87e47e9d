"""Several egos' pushes in one piece: the rows are read once for all of them (numba, extra `fast`).

Egos of one window trust many of the same people. So the rows that any of them needs are cut out
once, and each pass over these moves the mass of all egos, whose amounts lie side by side. The
formulas are those of `tastemesh.ranking.push_kernel`, and each ego's sums have the same terms in
the same order, zeros in between: the answer is what each alone would get, bit for bit.
"""

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.evidence import features
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.product_kernel import cut_arrays, scatter_many_into
from tastemesh.ranking.push import Asked
from tastemesh.ranking.push_kernel import CONTACT_BLOCK, Found, finished, localised


def pushed_many(
    matrix: HoldingMatrix, asked: Sequence[Asked], parameters: SalsaParameters
) -> list[Found]:
    """Return what `tastemesh.ranking.push_kernel.pushed` does for each, over numbers they share.

    Args:
        matrix: who holds what.
        asked: some egos' questions, at least one; arrays take 4 MB for eight with 200,000
            interactions.
        parameters: without a cap on contacts, and hearing what came before as what came after.
    """
    p, scale = parameters, matrix.scale
    egos = [np.array([ego for ego in each.egos if ego >= 0], np.int32) for each in asked]
    marks = np.zeros(matrix.shape[0], np.int32)
    for each, present in zip(asked, egos, strict=True):
        shares = each.trust.shares
        marks[shares.indices[shares.data > 0.0]] = 1
        marks[present] = marks[each.standing[0]] = 1
    users = np.flatnonzero(marks).astype(np.int32)
    marks[users] = np.arange(1, len(users) + 1, dtype=np.int32)
    reference = matrix.reference
    own_items = np.concatenate([each.profile[0] for each in asked])
    ends, columns, weights, items, places = cut_arrays(reference.by_user, users, own_items)
    volumes = reference.user_sums[users] * scale
    size = len(users), len(items), len(asked)
    tau, voices = np.zeros((size[0], size[2])), np.zeros((size[0], size[2]))
    profile = np.zeros((size[1], size[2]))
    local, regressed = [], []
    done = 0
    for number, each in enumerate(asked):
        shares, taste = each.trust.shares, each.profile[1]
        share_users, share_data, tau[:, number], voices[:, number] = localised(
            shares.indices, shares.data, egos[number], *each.standing, marks, len(users)
        )
        at = places[done : done + len(taste)]
        done += len(taste)
        at, taste = at[taste > 0.0], taste[taste > 0.0]
        profile[at, number] = taste
        regressed.append(features(at, taste))
        own = marks[egos[number]] - 1
        voices[own, number] = 0.0
        local.append((own, share_users, share_data))
    held, passed, heard = (np.zeros((size[1], size[2])) for _ in range(3))
    hub_mass = np.zeros((size[0], size[2]))
    started = _propagated(
        ends, columns, weights, volumes, scale, tau, voices, profile,
        p.rho, p.kappa, p.eta, p.alpha, p.rounds, held, passed, heard, hub_mass,
    )  # fmt: skip
    votes = _outgoing(hub_mass, volumes, p.theta)
    by_item = _turned(ends, columns, weights, len(items))
    found: list[Found] = []
    for number, each in enumerate(asked):
        own, share_users, share_data = local[number]
        held_by, heard_by, passed_by, hub, vote, trusted, voice = (
            np.ascontiguousarray(lanes[:, number])
            for lanes in (held, heard, passed, hub_mass, votes, tau, voices)
        )
        scores = np.zeros(len(items))
        _voted_by_item(
            *by_item, vote, trusted,
            each.trust.shares.indptr, share_users, share_data, p.contact_exponent, scores,
        )  # fmt: skip
        finished(
            ends, columns, weights, volumes, scale, voice, own, *regressed[number],
            heard_by, held_by, p.kappa, p.popularity_exponent, p.contact_exponent,
            p.open_gain, p.open_exponent, p.open_doubt, p.open_popularity_exponent,
            scores,
        )  # fmt: skip
        found.append((users, items, scores, held_by, passed_by, hub, vote, float(started[number])))
    return found


def _propagate(
    indptr: NDArray[np.int32],
    columns: NDArray[np.int32],
    data: NDArray[np.float32],
    volumes: NDArray[np.float64],
    scale: float,
    tau: NDArray[np.float64],
    voices: NDArray[np.float64],
    profile: NDArray[np.float64],
    rho: float,
    kappa: float,
    eta: float,
    alpha: float,
    rounds: int,
    held: NDArray[np.float64],
    passed: NDArray[np.float64],
    heard: NDArray[np.float64],
    hub_mass: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Fill the last four arrays, and return `started` of each ego."""
    user_count, ego_count = tau.shape
    item_count = len(profile)
    scatter_many_into(indptr, columns, data, tau, held)
    scatter_many_into(indptr, columns, data, voices, heard)
    rate = np.empty((item_count, ego_count))
    rhos = np.zeros(ego_count)
    for item in range(item_count):
        for ego in range(ego_count):
            if profile[item, ego] != 0.0:
                rhos[ego] = rho
            held[item, ego] *= scale
            base = kappa + held[item, ego]
            rate[item, ego] = 1.0 / base if eta == 1.0 else base**-eta
    ego_mass = rhos.copy()
    started = 1.0 - rhos
    mass = np.empty((user_count, ego_count))
    for user in range(user_count):
        for ego in range(ego_count):
            mass[user, ego] = (1.0 - rhos[ego]) * tau[user, ego]
            hub_mass[user, ego] = mass[user, ego]
    amounts = np.empty((user_count, ego_count))
    taken = np.empty(ego_count)
    returned = np.empty(ego_count)
    for number in range(1, rounds):
        for user in range(user_count):
            for ego in range(ego_count):
                has_mass = mass[user, ego] != 0.0 and volumes[user] > 0.0
                amounts[user, ego] = mass[user, ego] / volumes[user] if has_mass else 0.0
        at_items = np.zeros((item_count, ego_count))
        scatter_many_into(indptr, columns, data, amounts, at_items)
        weight = (1.0 - alpha) ** number
        for item in range(item_count):
            for ego in range(ego_count):
                amount = ego_mass[ego] * profile[item, ego] + at_items[item, ego] * scale
                passed[item, ego] += weight * amount
                at_items[item, ego] = amount * rate[item, ego]
        for ego in range(ego_count):
            total = 0.0
            for user in range(user_count):
                total += mass[user, ego]
            returned[ego] = ego_mass[ego] + total
        for user in range(user_count):
            taken[:] = 0.0
            for at in range(indptr[user], indptr[user + 1]):
                here, held_with = at_items[columns[at]], data[at]
                for ego in range(ego_count):
                    taken[ego] += here[ego] * held_with
            for ego in range(ego_count):
                trusted = tau[user, ego] > 0.0
                mass[user, ego] = tau[user, ego] * taken[ego] * scale if trusted else 0.0
        for ego in range(ego_count):
            total = 0.0
            for user in range(user_count):
                total += mass[user, ego]
            returned[ego] -= total
            ego_mass[ego] = returned[ego] * rhos[ego]
            started[ego] += weight * returned[ego] * (1.0 - rhos[ego])
        for user in range(user_count):
            for ego in range(ego_count):
                mass[user, ego] += returned[ego] * (1.0 - rhos[ego]) * tau[user, ego]
                hub_mass[user, ego] += weight * mass[user, ego]
    return started


def _go_out(
    hub_mass: NDArray[np.float64], volumes: NDArray[np.float64], theta: float
) -> NDArray[np.float64]:
    votes = np.zeros(hub_mass.shape)
    for user in range(len(volumes)):
        if volumes[user] > 0.0:
            rate = volumes[user] ** -theta
            for ego in range(hub_mass.shape[1]):
                votes[user, ego] = hub_mass[user, ego] * rate
    return votes


def _turn(
    indptr: NDArray[np.int32],
    columns: NDArray[np.int32],
    data: NDArray[np.float32],
    item_count: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Return the rows by item, users rising."""
    ends = np.zeros(item_count + 1, np.int32)
    for column in columns:
        ends[column + 1] += 1
    for item in range(item_count):
        ends[item + 1] += ends[item]
    users, weights = np.empty(len(columns), np.int32), np.empty(len(columns), np.float32)
    free = ends[:-1].copy()
    for user in range(len(indptr) - 1):
        for at in range(indptr[user], indptr[user + 1]):
            place = free[columns[at]]
            users[place], weights[place] = user, data[at]
            free[columns[at]] = place + 1
    return ends, users, weights


def _vote_by_item(
    ends: NDArray[np.int32],
    users: NDArray[np.int32],
    weights: NDArray[np.float32],
    votes: NDArray[np.float64],
    tau: NDArray[np.float64],
    share_indptr: NDArray[np.int32],
    share_users: NDArray[np.int32],
    share_data: NDArray[np.float64],
    exponent: float,
    scores: NDArray[np.float64],
) -> None:
    """Add sum_c s_c(j)^q to the scores, a few contacts at a time; an item's sums stay at hand."""
    rates = np.empty((len(votes), CONTACT_BLOCK))
    brought = np.empty(CONTACT_BLOCK)
    for first in range(0, len(share_indptr) - 1, CONTACT_BLOCK):
        rates[:] = 0.0
        for contact in range(first, min(first + CONTACT_BLOCK, len(share_indptr) - 1)):
            for share in range(share_indptr[contact], share_indptr[contact + 1]):
                user = share_users[share]
                if share_data[share] > 0.0 and votes[user] > 0.0:
                    rates[user, contact - first] += share_data[share] * votes[user] / tau[user]
        for item in range(len(scores)):
            brought[:] = 0.0
            for at in range(ends[item], ends[item + 1]):
                mine, weight = rates[users[at]], weights[at]
                for place in range(CONTACT_BLOCK):
                    brought[place] += mine[place] * weight
            for place in range(CONTACT_BLOCK):
                if brought[place] > 0.0:
                    if exponent == 1.0:
                        scores[item] += brought[place]
                    elif exponent == 0.5:
                        scores[item] += np.sqrt(brought[place])
                    else:
                        scores[item] += brought[place] ** exponent


try:
    _propagated = numba.njit(cache=True, nogil=True)(_propagate)
    _outgoing = numba.njit(cache=True, nogil=True)(_go_out)
    _turned = numba.njit(cache=True, nogil=True)(_turn)
    _voted_by_item = numba.njit(cache=True, nogil=True)(_vote_by_item)
except RuntimeError:  # no writable folder for the cache, as in a locked-down service
    _propagated = numba.njit(nogil=True)(_propagate)
    _outgoing = numba.njit(nogil=True)(_go_out)
    _turned = numba.njit(nogil=True)(_turn)
    _voted_by_item = numba.njit(nogil=True)(_vote_by_item)
