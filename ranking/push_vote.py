"""Votes of a push, combined contact by contact, compiled (extra `fast`).

Two orders of the same sums, and of the same terms within each. Where most contacts reach most
users, a user's row is read once for a block of contacts, whose sums for an item lie side by side.
Where each user is reached by few, most of these would be zeros: a contact's own users are read, and
only what they hold is looked at.
"""

import numpy as np

from tastemesh.ranking.compiled import compiled
from tastemesh.ranking.push_finish import Ints, Values, Weights

# Contacts whose sums for an item are one line of the processor's cache, 64 bytes.
CONTACT_BLOCK = 8

# Contacts by which a user is reached, of all there are, up to which each is followed alone. The two
# take the same time where it is .3 (measured, 20 contacts and 100 to 1,400 users).
_ALONE_UP_TO = 0.25


def _vote_alone(
    indptr: Ints,
    columns: Ints,
    data: Weights,
    votes: Values,
    tau: Values,
    share_indptr: Ints,
    share_users: Ints,
    share_data: Values,
    exponent: float,
    scores: Values,
) -> None:
    # What a contact brings to an item and what all have brought, in one line of the cache. Numbers
    # are taken as unsigned: of signed ones it would be asked whether they are below 0.
    sums = np.zeros((len(scores), 2))
    touched = np.empty(len(scores) + 1, np.uint32)
    for contact in range(len(share_indptr) - 1):
        count = 0
        for share in range(share_indptr[contact], share_indptr[contact + 1]):
            user = share_users[share]
            if share_data[share] > 0.0 and votes[user] > 0.0:
                rate = share_data[share] * votes[user] / tau[user]
                for at in range(np.uint32(indptr[user]), np.uint32(indptr[user + 1])):
                    item, amount = np.uint32(columns[at]), rate * data[at]
                    touched[count] = item
                    # No branch, as it cannot be foreseen. Of an amount above 0 it happens once.
                    count += (sums[item, 0] == 0.0) & (amount > 0.0)
                    sums[item, 0] += amount
        for at in range(count):
            item = touched[at]
            if exponent == 1.0:
                sums[item, 1] += sums[item, 0]
            elif exponent == 0.5:
                sums[item, 1] += np.sqrt(sums[item, 0])
            else:
                sums[item, 1] += sums[item, 0] ** exponent
            sums[item, 0] = 0.0
    scores += sums[:, 1]


def _vote_in_blocks(
    indptr: Ints,
    columns: Ints,
    data: Weights,
    votes: Values,
    tau: Values,
    share_indptr: Ints,
    share_users: Ints,
    share_data: Values,
    exponent: float,
    scores: Values,
) -> None:
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


def _vote(
    indptr: Ints,
    columns: Ints,
    data: Weights,
    votes: Values,
    tau: Values,
    share_indptr: Ints,
    share_users: Ints,
    share_data: Values,
    exponent: float,
    scores: Values,
) -> None:
    """Add sum_c s_c(j)^q to the scores.

    Args:
        indptr: of the users' rows.
        columns: of the rows.
        data: of the rows.
        votes: float64[users].
        tau: float64[users].
        share_indptr: of the contacts.
        share_users: of the shares.
        share_data: of the shares.
        exponent: q.
        scores: float64[items].
    """
    reached = 0
    for share in share_data:
        reached += share > 0.0
    if reached <= _ALONE_UP_TO * len(votes) * (len(share_indptr) - 1):
        _voted_alone(
            indptr, columns, data, votes, tau, share_indptr, share_users, share_data, exponent,
            scores,
        )  # fmt: skip
    else:
        _voted_in_blocks(
            indptr, columns, data, votes, tau, share_indptr, share_users, share_data, exponent,
            scores,
        )  # fmt: skip


_voted_alone = compiled(_vote_alone)
_voted_in_blocks = compiled(_vote_in_blocks)
voted = compiled(_vote)
