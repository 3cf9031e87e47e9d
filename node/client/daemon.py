"""Which daemon is meant: one found through its home each time, or one that stands at a URL."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

from tastemesh.errors import ConfigError, DaemonError
from tastemesh.node.address import TlsFiles
from tastemesh.node.http.access import find_daemon, no_daemon, token_of

_SCHEMES = ("http", "https")


class Place(NamedTuple):
    """Where a daemon listens, and what it asks for.

    Attributes:
        address: base URL.
        headers: of each request.
        tls: whom to trust over https; None: the system's authorities.
    """

    address: SplitResult
    headers: Mapping[str, str]
    tls: TlsFiles | None = None


class Daemon(Protocol):
    """A daemon that may end and be started again, on another port."""

    name: str
    """What it is called where something is wrong with it."""

    def place(self) -> Place:
        """Return where it listens now.

        Raises:
            DaemonError: none runs, or nobody can tell.
        """

    def absent(self) -> DaemonError:
        """Return the error that says that nothing listens there."""


class OfHome:
    """The daemon of a home, which says in two files there where it is and what it asks for.

    Args:
        home: its folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self.name = f"the daemon of {home}"

    def place(self) -> Place:
        """See `Daemon`: what the files say now, so a daemon that was started anew is found."""
        url = find_daemon(self._home).http
        return Place(urlsplit(url), _headers(token_of(self._home)))

    def absent(self) -> DaemonError:
        """See `Daemon`."""
        return no_daemon(self._home)


class AtUrl:
    """A daemon whose address is known.

    Args:
        url: base URL; with a path, where an application mounts the API.
        token: what it asks for; the line's end of a file that it was read from does not matter.
        ca_file: whom to trust in place of the system's authorities; for https only.

    Raises:
        ConfigError: it is no such URL, or no token that can be sent, or no such file.
    """

    def __init__(self, url: str, token: str, ca_file: Path | None = None) -> None:
        if "@" in url.partition("://")[2].partition("/")[0]:  # nothing secret is repeated
            raise ConfigError(
                "url has a name or a password in it; expected the token apart from it"
            )
        try:
            address = urlsplit(url)
            is_one = (
                bool(address.hostname and address.hostname.encode("idna")) and address.port != 0
            )
        except ValueError:
            is_one = False
        is_one &= url.isprintable() and " " not in url and address.path.isascii()
        if not is_one or address.scheme not in _SCHEMES or address.query or address.fragment:
            raise ConfigError(f"url is {url!r}; expected one such as http://127.0.0.1:8765")
        tls = None if ca_file is None else TlsFiles(ca_file=ca_file)
        if tls is not None:
            if address.scheme != "https":
                raise ConfigError(f"ca_file is for a URL that begins with https; found {url!r}")
            tls.context()
        self._place = Place(address, _headers(token.strip()), tls)
        self.name = f"the daemon at {url}"

    def place(self) -> Place:
        """See `Daemon`."""
        return self._place

    def absent(self) -> DaemonError:
        """See `Daemon`."""
        return DaemonError(f"{self.name} does not run: nothing listens there")


def _headers(token: str) -> Mapping[str, str]:
    if not token or not token.isascii() or not token.isprintable():
        raise ConfigError("token is empty or no line of ASCII; expected the text of api.token")
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
