"""A small community in which taste can be learned: two circles with items of their own."""

import numpy as np
import pytest

from tastemesh.sim.interactions import Endorsements, Interactions

USER_COUNT, ITEM_COUNT = 30, 26


def of(held: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> Interactions:
    user, item = np.nonzero(held)
    return Interactions(
        user_ids=tuple(f"u{at}" for at in range(held.shape[0])),
        item_ids=tuple(f"i{at}" for at in range(held.shape[1])),
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        weight=held[user, item].astype(np.float32),
    )


@pytest.fixture
def community() -> Interactions:
    """Even users hold two thirds of items 0 to 11, odd ones of 12 to 23; one item nobody holds."""
    rng = np.random.default_rng(5)
    held = np.zeros((USER_COUNT, ITEM_COUNT))
    for user in range(USER_COUNT):
        own = rng.choice(12, 8, replace=False) + 12 * (user % 2)
        held[user, own] = rng.integers(1, 9, 8)
        held[user, 24] = float(user % 3 == 0)
    return of(held)


@pytest.fixture
def endorsements() -> Endorsements:
    """Everybody endorses the next two of the same circle."""
    source = np.repeat(np.arange(USER_COUNT, dtype=np.int32), 2)
    step = np.tile(np.array([2, 4], dtype=np.int32), USER_COUNT)
    return Endorsements(
        ids=tuple(f"u{at}" for at in range(USER_COUNT)),
        source=source,
        subject=(source + step) % USER_COUNT,
        weight=np.ones(2 * USER_COUNT, dtype=np.float32),
    )
