"""`tastemesh backup` and `tastemesh restore`."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from tastemesh.errors import TastemeshError, UsageError
from tastemesh.node.backup import restore_archive, write_archive
from tastemesh.node.cli.client import ask
from tastemesh.node.cli.options import Home
from tastemesh.node.home import WINDOW_COPY, WINDOW_FILE
from tastemesh.node.http.access import find_daemon


def backup(
    home: Home,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Zip archive to write.")],
) -> None:
    """Copy keys, settings and window of a home into one file.

    The daemon may run meanwhile. Whoever has the file, and your passphrase if the keys have one, is
    you: keep it as safe as the home.

    Example: tastemesh backup ~/tastemesh-2026-11.zip
    """
    if not (home / "keys").exists():
        command = f"tastemesh init --home {quote(str(home))}"
        raise UsageError(f"{home} is no home yet; make one with: {command}")
    if file.exists():
        raise UsageError(f"{file} exists already; a backup replaces nothing")
    with _alone(home):
        copy = home / WINDOW_COPY
        copy.unlink(missing_ok=True)
        try:
            _copy_window(home, copy)
            write_archive(home, copy, file)
        finally:
            copy.unlink(missing_ok=True)
    typer.echo(f"wrote {file}, {file.stat().st_size / 1e6:.1f} MB")


def restore(
    home: Home,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="From tastemesh backup.")],
) -> None:
    """Make a home from a backup, here or on another machine.

    The home that the backup is of may go on: this one counts its records apart, as a second device.

    Example: tastemesh restore ~/tastemesh-2026-11.zip --home ~/second
    """
    restore_archive(file, home)
    typer.echo(f"restored to {home}; run it with: tastemesh run --home {quote(str(home))}")


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep other backups of a home waiting: they would take, or delete, the same copy."""
    folder = os.open(home, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            typer.echo(f"waiting for another backup of {home}", err=True)
            fcntl.flock(folder, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(folder)  # lets go of it, as a crash does


def _copy_window(home: Path, copy: Path) -> None:
    """Have the daemon copy the window or, where none runs, do it here."""
    try:
        find_daemon(home)
    except TastemeshError:
        from tastemesh.storage.store import Store

        async def directly() -> None:
            async with await Store.open(home / WINDOW_FILE) as store:
                await store.backup(copy)

        asyncio.run(directly())
        return
    try:
        ask(home, "POST", "/v1/backup")
    except TastemeshError:
        if not copy.exists():
            raise
        copy.unlink()  # of a command that was broken off: the daemon finished it nevertheless
        ask(home, "POST", "/v1/backup")
