"""Writes what an attack experiment found: a page, a Markdown file, plots."""

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from tastemesh.errors import UsageError
from tastemesh.sim.adversaries.strategies import STRATEGIES
from tastemesh.sim.adversaries.white_box import TRIES, WHITE_BOX
from tastemesh.sim.attack import plots, words
from tastemesh.sim.attack.cells import Cell
from tastemesh.sim.attack.page import Picture, Section, page
from tastemesh.sim.attack.stage import WITHOUT_ENDORSEMENTS
from tastemesh.sim.attack.summary import Row, exposed, summary
from tastemesh.sim.attack.tables import (
    Table,
    distinct,
    everything,
    headline,
    of_group,
    per_cent,
    prices,
    without_endorsements,
)
from tastemesh.sim.own import NOTHING, Own, brought_by
from tastemesh.sim.systems.registry import VARIANTS
from tastemesh.sim.wording import counted

TITLE = "What attackers get"

_PLOT = re.compile(  # their files
    r"(identities-\d+-edges|edges|cost|bound|accuracy)(-dark\.png|\.png|\.svg)"
)


def prepare_report(directory: Path) -> None:
    """Make sure that a report can be written, before hours of work.

    Args:
        directory: made if it is not there.

    Raises:
        UsageError: matplotlib is missing, or the directory cannot be written to.
    """
    plots.check_matplotlib("--report")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=directory).close()  # an earlier report stays until there is another
    except OSError as error:
        raise UsageError(f"--report {directory}: {error.strerror}") from None


def write_report(
    directory: Path, cells: Sequence[Cell], data: str, own: Own = NOTHING
) -> list[Path]:
    """Write the report.

    Args:
        directory: from `prepare_report`; plots that an earlier report left there go.
        cells: at least one.
        data: the data in words, for the first paragraph.
        own: what the experiment had beside what is shipped.

    Returns:
        The files: `index.html`, `attack.md`, and for each plot two PNG and an SVG.

    Raises:
        UsageError: a file cannot be written.
    """
    rows = summary(cells)
    main = of_group(rows, rows[0].group)
    apart = [row for row in of_group(rows, WITHOUT_ENDORSEMENTS) if row.group != main[0].group]
    pictures = _pictures(main)
    tables = [headline(main), prices(main)]
    loose = [without_endorsements(apart)] if apart else []
    complete = everything(main)
    lead = _lead(main, cells, data)
    sections = _sections(main, pictures, tables, loose, complete, own)
    written = {
        "index.html": page(TITLE, lead, sections).encode(),
        "attack.md": _markdown(lead, [*tables, *loose, complete]).encode(),
    }
    for picture in pictures:
        written[f"{picture.name}.png"] = picture.light
        written[f"{picture.name}-dark.png"] = picture.dark
        written[f"{picture.name}.svg"] = picture.svg
    for name, content in written.items():
        try:
            (directory / name).write_bytes(content)
        except OSError as error:
            raise UsageError(f"--report {directory / name}: {error.strerror}") from None
    _remove_earlier(directory, written)
    return [directory / name for name in written]


def _remove_earlier(directory: Path, written: Collection[str]) -> None:
    """Remove plots of an earlier report that this one lacks, and nothing that is not one."""
    for path in directory.iterdir():
        if path.name not in written and _PLOT.fullmatch(path.name):
            with suppress(OSError):  # the report itself is complete
                path.unlink()


def _lead(rows: Sequence[Row], cells: Sequence[Cell], data: str) -> str:
    seeds = len({cell.seed for cell in cells})
    most = max(row.identities for row in rows)
    edges = max(row.attack_edges for row in rows)
    people = counted(edges, "honest person", "honest people")
    ways = len(distinct([row.strategy for row in rows]))
    systems = len(distinct([row.system for row in rows]))
    asked = _span([cell.asked for cell in cells if cell.group == rows[0].group])
    return (
        f"An attacker mints up to {_identities(most)}"
        + (f", deceives up to {people} into endorsing them," if edges else "")
        + " and tries to push an item that nobody wants into other people's recommendations. Here "
        f"{counted(ways, 'way')} to do it {'meets' if ways == 1 else 'meet'} "
        f"{counted(systems, 'recommender')} on the same data: {data}. "
        f"Asked, {asked} in all, are {words.GROUPS[rows[0].group]}; "
        f"figures are means over {counted(seeds, 'seed')}."
    )


