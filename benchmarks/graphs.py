"""Synthetic windows and endorsement graphs, seeded."""

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph

# Window of the design: 200,000 interactions of some thousand authors; degrees fall off as a power.
BATCH = 64
ITEM_EXPONENT = 0.8
NOW_S = 1_700_000_000


def identity(number: int) -> bytes:
    """Return the id of the synthetic identity with this number."""
    return number.to_bytes(32, "big")


def interactions(count: int, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return who takes up what: user and item of each interaction, grouped in batches of users."""
    rng = np.random.default_rng(seed)
    user_count, item_count = max(20, count // 50), max(50, count // 12)
    batches = -(-count // BATCH)
    users = np.repeat(rng.integers(0, user_count, batches), BATCH)[:count]
    appeal = np.arange(1, item_count + 1) ** -ITEM_EXPONENT
    items = rng.choice(item_count, size=count, p=appeal / appeal.sum())
    return users, items


def filled_view(count: int, seed: int = 0) -> View:
    """Return a view with that many interactions."""
    view = View()
    users, items = interactions(count, seed)
    for number, start in enumerate(range(0, count, BATCH), 1):
        batch = slice(start, start + BATCH)
        names = [f"item:{item}" for item in items[batch].tolist()]
        view.append(identity(int(users[start])), names, 1.0, NOW_S, number)
    return view


def endorsement_graph(identities: int, edges: int, seed: int = 0) -> EndorsementGraph:
    """Return a uniform random graph; weights between .5 and 1."""
    rng = np.random.default_rng(seed)
    graph = EndorsementGraph()
    ends = rng.integers(0, identities, (edges, 2)).tolist()
    for seq, (author, subject) in enumerate(ends, 1):
        weight = round(float(rng.uniform(0.5, 1.0)), 4)
        graph.endorse(identity(author), identity(subject), weight, epoch=0, seq=seq)
    return graph
