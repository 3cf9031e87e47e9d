"""How many have published that they hold an item, for rules on what a user may publish."""

from collections.abc import Sequence

import numpy as np

from tastemesh.ranking.view import View


def holder_counts(view: View, items: Sequence[str], unseen: Sequence[bytes]) -> dict[str, int]:
    """Return how many hold each of some items, in one pass over the window.

    Args:
        view: who holds what.
        items: ids, known or not.
        unseen: ids of those who do not count.
    """
    numbers = view.item_numbers(items)
    item, user, _ = view.evidence_for(numbers[numbers >= 0])
    counts_for = np.ones(view.user_count, np.bool_)
    silent = view.user_numbers(unseen)
    counts_for[silent[silent >= 0]] = False
    heard = counts_for[user]
    pairs = np.unique(item[heard].astype(np.int64) * view.user_count + user[heard])
    held, counts = np.unique(pairs // max(1, view.user_count), return_counts=True)
    known = dict(zip(view.item_ids(held), counts.tolist(), strict=True))
    return {item: known.get(item, 0) for item in items}
