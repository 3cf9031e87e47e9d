"""`tastemesh recommend` and `tastemesh status`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tastemesh.errors import UsageError
from tastemesh.node.cli.client import ask
from tastemesh.node.cli.options import AsJson, Home, Identity
from tastemesh.node.cli.words import bound_in_words, contact_in_words, printable
from tastemesh.sim.wording import counted

_PIPE_WIDTH = 1_000  # columns where there is no terminal to fold lines for


def recommend(
    home: Home,
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=1000, help="Length of the list.")] = 10,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show on whose word each item stands.")
    ] = False,
    evidence: Annotated[
        Path | None,
        typer.Option(
            "--evidence",
            metavar="FILE",
            dir_okay=False,
            help="Write the signed records behind the list, for tastemesh verify.",
        ),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            "--like",
            metavar="ITEM",
            help="What goes with this item, in place of what you have; once for each.",
        ),
    ] = None,
    candidates: Annotated[
        typer.FileText | None,
        typer.Option(
            "--candidates",
            metavar="FILE",
            encoding="utf-8-sig",
            help="List nothing but these: an item a line, - for standard input.",
        ),
    ] = None,
    exclude: Annotated[
        typer.FileText | None,
        typer.Option(
            "--exclude",
            metavar="FILE",
            encoding="utf-8-sig",
            help="List none of these: an item a line, - for standard input.",
        ),
    ] = None,
    as_json: AsJson = False,
    identity: Identity = "me",
) -> None:
    """List items that you do not have yet.

    Items marked "unverified" stand on nobody whom you trust. With --explain it also says what
    strangers would need to get onto your list, where that is not narrowed or like an item.

    Example: tastemesh recommend -k 5 --explain
    """
    if candidates and exclude and candidates.name == exclude.name == "<stdin>":
        raise UsageError("--candidates and --exclude are both -; standard input is read once")
    wishes: dict[str, list[str]] = {"like": like} if like else {}
    for name, file in (("candidates", candidates), ("exclude", exclude)):
        if file is not None:
            wishes[name] = _items(f"--{name}", file)
    is_narrowed = "candidates" in wishes or "exclude" in wishes
    answer = _list(home, identity, k, wishes, explain=explain or as_json)
    if evidence is not None:
        _write_evidence(home, evidence, answer["recommendations"], identity, like or [])
    if as_json:
        _print_json(answer)
        return
    lines = answer["recommendations"]
    if not lines and is_narrowed:
        typer.echo("nothing speaks for what is left of the items")
        return
    if not lines:
        typer.echo(
            "nothing to recommend yet: record what you like and endorse somebody. What those have "
            "whom your trust reaches, and you do not, arrives while your node runs."
        )
        return
    table = Table("", "item", "score", box=box.SIMPLE_HEAD)
    table.columns[1].overflow = "fold"
    if explain:
        table.add_column("because", overflow="fold")
    for rank, line in enumerate(lines, 1):
        item = Text(printable(line["item"]))
        if line["unverified"]:
            item.append("  unverified", style="yellow")
        because = [_because(line["reasons"])] if explain else []
        table.add_row(str(rank), item, f"{line['score']:.4g}", *because)
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(table)
    if all(line["unverified"] for line in lines):
        typer.echo(
            "unverified: nobody whom you trust stands behind these, so fake identities could have "
            "put them here. What those have whom you endorse takes their place."
        )
    elif len(lines) < k and not is_narrowed and not any(line["unverified"] for line in lines):
        typer.echo(f"{len(lines)} of {k}: those whom your trust reaches have no more that you lack")
    if explain and not wishes:
        known = ask(home, "GET", "/v1/status")
        typer.echo(bound_in_words(known["sybil_bound"].get(known["identities"][identity])))


def status(home: Home, as_json: AsJson = False) -> None:
    """Show what the running node is doing.

    Example: tastemesh status --json
    """
    answer = ask(home, "GET", "/v1/status")
    if as_json:
        _print_json(answer)
        return
    rows = [row for name, value in answer.items() for row in _rows(name, value)]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        typer.echo(f"{name:{width}}  {printable(value)}")


def _list(
    home: Path, identity: str, k: int, wishes: dict[str, list[str]], *, explain: bool
) -> dict[str, Any]:
    """Return a list as `GET /v1/recommendations` does, which knows no wishes."""
    body = {"identities": [identity], "k": k, "explain": explain, **wishes}
    lists = ask(home, "POST", "/v1/recommendations", body=body, changes=False)
    return {
        "recommendations": lists["recommendations"][identity],
        "age_s": lists["ages_s"][identity],
    }


def _items(option: str, file: typer.FileText) -> list[str]:
    try:
        return [line for line in file.read().split("\n") if line]
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{option} {file.name}: expected text in UTF-8, an item a line") from None


def _write_evidence(
    home: Path, file: Path, lines: list[dict[str, Any]], identity: str, like: list[str]
) -> None:
    pieces = [
        ask(
            home,
            "GET",
            "/v1/evidence",
            query={"item": line["item"], "identity": identity, "like": like},
        )
        for line in lines
    ]
    try:
        file.write_text(json.dumps(pieces, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from None


def _because(reasons: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{reason['share']:.0%} {contact_in_words(reason['contact'])}, "
        f"{counted(len(reason['record_ids']), 'record')}"
        for reason in reasons
    )


def _rows(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Lay one entry of the status out as lines; it may grow without a change here."""
    if isinstance(value, dict):
        for inner, deeper in value.items():
            if isinstance(deeper, dict):
                yield name, f"{inner}: {_on_one_line(deeper)}"
            else:
                yield f"{name} {inner}", _on_one_line(deeper)
    elif isinstance(value, list):
        for element in value or [None]:
            yield name, _on_one_line(element)
    else:
        yield name, _on_one_line(value)


def _on_one_line(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_on_one_line(v)}" for name, v in value.items() if v != "")
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print_json(answer: object) -> None:
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=True))