def _sections(
    rows: Sequence[Row],
    pictures: Sequence[Picture],
    tables: Sequence[Table],
    loose: Sequence[Table],
    complete: Table,
    own: Own,
) -> list[Section]:
    systems = distinct([row.system for row in rows])
    strategies = distinct([row.strategy for row in rows])
    return [
        Section("Results", _findings(rows), tables=tables),
        Section(
            "Plots",
            (
                "Each line is a recommender. Low is good: the attacker gets nothing. A line that "
                "rises to the right says that more of what is on the horizontal axis buys more "
                "exposure. Where several have the same, the first lies on top, then the last; "
                "larger marks show from below.",
            ),
            pictures=pictures,
        ),
        Section("The words", terms=words.TERMS),
        Section(
            "The recommenders",
            terms={name: _is(name, own) for name in systems},
        ),
        Section(
            "The attacks",
            ("Every identity holds the target, and beside it what makes it look real.",),
            terms={name: f"Tries to {_tries(name, own)}." for name in strategies},
        ),
        Section("All figures", tables=loose, folded=[complete]),
    ]


def _findings(rows: Sequence[Row]) -> list[str]:
    """Say in sentences what the tables show."""
    found = []
    for system in distinct([row.system for row in rows]):
        mine = [row for row in rows if row.system == system]
        free = [each for each in exposed(mine) if each[0].attack_edges == 0]
        paid = [each for each in exposed(mine) if each[0].attack_edges > 0]
        parts = []
        for best, when in ((free, "without an attack edge"), (paid, "with attack edges")):
            if not best:
                continue
            row, most = max(best, key=lambda each: each[1])
            parts.append(
                f"{when} no attack shows the target to anybody"
                if most == 0
                else f"{when} up to {per_cent(most)} of the users are reached, by "
                f"{row.strategy} with {_identities(row.identities)}"
                + (f" and {counted(row.attack_edges, 'edge')}" if row.attack_edges else "")
            )
        if not parts:
            parts.append("nobody was asked who is not deceived or a friend of somebody deceived")
        found.append(f"{system}: {'; '.join(parts)}.")
    return found


def _span(counts: Sequence[int]) -> str:
    least, most = min(counts), max(counts)
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"


def _identities(count: int) -> str:
    return counted(count, "identity", "identities")


def _markdown(lead: str, tables: Sequence[Table]) -> str:
    terms = "\n".join(f"- **{word}**: {meaning}" for word, meaning in words.TERMS.items())
    parts = [f"# {TITLE}\n\n{lead}\n", *(table.markdown() for table in tables)]
    return "\n".join([*parts, f"## The words\n\n{terms}\n"])


def _pictures(rows: Sequence[Row]) -> list[Picture]:
    measured = [row for row, _ in exposed(rows)]
    edges = sorted({row.attack_edges for row in measured})
    most = max(row.identities for row in rows)
    wanted = [
        (
            f"identities-{edge}-edges",
            "Exposure against identities, "
            + (counted(edge, "attack edge") if edge else "no attack edges"),
            "The attacker has no honest friend at all, only more and more identities."
            if edge == 0
            else f"{edge} honest {'person endorses' if edge == 1 else 'people endorse'} the "
            "attacker. Flat means: more identities bring nothing beyond what the endorsement did.",
            plots.by_identities(measured, edge),
        )
        for edge in dict.fromkeys((*edges[:1], *edges[-1:]))
    ]
    if len(edges) > 1:
        wanted.append(
            (
                "edges",
                f"Exposure against attack edges, {_identities(most)}",
                "What deceiving honest people buys: the only thing that should buy anything.",
                plots.by_edges(measured),
            )
        )
    if measured:
        wanted.append(
            (
                "cost",
                "What exposure costs",
                "The best that any strategy tried reached within a budget. The dotted lines are "
                "10 and 50 %. A system is the stronger the further to the right its curve "
                "rises.",
                plots.cost_curves(measured),
            )
        )
    bounded = distinct([row.system for row in rows if row.bound is not None and row.attack_edges])
    if bounded:
        wanted.append(
            (
                "bound",
                "What is proved, and what happened",
                f"Of {' and '.join(bounded)}, as nothing is proved of the others. The grey bar is "
                "what the proof (docs/theory.md) allows the attacker to get with the trust that he "
                "has, 1 for everything; the marks are what he got, at the number of identities "
                "that served him best. They cannot lie beyond the bar.",
                plots.bounds(rows),
            )
        )
    wanted.append(
        (
            "accuracy",
            "What honest users lose",
            "Accuracy without an attack, and a stroke for each attack. Strokes left of the end of "
            "the bar are losses.",
            plots.accuracy(rows),
        )
    )
    return [
        Picture(
            name,
            title,
            note,
            plots.drawn(plot, plots.THEMES["light"]),
            plots.drawn(plot, plots.THEMES["dark"]),
            plots.drawn(plot, plots.THEMES["light"], "svg"),
        )
        for name, title, note, plot in wanted
    ]


def _is(system: str, own: Own) -> str:
    if system in brought_by(own).systems:
        return f"From {Path(own.path).name}."
    undone = "This project with one of its deviations from the papers undone; docs/adr/0009."
    return undone if system in VARIANTS else words.SYSTEMS[system]


def _tries(strategy: str, own: Own) -> str:
    if strategy == WHITE_BOX:
        return TRIES
    return (STRATEGIES.get(strategy) or brought_by(own).strategies[strategy]).tries
