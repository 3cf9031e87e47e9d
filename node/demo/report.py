"""The demonstration's verdict, for people."""

from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_SHOWN_ITEMS = 5
_SHOWN_REASONS = 2


def verdict(result: dict[str, Any]) -> RenderableType:
    """Lay a result of `run_demo` out: what each user was recommended and why, then the sums."""
    lists = Table(
        "user", "recommended (✓ held out, guessed right)", "because of", box=box.SIMPLE_HEAD
    )
    for user, lines in result["recommendations"].items():
        for place, line in enumerate(lines[:_SHOWN_ITEMS]):
            item = f"{'✓' if line['hit'] else ' '} {line['item']}"
            lists.add_row(Text("" if place else user), Text(item), Text(_because(line)))
        lists.add_section()
    sums = Table.grid(padding=(0, 2))
    for name, value in _sums(result):
        sums.add_row(Text(name), Text(value))
    return Group(lists, sums)


def _because(line: dict[str, Any]) -> str:
    reasons = line["reasons"]
    named = [f"{r['contact'] or 'strangers'} {r['share']:.0%}" for r in reasons[:_SHOWN_REASONS]]
    more = len(reasons) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _sums(result: dict[str, Any]) -> list[tuple[str, str]]:
    sent = ", ".join(f"{count:,} {name}" for name, count in result["hostile_sent"].items())
    refused = ", ".join(f"{count:,} {why}" for why, count in result["rejected"].items())
    return [
        ("nodes", f"{result['nodes']}, each with its own keys, database and connection"),
        ("broker", str(result["broker"])),
        ("records", f"{result['records_published']:,} signed and published"),
        (
            "coverage",
            f"{result['coverage']:.2%} of {result['pairs_expected']:,} node-record pairs",
        ),
        ("hostile client", f"sent {sent or 'nothing'}"),
        ("forged", f"{result['forged_sent']:,} sent, {result['forged_accepted']:,} accepted"),
        ("refused", refused or "nothing"),
        ("its target", f"in the top ten of {result['target_exposure@10']:.0%} of the users"),
        (
            "hit rate @10",
            f"{result['hit_rate@10']:.0%} of the users were recommended something held out "
            f"(popularity: {result['popularity_hit_rate@10']:.0%})",
        ),
        ("seconds", f"{result['seconds']:g}"),
    ]
