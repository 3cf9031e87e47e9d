"""Spotify's extended streaming history: the archive, its folder, or one of its JSON files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tastemesh.node.imports import items
from tastemesh.node.imports.documents import documents, entries
from tastemesh.node.imports.history import Listen, Reading
from tastemesh.sim.table_cells import parse_time_s

# Spotify counts a stream from 30 seconds on; a shorter one is somebody looking for another song.
LISTENED_MS = 30_000

_PATTERNS = ("Streaming_History_Audio*.json", "endsong*.json")  # the second: until 2022


def read(path: Path, reading: Reading) -> Iterator[Listen]:
    """Give the listens of an export.

    Raises:
        UsageError: there is no such file.
        DataError: an entry is not a stream, or the file is damaged.
    """
    for name, content in documents(path, _PATTERNS):
        for line, entry in entries(name, content, reading):
            yield from _listen(name, line, entry, reading)


def _listen(name: str, line: int, entry: Any, reading: Reading) -> Iterator[Listen]:
    if not isinstance(entry, dict) or not isinstance(entry.get("ms_played"), int):
        reading.fault(name, line, "expected a stream with ts and ms_played")
        return
    try:
        time_s = parse_time_s(str(entry.get("ts")))
    except ValueError:
        reading.fault(name, line, f"ts is {entry.get('ts')!r}; expected a date and time")
        return
    if entry["ms_played"] < LISTENED_MS:
        reading.left_out["played for less than 30 s"] += 1
        return
    item = items.of_spotify(str(entry.get("spotify_track_uri") or "")) or items.of_words(
        str(entry.get("master_metadata_album_artist_name") or ""),
        str(entry.get("master_metadata_track_name") or ""),
    )
    if item:
        yield Listen(item, time_s)
    else:
        reading.left_out["no music: podcasts, audiobooks, videos"] += 1
