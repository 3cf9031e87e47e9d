"""`tastemesh record`, `tastemesh endorse` and `tastemesh block`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tastemesh.errors import UsageError
from tastemesh.gossip.identity import format_id
from tastemesh.node.cli.client import ask
from tastemesh.node.cli.options import Home, Identity
from tastemesh.node.plays import as_id


def record(
    home: Home,
    item: Annotated[
        str,
        typer.Argument(metavar="ITEM", help="Opaque id, up to 256 bytes: isrc:…, mbid:…, a URL."),
    ],
    weight: Annotated[float, typer.Option(help="Strength, above 0 to 1.")] = 1.0,
    kind: Annotated[
        str, typer.Option(help='A word; "skip" and "dislike" say "not for me".')
    ] = "listen",
    private: Annotated[
        bool, typer.Option("--private", help="Keep it on this node; it still shapes your list.")
    ] = False,
    time: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When: seconds since 1970 or ISO 8601; else now."),
    ] = None,
    identity: Identity = "me",
) -> None:
    """Record that you did something with an item.

    It is signed and published under your pseudonym, for anyone to read, unless --private.

    Example: tastemesh record isrc:USRC17607839 --kind like
    """
    body: dict[str, object] = {
        "item": item,
        "weight": weight,
        "kind": kind,
        "private": private,
        "time_s": None if time is None else seconds_since_1970(time),
        "identity": identity,
    }
    said = ask(home, "POST", "/v1/interactions", body=body)
    typer.echo("kept on this node" if private else f"recorded as {' '.join(said['records'])}")


def endorse(
    home: Home,
    peer: Annotated[
        str, typer.Argument(metavar="PEER", help="The other's identity, 64 hex digits.")
    ],
    weight: Annotated[
        float, typer.Option(help="Trust from -1 to 1; 0 withdraws, below 0 is distrust.")
    ] = 1.0,
    identity: Identity = "me",
) -> None:
    """Endorse somebody whose taste you trust.

    Their items, and those of whom they endorse, count for your list from then on.

    Example: tastemesh endorse 3b6a27bcceb6a42d… --weight 0.5
    """
    body: dict[str, object] = {"peer": peer, "weight": weight, "identity": identity}
    said = ask(home, "POST", "/v1/endorsements", body=body)
    records = " ".join(said["records"])
    done = "endorsed" if weight > 0 else "distrusted" if weight < 0 else "withdrawn from"
    typer.echo(f"{done} {peer} in {records}" if records else f"{done} already: {peer}")


def block(
    home: Home,
    peer: Annotated[
        str, typer.Argument(metavar="PEER", help="The other's identity, 64 hex digits.")
    ],
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
    identity: Identity = "me",
) -> None:
    """Distrust somebody: nothing reaches you through them.

    Their items do not count for your list, nor does whom they vouch for. It is an endorsement of
    weight -1, which is signed and published: they can see it. It changes nobody else's list.

    Example: tastemesh block 3b6a27bcceb6a42d…
    """
    if undo and not _is_distrusted(home, peer, identity):
        typer.echo(f"was not blocked: {peer}")  # a weight of 0 would withdraw an endorsement
        return
    body: dict[str, object] = {"peer": peer, "weight": 0 if undo else -1, "identity": identity}
    ask(home, "POST", "/v1/endorsements", body=body)
    typer.echo(f"{'no longer blocked' if undo else 'blocked'}: {peer}")


def _is_distrusted(home: Path, peer: str, identity: str) -> bool:
    known = ask(home, "GET", "/v1/endorsements", query={"identity": identity})["endorsements"]
    subject = format_id(as_id("peer id", peer))
    return any(each["peer"] == subject and each["weight"] < 0 for each in known)


def seconds_since_1970(text: str) -> float:
    """Read seconds or ISO 8601; without an offset it is this machine's local time.

    Raises:
        UsageError: it is neither, or before 1970, or in the future.

    >>> seconds_since_1970("1970-01-02T00:00:00+00:00")
    86400.0
    """
    try:
        when_s = float(text)
    except ValueError:
        try:
            when_s = datetime.fromisoformat(text).astimezone().timestamp()
        except (ValueError, OverflowError, OSError):
            raise UsageError(
                f"--time is {text!r}; expected seconds since 1970 or ISO 8601, such as "
                "2026-05-01T20:15"
            ) from None
    if not 0 <= when_s <= datetime.now(UTC).timestamp():  # the daemon knows it by another name
        raise UsageError(f"--time is {text!r}; expected 1970 or later, and not the future")
    return when_s
