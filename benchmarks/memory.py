"""Bytes per interaction of the window in memory, against scipy's and networkx's graphs."""

import sys
from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse as sp

from benchmarks.graphs import NOW_S, filled_view, interactions
from benchmarks.measure import row


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Measure a window of 1,000,000 interactions; ids stand in a row of their own."""
    count = 5_000 if quick else 1_000_000
    view = filled_view(count)
    view.matrix(NOW_S)
    work = f"{count:,} interactions, columns and both-way matrix"
    users, items = interactions(count)
    plain = sp.csr_array((np.ones(count, np.float32), (users, items)))
    both = (plain, plain.T.tocsr())
    scipy_bytes = sum(m.data.nbytes + m.indices.nbytes + m.indptr.nbytes for m in both)
    sample = min(count, 50_000)
    graph = nx.Graph()
    graph.add_edges_from(
        (f"u{u}", f"i{i}") for u, i in zip(users[:sample], items[:sample], strict=True)
    )
    edge_bytes = sum(
        sys.getsizeof(neighbours) + sum(sys.getsizeof(data) / 2 for data in neighbours.values())
        for neighbours in graph.adj._atlas.values()
    )
    ids_bytes = sum(sys.getsizeof(view.item_id(n)) for n in range(view.item_count)) + sum(
        sys.getsizeof(view.user_id(n)) for n in range(view.user_count)
    )
    unit = "bytes per interaction"
    ours = view.nbytes / len(view)
    return [
        row(
            "window",
            "scipy",
            f"{work}; the peer has no times, records or ages",
            ours,
            scipy_bytes / count,
            unit,
        ),
        row("window", "networkx", work, ours, edge_bytes / graph.number_of_edges(), unit),
        row(
            "ids, apart",
            "none",
            "user and item ids as Python objects",
            ids_bytes / count,
            None,
            unit,
        ),
    ]
