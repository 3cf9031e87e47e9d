"""`tastemesh import`, `tastemesh export` and `tastemesh verify`."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tastemesh.errors import TastemeshError, UsageError
from tastemesh.gossip.limits import Limits
from tastemesh.node.cli.client import ask
from tastemesh.node.cli.options import Home, Identity
from tastemesh.node.cli.progress import Told, stages
from tastemesh.node.cli.words import printable
from tastemesh.node.clock import SystemClock
from tastemesh.node.evidence import Finding, decode_evidence, verify
from tastemesh.node.history import imported_count
from tastemesh.node.http.access import find_daemon, write_private
from tastemesh.node.http.bodies import PLAYS_PER_REQUEST
from tastemesh.node.imports import lastfm, listenbrainz, spotify, table
from tastemesh.node.imports.history import Listen, Reading, Summary, summarise
from tastemesh.node.plays import Play
from tastemesh.sim.wording import counted

_SHOWN = 5  # items of a dry run: enough to see what ids they get
_TOLD_LISTENS = 1_000  # between two movements of the bar


class Format(StrEnum):
    """What wrote the file."""

    LISTENBRAINZ = "listenbrainz"
    LASTFM = "lastfm"
    SPOTIFY = "spotify"
    CSV = "csv"


def import_(
    home: Home,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Export: a file, a zip archive or a folder.")
    ],
    written_by: Annotated[Format, typer.Option("--format", help="What wrote the file.")],
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public",
            help="Keep it on this node, or sign and publish it for anybody to read.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be recorded; needs no daemon.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on past entries that cannot be read.")
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="item=NAME,...",
            help="For csv: columns by header or position: item, time, weight.",
        ),
    ] = None,
    kind: Annotated[str, typer.Option(help="Kind of the interactions.")] = "listen",
    identity: Identity = "me",
) -> None:
    """Bring your listening history in.

    Each item becomes one interaction, dated with its last listen and weighted by how often you
    played it; the last 400 items fit beside what you say yourself. Doing it again adds only what
    is new.

    Example: tastemesh import my_spotify_data.zip --format spotify --private
    """
    if columns and written_by is not Format.CSV:
        raise UsageError(f"--columns is for --format csv, not {written_by.value}")
    if not dry_run:
        find_daemon(home)  # or everything would be read first
    if private is None and not dry_run:
        private = _asked()
    reading = Reading(skip_bad=skip_bad)
    with stages() as told:
        summary = summarise(
            _counted(_read(file, written_by, columns, reading), told),
            reading,
            kind=kind,
            item_limit=imported_count(Limits(), private=False),
            now_s=SystemClock().wall_ms() // 1000,
        )
        _describe(summary, reading)
        if dry_run:
            _preview(summary)
            return
        added = known = left_out = 0
        for start in range(0, len(summary.plays), PLAYS_PER_REQUEST):
            body: dict[str, object] = {
                "plays": msgspec.to_builtins(summary.plays[start : start + PLAYS_PER_REQUEST]),
                "private": private,
                "identity": identity,
            }
            done = ask(home, "POST", "/v1/imports", body=body)
            added, known = added + done["added"], known + done["known"]
            left_out += done["left_out"]
            told("recording", added + known + left_out, len(summary.plays))
    where = "on this node only" if private else "and published"
    there = "was" if known == 1 else "were"
    typer.echo(f"recorded {counted(added, 'item')} {where}; {known:,} {there} there already")
    if left_out:
        typer.echo(f"left out {counted(left_out, 'item')}: no room beside what you have said")


def export(
    home: Home,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON file to write.")],
    identity: Identity = "me",
) -> None:
    """Write out everything that you have said.

    Interactions, private ones too, endorsements, and the signed records that published them: as
    much as is in the window. The file is for your eyes: mode 0600.

    Example: tastemesh export said.json
    """
    said = ask(home, "GET", "/v1/export", query={"identity": identity})
    try:
        is_file = write_private(file, json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from None
    typer.echo(
        f"wrote {counted(len(said['interactions']), 'interaction')}, "
        f"{counted(len(said['endorsements']), 'endorsement')} and "
        f"{counted(len(said['records']), 'signed record')} to {file}",
        err=not is_file,  # not into what a program reads from a pipe
    )


def verify_(
    file: Annotated[
        Path, typer.Argument(metavar="EVIDENCE.json", help="From recommend --evidence.")
    ],
) -> None:
    """Check somebody's evidence for a recommendation, offline.

    Every record must be signed by whom it names and say what it is said to say, and the
    endorsements must lead from the user to each of them. Exit status 1 if anything does not hold.

    Example: tastemesh verify evidence.json
    """
    try:
        pieces = decode_evidence(file.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    if not pieces:
        raise TastemeshError(f"{file} has no recommendation in it: nothing was checked")
    wrong = 0
    for evidence in pieces:
        findings = verify(evidence, Limits())
        typer.echo(f"{printable(evidence.item)}, recommended to {evidence.ego[:16]}…")
        for finding in findings:
            wrong += bool(finding.problem)
            typer.echo(f"  {_told(finding)}")
        if not findings:
            wrong += 1
            typer.echo("  no record stands behind it")
    if wrong:
        raise TastemeshError(f"{wrong} of the records do not hold")
    typer.echo("everything holds")


def _told(finding: Finding) -> str:
    if finding.problem:
        return printable(f"DOES NOT HOLD: record {finding.record[:16] or '?'}: {finding.problem}")
    way = " -> ".join(each[:8] for each in finding.people) or "nobody whom the user trusts"
    return f"holds: {finding.holder[:16]}… signed record {finding.record[:16]}…; trust: {way}"


def _asked() -> bool:
    """Return whether the history stays private, which only its owner can say."""
    if not sys.stdin.isatty():
        raise UsageError("say --public (signed, for anybody to read) or --private (this node only)")
    return not typer.confirm(
        "Publish it? It would be signed with your pseudonym, for anybody to read and keep; "
        "without, it stays on this node and still shapes your list",
        default=False,
    )


def _read(
    file: Path, written_by: Format, columns: str | None, reading: Reading
) -> Iterator[Listen]:
    match written_by:
        case Format.LISTENBRAINZ:
            return listenbrainz.read(file, reading)
        case Format.LASTFM:
            return lastfm.read(file, reading)
        case Format.SPOTIFY:
            return spotify.read(file, reading)
        case Format.CSV:
            return table.read(file, reading, columns)


def _counted(listens: Iterator[Listen], told: Told) -> Iterator[Listen]:
    number = 0
    for number, listen in enumerate(listens, 1):
        yield listen
        if number % _TOLD_LISTENS == 0:
            told("reading", number, number + _TOLD_LISTENS)
    told("reading", number, number)


def _describe(summary: Summary, reading: Reading) -> None:
    if not summary.listen_count:
        typer.echo("no listens found")
    else:
        typer.echo(
            f"read {counted(summary.listen_count, 'listen')} of "
            f"{counted(summary.item_count, 'item')}, "
            f"{_day(summary.first_s)} to {_day(summary.last_s)}"
        )
    if summary.older_count:
        typer.echo(
            f"left out {counted(summary.older_count, 'item')} listened to longest ago: "
            f"{len(summary.plays)} fit beside what you say yourself"
        )
    for reason, count in reading.left_out.most_common():
        typer.echo(f"left out {counted(count, 'entry', 'entries')} {reason}")
    if reading.bad_count:
        bad = counted(reading.bad_count, "bad entry", "bad entries")
        typer.echo(f"skipped {bad}, the first:")
        for example in reading.examples:
            typer.echo(f"  {printable(example)}")


def _preview(summary: Summary) -> None:
    for play in summary.plays[:_SHOWN]:
        typer.echo(f"  {printable(play.item)}  weight {play.weight:.2f}  {_when(play)}")
    if len(summary.plays) > _SHOWN:
        typer.echo(f"  … and {len(summary.plays) - _SHOWN:,} more")
    typer.echo("nothing was recorded: a dry run")


def _when(play: Play) -> str:
    return "" if play.time_s is None else _day(int(play.time_s))


def _day(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).date().isoformat()
