"""Interleaved medians: what a shared, noisy machine can still say."""

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REPEATS = 5  # command contract: the median of at least 5


def interleaved_s(*subjects: Callable[[], object], repeats: int = REPEATS) -> tuple[float, ...]:
    """Time some work in turns, after one warm-up each; return each one's median in seconds."""
    for subject in subjects:
        subject()
    taken: list[list[float]] = [[] for _ in subjects]
    for _ in range(repeats):
        for subject, times in zip(subjects, taken, strict=True):
            started = time.perf_counter()
            subject()
            times.append(time.perf_counter() - started)
    return tuple(statistics.median(times) for times in taken)


def row(
    subject: str,
    peer: str,
    work: str,
    ours: float,
    peers: float | None,
    unit: str,
    *,
    more_is_better: bool = False,
) -> dict[str, Any]:
    """Return one row of the result; its ratio is above 1 where ours is better."""
    ratio = None
    if peers is not None and ours and peers:
        ratio = round(ours / peers if more_is_better else peers / ours, 3)
    return {
        "subject": subject,
        "peer": peer,
        "work": work,
        "ours": ours,
        "peers": peers,
        "unit": unit,
        "ratio": ratio,
    }


def machine() -> dict[str, str]:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0].partition(":")[2].strip() if names else model
        model = f"{model}, {len(names)} cores" if names else model
    return {"cpu": model, "python": platform.python_version(), "numpy": np.__version__}


def write(benchmark: str, rows: list[dict[str, Any]], path: str | None) -> None:
    """Print the rows as a table, and write them as JSON where asked."""
    for each in rows:
        peers = "-" if each["peers"] is None else f"{each['peers']:.4g}"
        ratio = "" if each["ratio"] is None else f"x {each['ratio']}"
        print(
            f"{each['subject']:18} {each['ours']:>10.4g} {each['unit']:<22} "
            f"{each['peer']:>16} {peers:>10} {ratio:>10}   {each['work']}"
        )
    absent = sorted(
        {each["peer"] for each in rows if each["peers"] is None and each["peer"] != "none"}
    )
    if absent:
        print(
            f"not installed: {', '.join(absent)}; pip install 'tastemesh[bench]'", file=sys.stderr
        )
    if path:
        result = {"benchmark": benchmark, "machine": machine(), "rows": rows}
        Path(path).write_text(json.dumps(result, indent=2) + "\n")
