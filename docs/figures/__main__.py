"""`python -m docs.figures NAME|all --data DIR`."""

import argparse
import os
import sys
from pathlib import Path

from tastemesh.errors import TastemeshError

try:
    from docs.figures.registry import FIGURES
    from docs.figures.workshop import Workshop, rule_digest
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is not installed; expected the extra lab")

DOCS = Path(__file__).parent.parent


def main(arguments: list[str] | None = None) -> int:
    """Make one figure or all of them."""
    parser = argparse.ArgumentParser(prog="python -m docs.figures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures, or all")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--data", type=Path, metavar="DIR", help="holds the data sets' folders")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/figures"),
        metavar="DIR",
        help="keeps finished cells, so that a run goes on where it was cut off",
    )
    parser.add_argument("--docs", type=Path, default=DOCS, metavar="DIR", help="what is written to")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args(arguments)
    if given.list or not given.names:
        for name, figure in FIGURES.items():
            print(f"{name:14} {figure.shows}")
        return 0
    names = list(FIGURES) if given.names == ["all"] else given.names
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        print(f"no figure {unknown[0]!r}; expected all or {', '.join(FIGURES)}", file=sys.stderr)
        return 2
    if given.data is None:
        print("--data is missing; expected the folder of the data sets", file=sys.stderr)
        return 2
    work = given.work / rule_digest()
    work.mkdir(parents=True, exist_ok=True)
    workshop = Workshop(data=given.data, work=work, docs=given.docs, jobs=given.jobs)
    try:
        for name in names:
            FIGURES[name].make(workshop)
            print(f"{name}: made")
    except TastemeshError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed; expected the extra lab", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
