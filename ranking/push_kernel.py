"""`tastemesh.ranking.push` in one compiled piece (numba, extra `fast`).

The formulas are those of `tastemesh.ranking.salsa` and `tastemesh.ranking.evidence`, and the sums
are in the same order; what is saved is numpy's overhead for each of some hundred small arrays.
"""

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.compiled import compiled
from tastemesh.ranking.contacts import ContactTrust
from tastemesh.ranking.evidence import features
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.product_kernel import cut_arrays
from tastemesh.ranking.push_finish import finished, foretold
from tastemesh.ranking.push_vote import voted

Sparse = tuple[NDArray[np.int32], NDArray[np.float64]]
Values = NDArray[np.float64]
# What users bring to items that does not wait for the walk: trust, the first mass, voices and
# evidence. Two lines of a vector unit at most, and half a line of the cache.
_LANES = 4

Found = tuple[NDArray[np.int32], NDArray[np.int32], Values, Values, Values, Values, Values, float]


def pushed(
    matrix: HoldingMatrix,
    trust: ContactTrust,
    egos: NDArray[np.int32],
    parameters: SalsaParameters,
    profile: Sparse,
    has_profile: bool,
    standing: Sparse,
) -> Found:
    """Return `tastemesh.ranking.push.Pushed`, from its users to what was started.

    Args:
        matrix: who holds what.
        trust: ego's trust by contact.
        egos: ego's user numbers.
        parameters: without a cap on contacts, and hearing what came before as what came after.
        profile: ego's taste over some items, rising.
        has_profile: see `tastemesh.ranking.push.Asked`.
        standing: who is heard in open evidence, and how much.
    """
    p = parameters
    shares = trust.shares
    marks = np.zeros(matrix.shape[0], np.int32)
    users = _carriers(shares.indices, shares.data, egos, standing[0], marks)
    share_users, share_data, tau, voices = localised(
        shares.indices, shares.data, egos, *standing, marks, len(users)
    )
    reference = matrix.reference
    ends, columns, weights, items, places = cut_arrays(reference.by_user, users, profile[0])
    weighs = profile[1] > 0.0
    taste = np.zeros(len(items))
    taste[places] = profile[1]
    numbers, tastes = features(places[weighs], profile[1][weighs])
    own = marks[egos] - 1
    voices[own] = 0.0
    held, passed, scores = np.zeros(len(items)), np.zeros(len(items)), np.zeros(len(items))
    hub_mass, votes = np.zeros(len(users)), np.zeros(len(users))
    started = _ranked(
        ends, columns, weights, reference.user_sums[users] * matrix.scale,
        matrix.scale, tau, voices, own, taste, numbers, tastes,
        shares.indptr, share_users, share_data,
        p.rho if has_profile else 0.0, p.kappa, p.eta, p.alpha, p.rounds, p.theta,
        p.popularity_exponent, p.contact_exponent, p.open_gain, p.open_exponent, p.open_doubt,
        p.open_popularity_exponent,
        held, passed, scores, hub_mass, votes,
    )  # fmt: skip
    return users, items, scores, held, passed, hub_mass, votes, started


