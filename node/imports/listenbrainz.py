"""ListenBrainz: an account's export (a zip archive), its listens alone, or the API's answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tastemesh.node.imports import items
from tastemesh.node.imports.documents import documents, entries
from tastemesh.node.imports.history import Listen, Reading

# An archive has listens by year and month, and other things beside them, such as feedback.
_PATTERNS = ("[0-9].jsonl", "[0-9][0-9].jsonl", "listens*.json", "listens*.jsonl")


def read(path: Path, reading: Reading) -> Iterator[Listen]:
    """Give the listens of an export.

    Raises:
        UsageError: there is no such file.
        DataError: an entry is not a listen, or the file is damaged.
    """
    for name, content in documents(path, _PATTERNS):
        for line, entry in entries(name, content, reading):
            for each in _listens(entry):
                yield from _listen(name, line, each, reading)


def _listens(entry: Any) -> list[Any]:
    """Return the listens of an answer of the API, or the entry itself."""
    payload = entry.get("payload") if isinstance(entry, dict) else None
    listens = payload.get("listens") if isinstance(payload, dict) else None
    return listens if isinstance(listens, list) else [entry]


def _listen(name: str, line: int, entry: Any, reading: Reading) -> Iterator[Listen]:
    track = entry.get("track_metadata") if isinstance(entry, dict) else None
    listened_at = entry.get("listened_at") if isinstance(entry, dict) else None
    if not isinstance(track, dict) or not isinstance(listened_at, int):
        reading.fault(name, line, "expected a listen with listened_at and track_metadata")
        return
    item = _item(track)
    if item:
        yield Listen(item, listened_at)
    else:
        reading.left_out["without any id, artist or title"] += 1


def _item(track: dict[str, Any]) -> str:
    """Return the best id of a listen; ListenBrainz's own mapping comes before what was sent."""
    mapped, sent = (track.get(name) for name in ("mbid_mapping", "additional_info"))
    return (
        items.of_mbid(_text(mapped, "recording_mbid"))
        or items.of_mbid(_text(sent, "recording_mbid"))
        or items.of_isrc(_text(sent, "isrc"))
        or items.of_spotify(_text(sent, "spotify_id"))
        or items.of_words(_text(track, "artist_name"), _text(track, "track_name"))
    )


def _text(fields: Any, name: str) -> str:
    found = fields.get(name) if isinstance(fields, dict) else None
    return found if isinstance(found, str) else ""
