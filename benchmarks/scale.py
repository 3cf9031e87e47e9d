"""How a question's cost grows with the window."""

from typing import Any

from benchmarks.graphs import NOW_S, filled_view
from benchmarks.measure import interleaved_s, row
from benchmarks.ranking import pushed_row, trusted_few
from tastemesh.ranking.salsa import rank


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Time a ranking at each size: exact against linear growth, pushed against exact."""
    sizes = (1_000, 4_000) if quick else (10_000, 50_000, 200_000, 1_000_000, 5_000_000)
    rows: list[dict[str, Any]] = []
    first_ms = 0.0
    for count in sizes:
        view = filled_view(count)
        matrix = view.matrix(NOW_S)
        trust = trusted_few(view)
        (taken,) = interleaved_s(lambda m=matrix, t=trust: rank(m, t, [0]))  # type: ignore[misc]
        first_ms = first_ms or taken * 1e3
        linear_ms = first_ms * count / sizes[0]
        rows.append(row("exact", "linear", f"{count:,} interactions", taken * 1e3, linear_ms, "ms"))
        rows.append(pushed_row(view, matrix, count, 100))
    return rows