def _find_carriers(
    indices: NDArray[np.int32],
    data: NDArray[np.float64],
    egos: NDArray[np.int32],
    heard: NDArray[np.int32],
    marks: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Collect the users that matter, rising; mark each with its place and 1."""
    found = np.empty(len(indices) + len(egos) + len(heard), np.int32)
    count = 0
    for at in range(len(indices)):
        if data[at] > 0.0 and marks[indices[at]] == 0:
            marks[indices[at]] = 1
            found[count] = indices[at]
            count += 1
    for numbers in (egos, heard):
        for user in numbers:
            if marks[user] == 0:
                marks[user] = 1
                found[count] = user
                count += 1
    users = np.sort(found[:count])
    for at in range(count):
        marks[users[at]] = at + 1
    return users


def _localise(
    indices: NDArray[np.int32],
    data: NDArray[np.float64],
    egos: NDArray[np.int32],
    heard: NDArray[np.int32],
    voice: NDArray[np.float64],
    marks: NDArray[np.int32],
    user_count: int,
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares' users and values, tau and voices, over the places of the carriers."""
    is_ego = np.zeros(user_count, np.bool_)
    for ego in egos:
        is_ego[marks[ego] - 1] = True
    users = np.zeros(len(indices), np.int32)
    values = np.zeros(len(indices))
    tau = np.zeros(user_count)
    for at in range(len(indices)):
        if data[at] > 0.0:
            place = marks[indices[at]] - 1
            users[at] = place
            if not is_ego[place]:
                values[at] = data[at]
                tau[place] += data[at]
    voices = np.zeros(user_count)
    for at in range(len(heard)):
        voices[marks[heard[at]] - 1] = voice[at]
    return users, values, tau, voices


def _spread_lanes(
    indptr: NDArray[np.int32],
    columns: NDArray[np.int32],
    data: NDArray[np.float32],
    rates: NDArray[np.float64],
    item_count: int,
) -> NDArray[np.float64]:
    """Return what users bring to each item, float64[items, lanes], in one reading of the rows."""
    result = np.zeros((item_count, _LANES))
    for user in range(len(rates)):
        for at in range(np.uint32(indptr[user]), np.uint32(indptr[user + 1])):
            item, weight = np.uint32(columns[at]), data[at]
            for lane in range(_LANES):
                result[item, lane] += rates[user, lane] * weight
    return result


def _rank(
    indptr: NDArray[np.int32],
    columns: NDArray[np.int32],
    data: NDArray[np.float32],
    volumes: NDArray[np.float64],
    scale: float,
    tau: NDArray[np.float64],
    voices: NDArray[np.float64],
    own: NDArray[np.int32],
    profile: NDArray[np.float64],
    features: NDArray[np.int32],
    tastes: NDArray[np.float64],
    share_indptr: NDArray[np.int32],
    share_users: NDArray[np.int32],
    share_data: NDArray[np.float64],
    rho: float,
    kappa: float,
    eta: float,
    alpha: float,
    rounds: int,
    theta: float,
    popularity_exponent: float,
    contact_exponent: float,
    open_gain: float,
    open_exponent: float,
    open_doubt: float,
    open_popularity_exponent: float,
    held: NDArray[np.float64],
    passed: NDArray[np.float64],
    scores: NDArray[np.float64],
    hub_mass: NDArray[np.float64],
    votes: NDArray[np.float64],
) -> float:
    """Rank; fills the last five arrays, and returns `tastemesh.ranking.salsa.Scores.started`."""
    user_count, item_count = len(volumes), len(held)
    mass = (1.0 - rho) * tau
    rates = np.zeros((user_count, _LANES))
    rates[:, 0] = tau
    for user in range(user_count):
        if volumes[user] > 0.0:
            rates[user, 1] = mass[user] / volumes[user]
    rates[:, 2] = voices
    most = 0.0
    if open_gain > 1.0:
        brought = np.zeros((1, user_count))
        most = foretold(
            indptr, columns, data, volumes, scale, item_count, voices.reshape(1, user_count),
            features, np.array([0, len(features)], np.int32), tastes,
            open_exponent, open_doubt, brought,
        )[0]  # fmt: skip
        rates[:, 3] = brought[0]
    lanes = _spread(indptr, columns, data, rates, item_count)
    held[:] = lanes[:, 0] * scale
    rate = np.empty(item_count)
    for item in range(item_count):
        rate[item] = 1.0 / (kappa + held[item]) if eta == 1.0 else (kappa + held[item]) ** -eta
    ego_mass = rho
    hub_mass[:] = mass
    started = 1.0 - rho
    at_items = lanes[:, 1].copy()
    for number in range(1, rounds):
        if number > 1:
            at_items[:] = 0.0
            for user in range(user_count):
                if mass[user] != 0.0 and volumes[user] > 0.0:
                    amount = mass[user] / volumes[user]
                    for at in range(indptr[user], indptr[user + 1]):
                        at_items[columns[at]] += amount * data[at]
        weight = (1.0 - alpha) ** number
        for item in range(item_count):
            at_items[item] = ego_mass * profile[item] + at_items[item] * scale
            passed[item] += weight * at_items[item]
            at_items[item] *= rate[item]
        returned = ego_mass + mass.sum()
        for user in range(user_count):
            mass[user] = 0.0
            if tau[user] > 0.0:
                taken = 0.0
                for at in range(np.uint32(indptr[user]), np.uint32(indptr[user + 1])):
                    taken += at_items[np.uint32(columns[at])] * data[at]
                mass[user] = tau[user] * taken * scale
        returned -= mass.sum()
        ego_mass = returned * rho
        for user in range(user_count):
            mass[user] += returned * (1.0 - rho) * tau[user]
            hub_mass[user] += weight * mass[user]
        started += weight * returned * (1.0 - rho)
    for user in range(user_count):
        if volumes[user] > 0.0:
            votes[user] = hub_mass[user] * volumes[user] ** -theta
    voted(
        indptr, columns, data, votes, tau, share_indptr, share_users, share_data, contact_exponent,
        scores,
    )  # fmt: skip
    for item in range(item_count):
        if profile[item] > 0.0:
            scores[item] = 0.0
    finished(
        indptr, columns, own, scale, held, lanes[:, 2].copy(), lanes[:, 3].copy(), most,
        kappa, popularity_exponent, contact_exponent, open_gain, open_popularity_exponent, scores,
    )  # fmt: skip
    return started


_carriers = compiled(_find_carriers)
localised = compiled(_localise)
_spread = compiled(_spread_lanes)
_ranked = compiled(_rank)
