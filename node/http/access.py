"""How a program of the same user finds the daemon of a home and is let in.

Two files in the home: `daemon.json` says where the daemon listens while it runs, `api.token` is
what it asks for. Imports nothing heavy, since every command reads them.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shlex import quote
from typing import BinaryIO

import msgspec
from platformdirs import user_data_path

from tastemesh.errors import ConfigError, DaemonError

HOME_VARIABLE = "TASTEMESH_HOME"

_TOKEN_BYTES = 32  # as strong as the keys that it opens


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a daemon listens.

    Attributes:
        pid: its process id.
        http: base URL, without a slash at the end.
    """

    pid: int
    http: str


def default_home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the home where none is named: `TASTEMESH_HOME`, or the platform's folder for data."""
    named = environ.get(HOME_VARIABLE)
    return Path(named).expanduser() if named else user_data_path("tastemesh")


def token_of(home: Path) -> str:
    """Return the home's API token, made on first use; readable by its owner only.

    Raises:
        ConfigError: the file cannot be written or read, or is empty.
    """
    path = home / "api.token"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            write_private(path, secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot use the API token {path}: {error}") from None
    if not token:
        raise ConfigError(f"the API token {path} is empty; remove the file for a new one")
    return token


@contextmanager
def announced(home: Path, endpoint: Endpoint) -> Iterator[None]:
    """Keep `daemon.json` in the home, locked, for as long as the daemon listens.

    Raises:
        ConfigError: it cannot be written.
    """
    path = home / "daemon.json"
    with ExitStack() as stack:
        try:
            fresh = _written(path, msgspec.json.encode(endpoint).decode() + "\n")
            file = stack.enter_context(fresh.open("rb"))
            fcntl.flock(file, fcntl.LOCK_EX)  # nobody else knows of it yet
            fresh.replace(path)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def find_daemon(home: Path) -> Endpoint:
    """Return where the home's daemon listens.

    A daemon that was killed leaves its file behind, and another process may have its number by then
    and another program its port, for which the token is not. So the file must be locked: only the
    daemon that wrote it does that, and the kernel undoes it when the daemon ends.

    Raises:
        DaemonError: none runs, and the text says how to start it; or nobody can tell, as in the
            home of another user.
    """
    path = home / "daemon.json"
    try:
        with path.open("rb") as file:
            if not _is_locked(file):
                raise no_daemon(home)
            return msgspec.json.decode(file.read(), type=Endpoint)
    except (FileNotFoundError, msgspec.DecodeError):
        raise no_daemon(home) from None
    except PermissionError:
        text = f"cannot read {path}; run this as the user whose home it is"
        raise DaemonError(text) from None
    except OSError as error:
        raise DaemonError(f"cannot read {path}: {error.strerror}") from None


def _is_locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def no_daemon(home: Path) -> DaemonError:
    """Return the error that says that nothing answers for this home."""
    command = f"tastemesh run --home {quote(str(home))}"
    return DaemonError(f"no daemon runs for {home}; start it with: {command}")


def write_private(path: Path, text: str) -> bool:
    """Replace a file as a whole, mode 0600 from its first moment on; a link's target, not it.

    A pipe or a device is written into: a file in its place would be one in the place of /dev/null.
    So is what somebody has open, as /dev/stdout: it may be a file that `>>` is to add to.

    Returns:
        Whether it is a file of its own.
    """
    if _is_open(path) or (path.exists() and not path.is_file()):
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
        return False
    path = path.resolve()
    _written(path, text).replace(path)
    return True


def _is_open(path: Path) -> bool:
    """Tell whether a path names a descriptor, as /dev/stdout and /dev/fd/3 do."""
    link = path.parent / path.readlink() if path.is_symlink() else path
    return any(each.parent.resolve().is_relative_to("/proc") for each in (path, link))


def _written(path: Path, text: str) -> Path:
    """Write a file beside the one whose place it will take; nothing is left where it fails."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    return fresh
