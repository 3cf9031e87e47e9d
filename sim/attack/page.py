"""A report as one page that needs nothing but itself: no script, no request, light and dark."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

import msgspec

from tastemesh.sim.attack.tables import Table
from tastemesh.sim.wording import counted


class Picture(msgspec.Struct, frozen=True):
    """A plot.

    Attributes:
        name: of its files, without the ending.
        title: what it shows.
        note: what the reader should see.
        light: PNG for a light page.
        dark: PNG for a dark one.
        svg: for a paper.
    """

    name: str
    title: str
    note: str
    light: bytes
    dark: bytes
    svg: bytes


class Section(msgspec.Struct, frozen=True):
    """A part of the page.

    Attributes:
        title: its heading.
        text: paragraphs of plain text.
        terms: words and what they mean.
        pictures: plots.
        tables: shown open.
        folded: tables shown on demand.
    """

    title: str
    text: Sequence[str] = ()
    terms: Mapping[str, str] = msgspec.field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    folded: Sequence[Table] = ()


_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c1e21; --quiet: #5c6470;
  --line: #dde0e4; --mark: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --ink: #e4e6ea; --quiet: #9aa3af; --line: #363a41; --mark: #6cb8e6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 2rem 1.25rem 4rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; margin: 0 0 .25rem; } h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .25rem; }
p, dl { max-width: 46rem; margin: .4rem 0 .8rem; } .quiet { color: var(--quiet); }
nav a { color: var(--mark); margin-right: 1.25rem; }
dt { font-weight: 600; margin-top: .5rem; } dd { margin: 0; color: var(--quiet); }
figure { margin: 1rem 0; } img { display: block; width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
th { vertical-align: bottom; } .word { text-align: left; }
tr.first td { font-weight: 600; }
details { margin: 1rem 0; } summary { cursor: pointer; color: var(--mark); }
"""


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """Return the page.

    Args:
        title: its name.
        lead: the first paragraph.
        sections: the rest, each also a link at the top.
    """
    links = "".join(
        f'<a href="#part-{number}">{escape(section.title)}</a>'
        for number, section in enumerate(sections)
    )
    body = "".join(_section(number, section) for number, section in enumerate(sections))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>"
        f"<h1>{escape(title)}</h1><p>{escape(lead)}</p><nav>{links}</nav>{body}</body></html>\n"
    )


def _section(number: int, section: Section) -> str:
    parts = [f'\n<h2 id="part-{number}">{escape(section.title)}</h2>']
    parts += [f"<p>{escape(text)}</p>" for text in section.text]
    if section.terms:
        meanings = "".join(
            f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>"
            for word, meaning in section.terms.items()
        )
        parts.append(f"<dl>{meanings}</dl>")
    parts += [_picture(picture) for picture in section.pictures]
    parts += [
        f"<h3>{escape(table.title)}</h3><p class=quiet>{escape(table.note)}</p>{_table(table)}"
        for table in section.tables
    ]
    parts += [
        f"<details><summary>{escape(table.title)} ({counted(len(table.rows), 'row')})</summary>"
        f"<p class=quiet>{escape(table.note)}</p>{_table(table)}</details>"
        for table in section.folded
    ]
    return "".join(parts)


def _picture(picture: Picture) -> str:
    light, dark = (
        f"data:image/png;base64,{b64encode(image).decode()}"
        for image in (picture.light, picture.dark)
    )
    return (
        f"<h3>{escape(picture.title)}</h3><p class=quiet>{escape(picture.note)}</p>"
        f'<figure><picture><source srcset="{dark}" media="(prefers-color-scheme: dark)">'
        f'<img src="{light}" alt="{escape(picture.title)}. {escape(picture.note)}"></picture>'
        "</figure>"
    )


def _table(table: Table) -> str:
    is_word = [
        not any(character.isdigit() for row in table.rows for character in row[column][:1])
        and column in (0, 1, len(table.header) - 1)
        for column in range(len(table.header))
    ]

    def line(cells: Sequence[str], tag: str, kind: str = "") -> str:
        inside = "".join(
            f"<{tag}{' class=word' if word else ''}>{escape(cell)}</{tag}>"
            for cell, word in zip(cells, is_word, strict=True)
        )
        return f"<tr{kind}>{inside}</tr>"

    head = line(table.header, "th")
    rows = "".join(line(row, "td") for row in table.rows)
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
