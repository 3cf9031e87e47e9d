"""How a program of the same user finds the daemon of a home and is let in.

Two files in the home: `daemon.json` says where the daemon listens while it runs, `api.token` is
what it asks for. Imports nothing heavy, since every command reads them.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tastemesh.errors import ConfigError, TastemeshError

_TOKEN_BYTES = 32  # as strong as the keys that it opens


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a daemon listens.

    Attributes:
        pid: its process id.
        http: base URL, without a slash at the end.
    """

    pid: int
    http: str


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
    """Keep `daemon.json` in the home for as long as the daemon listens."""
    path = home / "daemon.json"
    write_private(path, msgspec.json.encode(endpoint).decode() + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_daemon(home: Path) -> Endpoint:
    """Return where the home's daemon listens.

    A daemon that was killed leaves its file behind, so its process must still be there: the token
    is not for whoever listens on that port next.

    Raises:
        TastemeshError: none runs; the text says how to start it.
    """
    try:
        endpoint = msgspec.json.decode((home / "daemon.json").read_bytes(), type=Endpoint)
        os.kill(endpoint.pid, 0)
    except (OSError, OverflowError, msgspec.DecodeError):
        raise no_daemon(home) from None
    return endpoint


def no_daemon(home: Path) -> TastemeshError:
    """Return the error that says that nothing answers for this home."""
    return TastemeshError(f"no daemon runs for {home}; start it with: tastemesh run --home {home}")


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, mode 0600 from its first moment on."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
