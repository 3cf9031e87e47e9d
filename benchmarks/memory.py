"""Bytes per interaction of the window in memory, against scipy's and networkx's graphs.

And the resident memory of a whole daemon with a full window, against the limit that we set it.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse as sp

from benchmarks.daemons import daemon, fill
from benchmarks.graphs import NOW_S, filled_view, interactions
from benchmarks.measure import row
from tastemesh.node.allocation import LOOK_S

DAEMON_BYTES = 120_000_000
"""What an idle daemon with the default window may take without the extra `fast`."""


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
        *asyncio.run(_daemon(2_000 if quick else 200_000)),
    ]


async def _daemon(count: int) -> list[dict[str, Any]]:
    """Measure a daemon without the extra `fast`, before anybody asks it anything and after."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        await fill(home, count)
        async with daemon(home, fast=False) as running:
            await running.ask("/health")  # it has done all that a start does
            idle = running.resident_bytes
            await running.ask("/v1/recommendations")
            asked = running.resident_bytes
            await asyncio.sleep(2 * LOOK_S)
            settled = running.resident_bytes
    work = f"a daemon without fast, {count:,} interactions"
    return [
        row("idle daemon", "limit", work, idle, DAEMON_BYTES, "bytes"),
        row("asked once", "none", f"{work}, right after a first list", asked, None, "bytes"),
        row("asked, idle", "limit", f"{work}, 2 s later", settled, DAEMON_BYTES, "bytes"),
    ]
