"""`tastemesh.ranking.push` in one compiled piece (numba, extra `fast`).

The formulas are those of `tastemesh.ranking.salsa` and `tastemesh.ranking.evidence`, and the sums
are in the same order; what is saved is numpy's overhead for each of some hundred small arrays.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.contacts import ContactTrust
from tastemesh.ranking.evidence import features
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.product_kernel import cut_arrays
from tastemesh.ranking.push_finish import finished, foretold

Sparse = tuple[NDArray[np.int32], NDArray[np.float64]]
Values = NDArray[np.float64]
# Contacts whose sums for an item are one line of the processor's cache, 64 bytes.
CONTACT_BLOCK = 8

Found = tuple[NDArray[np.int32], NDArray[np.int32], Values, Values, Values, Values, Values, float]


def pushed(
    matrix: HoldingMatrix,
    trust: ContactTrust,
    egos: NDArray[np.int32],
    parameters: SalsaParameters,
    profile: Sparse,
    standing: Sparse,
) -> Found:
    """Return `tastemesh.ranking.push.Pushed`, from its users to what was started.

    Args:
        matrix: who holds what.
        trust: ego's trust by contact.
        egos: ego's user numbers.
        parameters: without a cap on contacts, and hearing what came before as what came after.
        profile: ego's taste over its own items, rising.
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
    is_met = (places >= 0) & (profile[1] > 0.0)
    taste = np.zeros(len(items))
    taste[places[is_met]] = profile[1][is_met]
    numbers, tastes = features(places[is_met], profile[1][is_met])
    own = marks[egos] - 1
    voices[own] = 0.0
    held, passed, scores = np.zeros(len(items)), np.zeros(len(items)), np.zeros(len(items))
    hub_mass, votes = np.zeros(len(users)), np.zeros(len(users))
    started = _ranked(
        ends, columns, weights, reference.user_sums[users] * matrix.scale,
        matrix.scale, tau, voices, own, taste, numbers, tastes,
        shares.indptr, share_users, share_data,
        p.rho, p.kappa, p.eta, p.alpha, p.rounds, p.theta, p.popularity_exponent,
        p.contact_exponent, p.open_gain, p.open_exponent, p.open_doubt, p.open_popularity_exponent,
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


def _vote(
    indptr: NDArray[np.int32],
    columns: NDArray[np.int32],
    data: NDArray[np.float32],
    votes: NDArray[np.float64],
    tau: NDArray[np.float64],
    share_indptr: NDArray[np.int32],
    share_users: NDArray[np.int32],
    share_data: NDArray[np.float64],
    exponent: float,
    scores: NDArray[np.float64],
) -> None:
    """Add sum_c s_c(j)^q to the scores, a few contacts at a time.

    Many are reached through several contacts. So a user's row is read once for all of a block of
    them, whose sums for an item lie side by side; the order of each sum is that of the users.
    """
    rates = np.empty((len(votes), CONTACT_BLOCK))
    brought = np.empty((len(scores), CONTACT_BLOCK))
    for first in range(0, len(share_indptr) - 1, CONTACT_BLOCK):
        rates[:] = 0.0
        brought[:] = 0.0
        for contact in range(first, min(first + CONTACT_BLOCK, len(share_indptr) - 1)):
            for share in range(share_indptr[contact], share_indptr[contact + 1]):
                user = share_users[share]
                if share_data[share] > 0.0 and votes[user] > 0.0:
                    rates[user, contact - first] += share_data[share] * votes[user] / tau[user]
        for user in range(len(votes)):
            is_heard = False
            for place in range(CONTACT_BLOCK):
                is_heard = is_heard or rates[user, place] > 0.0
            if is_heard:
                for at in range(indptr[user], indptr[user + 1]):
                    item, weight = columns[at], data[at]
                    for place in range(CONTACT_BLOCK):
                        brought[item, place] += rates[user, place] * weight
        for item in range(len(scores)):
            for place in range(CONTACT_BLOCK):
                amount = brought[item, place]
                if amount > 0.0:
                    if exponent == 1.0:
                        scores[item] += amount
                    elif exponent == 0.5:
                        scores[item] += np.sqrt(amount)
                    else:
                        scores[item] += amount**exponent


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
    has_taste = False
    for item in range(item_count):
        has_taste = has_taste or profile[item] != 0.0
    if not has_taste:
        rho = 0.0
    for user in range(user_count):
        if tau[user] != 0.0:
            for at in range(indptr[user], indptr[user + 1]):
                held[columns[at]] += tau[user] * data[at]
    held *= scale
    rate = np.empty(item_count)
    for item in range(item_count):
        rate[item] = 1.0 / (kappa + held[item]) if eta == 1.0 else (kappa + held[item]) ** -eta
    ego_mass = rho
    mass = (1.0 - rho) * tau
    hub_mass[:] = mass
    started = 1.0 - rho
    at_items = np.zeros(item_count)
    for number in range(1, rounds):
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
        returned = ego_mass + mass.sum()
        for user in range(user_count):
            mass[user] = 0.0
            if tau[user] > 0.0:
                taken = 0.0
                for at in range(indptr[user], indptr[user + 1]):
                    item = columns[at]
                    taken += at_items[item] * rate[item] * data[at]
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
    _voted(
        indptr, columns, data, votes, tau, share_indptr, share_users, share_data, contact_exponent,
        scores,
    )  # fmt: skip
    heard = np.zeros(item_count)
    for user in range(user_count):
        if voices[user] > 0.0:
            for at in range(indptr[user], indptr[user + 1]):
                heard[columns[at]] += voices[user] * data[at]
    lanes = voices.reshape(1, user_count)
    brought = np.zeros((1, user_count))
    evidence = np.zeros(item_count)
    most = 0.0
    if open_gain > 1.0:
        most = foretold(
            indptr, columns, data, volumes, scale, item_count, lanes,
            features, np.array([0, len(features)], np.int32), tastes,
            open_exponent, open_doubt, brought,
        )[0]  # fmt: skip
        for user in range(user_count):
            if brought[0, user] != 0.0:
                for at in range(indptr[user], indptr[user + 1]):
                    evidence[columns[at]] += brought[0, user] * data[at]
    finished(
        indptr, columns, own, scale, held, heard, evidence, most,
        kappa, popularity_exponent, contact_exponent, open_gain, open_popularity_exponent, scores,
    )  # fmt: skip
    return started


try:
    _carriers = numba.njit(cache=True, nogil=True)(_find_carriers)
    localised = numba.njit(cache=True, nogil=True)(_localise)
    _voted = numba.njit(cache=True, nogil=True)(_vote)
    _ranked = numba.njit(cache=True, nogil=True)(_rank)
except RuntimeError:  # no writable folder for the cache, as in a locked-down service
    _carriers = numba.njit(nogil=True)(_find_carriers)
    localised = numba.njit(nogil=True)(_localise)
    _voted = numba.njit(nogil=True)(_vote)
    _ranked = numba.njit(nogil=True)(_rank)
