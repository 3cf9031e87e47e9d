"""The dashboard: a static page, plain ES modules, that asks the HTTP API for everything it shows.

It holds no data and is served without the token (`tastemesh.node.http.gate`).
"""

from importlib.resources import files

import msgspec

PREFIX = "/dashboard/"

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
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


def load_assets() -> dict[str, Asset]:
    """Return the page's files by the path that they are served under; the page itself is `/`."""
    found = {}
    for file in files(__name__).iterdir():
        kind = file.name.rpartition(".")[2]
        if kind in _TYPES:
            path = "/" if file.name == "index.html" else PREFIX + file.name
            found[path] = Asset(file.read_bytes(), _TYPES[kind])
    return found
