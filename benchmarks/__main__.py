"""`python -m benchmarks NAME [--json FILE] [--quick]`."""

import argparse
import os
import sys
from importlib import import_module

NAMES = (
    "ranking",
    "reputation",
    "ingest",
    "restore",
    "memory",
    "gossip",
    "scale",
    "soak",
    "serve",
    "many_users",
)


def main() -> int:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", metavar="FILE", help="write the rows as JSON too")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    given = parser.parse_args()
    # One thread each, ours and the peers': the libraries read these when they are first loaded.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from benchmarks.measure import write

    try:
        benchmark = import_module(f"benchmarks.{given.name}")
    except ModuleNotFoundError as error:  # a peer
        parser.exit(2, f"{error.name} is not installed: make bench NAME={given.name}\n")
    rows = benchmark.run(quick=given.quick)
    write(given.name, rows, given.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
