"""The parts of `tastemesh.ranking.reasons`, compiled by numba (extra `fast`).

The products are those of the numpy path and the sums in the same order, so both find the same, bit
for bit.
"""

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.compiled import compiled
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.push_vote import CONTACT_BLOCK
from tastemesh.ranking.reasons import Parts
from tastemesh.ranking.salsa import Scores


def find(matrix: HoldingMatrix, scores: Scores, items: NDArray[np.int32], found: Parts) -> None:
    """Fill one ego's lines; see `tastemesh.ranking.reasons.strongest`."""
    by_item, shares = matrix.reference.by_item, scores.trust.shares
    _found(
        by_item.indptr,
        by_item.indices,
        by_item.data,
        matrix.scale,
        items,
        shares.indptr,
        shares.indices,
        shares.data,
        scores.votes,
        *found,
    )


def _find(
    indptr: NDArray[np.int32],
    holders: NDArray[np.int32],
    weights: NDArray[np.float32],
    scale: float,
    items: NDArray[np.int32],
    share_indptr: NDArray[np.int32],
    share_users: NDArray[np.int32],
    share_data: NDArray[np.float64],
    votes: NDArray[np.float64],
    contacts: NDArray[np.int32],
    shares: NDArray[np.float64],
    users: NDArray[np.int32],
) -> None:
    """Fill the last three arrays.

    Args:
        indptr: of the matrix by item.
        holders: its indices.
        weights: its data.
        scale: of the weights.
        items: one a line; no such line in the matrix: nobody holds it.
        share_indptr: of the shares by contact.
        share_users: their indices.
        share_data: their data.
        votes: float64[users]; what a holding of weight 1 brings.
        contacts: see `Parts`; filled with -1.
        shares: see `Parts`.
        users: see `Parts`; filled with -1.
    """
    contact_count = len(share_indptr) - 1
    block_count = (contact_count + CONTACT_BLOCK - 1) // CONTACT_BLOCK
    # Trusted users get places from 1 on, with what came through each contact side by side; at
    # place 0 is who has no trust.
    room = min(len(share_users), len(votes)) + 1
    marks, known = np.zeros(len(votes), np.uint32), np.empty(room, np.int32)
    through = np.empty((room, block_count, CONTACT_BLOCK))
    count = 0
    for contact in range(contact_count):
        block, lane = contact // CONTACT_BLOCK, contact % CONTACT_BLOCK
        for at in range(share_indptr[contact], share_indptr[contact + 1]):
            user = share_users[at]
            if share_data[at] > 0.0:
                if marks[user] == 0:
                    count += 1
                    marks[user], known[count] = count, user
                    through[count] = 0.0
                through[marks[user], block, lane] += share_data[at]
    rates = np.zeros(count + 1)
    for place in range(1, count + 1):
        tau = 0.0
        for block in range(block_count):
            for lane in range(CONTACT_BLOCK):
                tau += through[place, block, lane]
        rates[place] = votes[known[place]] / tau
    longest = 0
    for item in items:
        if 0 <= item < len(indptr) - 1:
            longest = max(longest, indptr[item + 1] - indptr[item])
    places, amounts = np.empty(longest + 1, np.uint32), np.empty(longest + 1)
    sums, most = np.empty(block_count * CONTACT_BLOCK), np.empty(users.shape[2])
    for line in range(len(items)):
        item = items[line]
        if item < 0 or item >= len(indptr) - 1:
            continue
        length = 0
        for at in range(indptr[item], indptr[item + 1]):
            place = marks[holders[at]]
            places[length], amounts[length] = place, rates[place] * (weights[at] * scale)
            length += place > 0  # no branch: half of the holders at random would be mispredicted
        sums[:] = 0.0
        for block in range(block_count):
            lanes = sums[block * CONTACT_BLOCK : (block + 1) * CONTACT_BLOCK]
            for at in range(length):
                mine, amount = through[places[at], block], amounts[at]
                for lane in range(CONTACT_BLOCK):
                    lanes[lane] += mine[lane] * amount
        total = 0.0
        for contact in range(contact_count):
            total += sums[contact]
        for rank in range(contacts.shape[1]):
            best, largest = -1, 0.0
            for contact in range(contact_count):
                if sums[contact] > largest:
                    best, largest = contact, sums[contact]
            if best < 0:
                break
            contacts[line, rank], shares[line, rank] = best, largest / total
            sums[best] = 0.0
            if len(most) == 0:
                continue
            most[:] = least = 0.0
            block, lane = best // CONTACT_BLOCK, best % CONTACT_BLOCK
            for at in range(length):
                amount = through[places[at], block, lane] * amounts[at]
                if amount > least:
                    here = len(most) - 1
                    while here > 0 and amount > most[here - 1]:
                        most[here] = most[here - 1]
                        users[line, rank, here] = users[line, rank, here - 1]
                        here -= 1
                    most[here], users[line, rank, here] = amount, known[places[at]]
                    least = most[-1]


_found = compiled(_find)
