"""Sums over rows for many masses at once, compiled: lanes side by side (extra `fast`).

A row's entries are read once for all lanes. Each lane's sum has the terms that it would have alone,
in the order of the entries; in between come only zeros.
"""

import numpy as np

from tastemesh.ranking.compiled import compiled
from tastemesh.ranking.push_finish import Ints, Values, Weights

Rows = tuple[Ints, Ints, Weights]

# Lines whose sums wait in a near cache to be written out, lane by lane: of 32 lanes they are 16 kB.
# Of 16 lines a time it takes a quarter longer, as each lane has a place of its own (measured).
_LINES_A_TILE = 64
# Contacts a reading of the rows. With 32 or 48 a whole push takes at least 5 % longer (measured, 92
# contacts and 1,100 users).
CONTACTS_A_PASS = 96


def _turn(indptr: Ints, columns: Ints, data: Weights, item_count: int) -> Rows:
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


def _sum_tile(
    ends: Ints, numbers: Ints, weights: Weights, mass: Values, first: int, last: int, tile: Values
) -> None:
    """Fill the sums of some lines; entries by twos, each sum still in their order.

    The numbers are taken as unsigned: of signed ones it would be asked whether they are below 0.
    """
    lanes = mass.shape[1]
    for line in range(first, last):
        sums = tile[line - first]
        at, end = ends[line], ends[line + 1]
        if (end - at) % 2 == 1:
            row, weight = mass[np.uint32(numbers[at])], np.float64(weights[at])
            for lane in range(lanes):
                sums[lane] = 0.0 + row[lane] * weight  # 0.0 where the product is -0.0
            at += 1
        else:
            for lane in range(lanes):
                sums[lane] = 0.0
        while at < end:
            row, weight = mass[np.uint32(numbers[at])], np.float64(weights[at])
            second, second_weight = mass[np.uint32(numbers[at + 1])], np.float64(weights[at + 1])
            for lane in range(lanes):
                sums[lane] = (sums[lane] + row[lane] * weight) + second[lane] * second_weight
            at += 2


def _sum(ends: Ints, numbers: Ints, weights: Weights, mass: Values, result: Values) -> None:
    """Fill the sum over each line's entries.

    Args:
        ends: of the lines.
        numbers: of the lines; rows of the mass.
        weights: of the lines.
        mass: float64[:, lanes].
        result: float64[lanes, lines].
    """
    lanes, count = result.shape
    tile = np.empty((_LINES_A_TILE, lanes))
    for first in range(0, count, _LINES_A_TILE):
        last = min(first + _LINES_A_TILE, count)
        _summed_tile(ends, numbers, weights, mass, first, last, tile)
        for lane in range(lanes):
            for line in range(first, last):
                result[lane, line] = tile[line - first, lane]


def _vote(
    ends: Ints,
    users: Ints,
    weights: Weights,
    votes: Values,
    tau: Values,
    contact_egos: Ints,
    contact_ends: Ints,
    share_users: Ints,
    share_data: Values,
    exponent: float,
    scores: Values,
) -> None:
    """Add sum_c s_c(j)^q to each ego's scores.

    Args:
        ends: of the rows by item.
        users: of the rows by item.
        weights: of the rows by item.
        votes: float64[egos, users].
        tau: float64[egos, users].
        contact_egos: whose each contact is, rising.
        contact_ends: int32[contacts + 1]; where each contact's shares are.
        share_users: of the shares.
        share_data: of the shares.
        exponent: q.
        scores: float64[egos, items].
    """
    item_count, contact_count = scores.shape[1], len(contact_egos)
    passes = max(1, -(-contact_count // CONTACTS_A_PASS))
    lanes = max(1, -(-contact_count // passes))
    # Eight are two steps of a processor that adds four at once.
    width = -(-lanes // 8) * 8
    tile = np.empty((_LINES_A_TILE, width))
    flat = tile.ravel()
    for start in range(0, contact_count, lanes):
        stop = min(start + lanes, contact_count)
        rates = np.zeros((votes.shape[1], width))
        for contact in range(start, stop):
            ego = contact_egos[contact]
            for share in range(contact_ends[contact], contact_ends[contact + 1]):
                user = share_users[share]
                if share_data[share] > 0.0 and votes[ego, user] > 0.0:
                    rate = share_data[share] * votes[ego, user] / tau[ego, user]
                    rates[user, contact - start] += rate
        for first in range(0, item_count, _LINES_A_TILE):
            last = min(first + _LINES_A_TILE, item_count)
            _summed_tile(ends, users, weights, rates, first, last, tile)
            if exponent == 0.5:
                for at in range((last - first) * width):
                    flat[at] = np.sqrt(flat[at])
            elif exponent != 1.0:
                for at in range((last - first) * width):
                    flat[at] = flat[at] ** exponent
            for contact in range(start, stop):
                total = scores[contact_egos[contact]]
                for item in range(first, last):
                    total[item] += tile[item - first, contact - start]


turned = compiled(_turn)
_summed_tile = compiled(_sum_tile)
summed = compiled(_sum)
voted = compiled(_vote)
