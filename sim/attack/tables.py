"""The tables of a report, once for Markdown and the page."""

from collections.abc import Iterator, Sequence

import msgspec

from tastemesh.sim.attack.summary import LEVELS, Row, exposed, price
from tastemesh.sim.wording import counted

NOT_REACHED = "not reached"


class Table(msgspec.Struct, frozen=True):
    """A table of text.

    Attributes:
        title: what it shows.
        note: how to read it.
        header: of the columns.
        rows: each as wide as the header.
    """

    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return it as Markdown, with its title and note."""
        lines = [self.header, tuple("---" for _ in self.header), *self.rows]
        escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
        body = "\n".join("| " + " | ".join(line) + " |" for line in escaped)
        return f"## {self.title}\n\n{self.note}\n\n{body}\n"


def of_group(rows: Sequence[Row], group: str) -> list[Row]:
    """Return the rows of one group of egos."""
    return [row for row in rows if row.group == group]


def distinct(values: Sequence[str]) -> list[str]:
    """Return each value once, in the order in which they come."""
    return list(dict.fromkeys(values))


def headline(rows: Sequence[Row]) -> Table:
    """Return the strongest attack on each system, by attack edges, and what honest users lost."""
    edges = sorted({row.attack_edges for row in rows})
    lines = []
    for system in distinct([row.system for row in rows]):
        mine = [row for row in rows if row.system == system]
        measured = exposed(mine)
        worst = [
            max((exposure for row, exposure in measured if row.attack_edges == edge), default=None)
            for edge in edges
        ]
        clean = max(row.honest_ndcg_clean for row in mine)
        least = min(row.honest_ndcg for row in mine)
        lines.append((system, *map(per_cent, worst), f"{clean:.4f}", f"{least:.4f}"))
    return Table(
        "The strongest attack on each system",
        "Largest exposure@10, the share of honest users who see the target, over all strategies "
        "and numbers of identities tried, by attack edges; and accuracy without an attack and "
        "under the one that hurt it most.",
        (
            "system",
            *(counted(edge, "attack edge") for edge in edges),
            "ndcg@10 clean",
            "ndcg@10 at worst",
        ),
        tuple(lines),
    )


def prices(rows: Sequence[Row]) -> Table:
    """Return what it takes, at least, to reach each level of exposure."""
    lines = []
    for system in distinct([row.system for row in rows]):
        mine = [row for row in rows if row.system == system]
        for level in LEVELS:
            cheapest = min(
                (row for row, exposure in exposed(mine) if exposure >= level),
                key=lambda row: (row.attack_edges, row.identities, row.messages),
                default=None,
            )
            costs = (
                price(mine, level, lambda row: row.identities),
                price(mine, level, lambda row: row.attack_edges),
                price(mine, level, lambda row: row.messages),
            )
            lines.append(
                (
                    system,
                    f"{level:.0%}",
                    *(NOT_REACHED if cost is None else f"{cost:,.0f}" for cost in costs),
                    "" if cheapest is None else cheapest.strategy,
                )
            )
    return Table(
        "What exposure costs",
        "The least that was enough, of what was tried, to reach an exposure with any strategy; "
        "each cost is taken alone. The last column is the strategy that needs the fewest attack "
        "edges, and of these the fewest identities.",
        ("system", "exposure", "identities", "attack edges", "messages", "cheapest strategy"),
        tuple(lines),
    )


def without_endorsements(rows: Sequence[Row]) -> Table:
    """Return exposure of users who have endorsed nobody, and what each per cent of it cost."""
    return Table(
        "Users who have endorsed nobody",
        "Nothing anchors their list, so it is marked unverified as a whole; no bound holds. Costs "
        "are identities and messages for each per cent of these users reached.",
        (
            *("strategy", "system", "identities", "attack edges", "exposure@10"),
            *("identities per %", "messages per %"),
        ),
        tuple(
            (
                row.strategy,
                row.system,
                f"{row.identities:,}",
                str(row.attack_edges),
                share(row.exposure),
                *_per_cent(row),
            )
            for row in rows
        ),
    )


def everything(rows: Sequence[Row]) -> Table:
    """Return every row."""
    return Table(
        "Every attack",
        "Means over the seeds; 95 % intervals of exposure by Student's t. Friends: exposure of "
        "those who endorse a deceived user directly. Egos: the others, over whom exposure is, a "
        "mean over the seeds; where there are none it is left empty.",
        (
            *("strategy", "system", "identities", "edges", "messages", "egos"),
            *("exposure@10", "95 %"),
            *("friends", "sybil mass", "bound", "ndcg@10", "clean", "niche collateral"),
        ),
        tuple(
            (
                row.strategy,
                row.system,
                f"{row.identities:,}",
                str(row.attack_edges),
                f"{row.messages:,.0f}",
                mean_count(row.egos),
                share(row.exposure),
                " to ".join(map(share, row.exposure_ci95 or ())),
                share(row.exposure_deceived),
                "" if row.sybil_mass is None else f"{row.sybil_mass:.2g}",
                share(row.bound),
                f"{row.honest_ndcg:.4f}",
                f"{row.honest_ndcg_clean:.4f}",
                share(row.niche_collateral),
            )
            for row in rows
        ),
    )


def share(value: float | None) -> str:
    """Return a share as text: an exact 0 or 1 without decimals, nothing where there is none.

    >>> share(0.0), share(0.0004), share(0.25), share(None)
    ('0', '<.001', '.250', '')
    """
    if value is None:
        return ""
    if value in (0.0, 1.0):
        return str(int(value))
    if value < 0.001:
        return "<.001"
    return f"{value:.3f}".removeprefix("0")


def per_cent(value: float | None) -> str:
    """Return a share as per cent, nothing where there is none.

    >>> per_cent(0.0), per_cent(0.0004), per_cent(0.25), per_cent(None)
    ('0%', '<0.1%', '25%', '')
    """
    if value is None:
        return ""
    if value == 0.0 or value >= 0.1:
        return f"{value:.0%}"
    return "<0.1%" if value < 0.001 else f"{value:.1%}"


def mean_count(value: float) -> str:
    """Return a mean number as text.

    >>> mean_count(1000.0), mean_count(35.5)
    ('1,000', '35.5')
    """
    return f"{value:,.1f}".removesuffix(".0")


def _per_cent(row: Row) -> Iterator[str]:
    for cost in (row.identities, row.messages):
        yield NOT_REACHED if not row.exposure else f"{cost / (100 * row.exposure):,.2f}"
