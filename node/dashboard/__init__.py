"""The dashboard: a static page, plain ES modules, that asks the HTTP API for everything it shows.

It holds no data and is served without the token (`tastemesh.node.http.gate`).
"""

from collections.abc import Mapping
from importlib.resources import files

import msgspec

PREFIX = "/dashboard/"
ICON = "/favicon.ico"  # browsers ask for it of their own accord, before the page names another
NAMES = PREFIX + "names.json"

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}


class Asset(msgspec.Struct, frozen=True):
    """One file of the page.

    Attributes:
        content: its bytes.
        media_type: what a browser is told that it is.
    """

    content: bytes
    media_type: str


def load_assets(names: Mapping[str, str] | None = None) -> dict[str, Asset]:
    """Return the page's files by the path that they are served under; the page itself is `/`.

    Args:
        names: what the page calls people whom its user has not named, by identity as hex. Served
            without the token, so it is for made-up people, in demonstrations.
    """
    found = {}
    for file in files(__name__).iterdir():
        kind = file.name.rpartition(".")[2]
        if kind in _TYPES:
            path = "/" if file.name == "index.html" else PREFIX + file.name
            found[path] = Asset(file.read_bytes(), _TYPES[kind])
    found[ICON] = found[PREFIX + "icon.svg"]
    if names:
        found[NAMES] = Asset(msgspec.json.encode(names), _TYPES["json"])
    return found
