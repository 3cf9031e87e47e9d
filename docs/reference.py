"""The pages of the documentation that are made from the code, and the list of decisions.

MkDocs calls the functions `on_…` (`hooks` in `mkdocs.yml`) each time it builds, so no copy of what
the code says can grow stale. Two of them mend what the theme's scripts break off at.
"""

import contextlib
import io
import json
import os
from pathlib import Path

from markdown.extensions.toc import slugify  # type: ignore[import-untyped]  # it has no types
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tastemesh.errors import StorageCause
from tastemesh.gossip.limits import RejectReason
from tastemesh.node.cli import COMMANDS, main
from tastemesh.node.config import PREFIX, Settings, expectations
from tastemesh.node.http.endings import Ending
from tastemesh.node.http.metrics import METRICS, SALVAGED
from tastemesh.node.stages import Stage

DOCS = Path(__file__).parent
_CONFIGURATION = """\
# Configuration

A node's settings stand in `config.toml` in its home, which `tastemesh init` writes with every
setting explained. A variable comes before the file, and a flag before both. An unknown name or a
wrong value is refused with what was expected and the nearest name known.

`tastemesh config show` says which value is in force and where it came from; `--json` for programs.

| setting | variable | default | what is expected |
|---|---|---|---|
"""

_CONFIGURATION_END = """
Two more are variables only:

| variable | what |
|---|---|
| `TASTEMESH_HOME` | the node's folder; the flag `--home` comes before it |
| `TASTEMESH_PASSPHRASE` | opens the key files; or set `passphrase_file`, not both |

A passphrase never stands in `config.toml`: beside the keys it would protect nothing.
"""

_METRICS = """\
# Metrics

`GET /metrics` answers in Prometheus' text format and needs no token: it holds counts, and nothing
of anybody's. Counters begin at 0 when the node starts. [Operations](operations.md) says which of
them are worth an alert.

| metric | type | label | what |
|---|---|---|---|
"""

_CLI = """\
# Commands

`tastemesh COMMAND --help` says the same. Every command that takes long shows progress on a
terminal; with `--json` results are for machines too. Exit status: 0 done, 1 the run failed, 2 wrong
usage, 130 after Ctrl-C. What was wrong and what was expected is one line on standard error.
"""


def configuration() -> str:
    """Return the page on settings."""
    defaults = Settings()
    rows = [
        f"| `{name}` | `{PREFIX}{name.upper()}` | `{json.dumps(getattr(defaults, name))}` "
        f"| {expected} |"
        for name, expected in expectations().items()
    ]
    return _CONFIGURATION + "\n".join(rows) + "\n" + _CONFIGURATION_END


def metrics() -> str:
    """Return the page on metrics."""
    rows = [
        f"| `tastemesh_{each.name}` | {each.kind} | {each.label and f'`{each.label}`'} "
        f"| {each.meaning} |"
        for each in METRICS
    ]
    listed = {
        "reason": "one of " + ", ".join(f"`{each}`" for each in sorted(RejectReason)),
        "cause": "one of " + ", ".join(f"`{each}`" for each in sorted(StorageCause)),
        "stage": ", ".join(f"`{each}`" for each in Stage),
        "ending": ", ".join(f"`{each}`" for each in Ending),
        "broker": "the broker's host and port",
        "rows": ", ".join(f"`{each}`" for each in SALVAGED),
    }
    labels = [f"- `{name}`: {values}." for name, values in listed.items()]
    return _METRICS + "\n".join(rows) + "\n\nLabels:\n\n" + "\n".join(labels) + "\n"


def commands() -> str:
    """Return the page on commands."""
    os.environ["COLUMNS"] = "80"
    parts = [_CLI]
    for name in COMMANDS:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            main([name, "--help"])
        parts.append(f"## {name}\n\n```text\n{said.getvalue().strip()}\n```\n")
    return "\n".join(parts)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the decisions in the navigation, by number and title."""
    decisions = [
        {page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "): f"adr/{page.name}"}
        for page in sorted((DOCS / "adr").glob("*.md"))
    ]
    assert config.nav is not None
    config.nav.append({"Decisions": decisions})
    config.mdx_configs["toc"]["slugify"] = anchor
    return config


def anchor(heading: str, separator: str) -> str:
    """Return a heading's id: the theme looks for it by a selector, which no digit may begin."""
    slug = slugify(heading, separator)
    return f"part{separator}{slug}" if slug[:1].isdigit() else slug


def on_post_page(output: str, page: Page | None, config: MkDocsConfig) -> str:
    """Give a page what its switch of colours insists on: the style sheets of highlight.js."""
    sheets = '<style id="hljs-light"></style><style id="hljs-dark"></style>'
    return output.replace("</head>", f"{sheets}</head>", 1)


def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:
    """Do the same for 404.html."""
    return on_post_page(output, None, config)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code."""
    pages = {"configuration.md": configuration, "metrics.md": metrics, "cli.md": commands}
    for name, made in pages.items():
        files.append(File.generated(config, name, content=made()))
    return files
