"""Last.fm histories as the usual exporters write them, CSV with or without a header.

Last.fm itself exports nothing. Known here, by their columns: ``uts, artist, artist_mbid, …, track,
track_mbid``; ``Artist;Album;AlbumId;Track;Date#user``; and, without a header, ``artist, album,
track, 31 Dec 2020 23:59``.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tastemesh.node.imports import items
from tastemesh.node.imports.history import Listen, Reading
from tastemesh.sim.delimited import open_table, shown
from tastemesh.sim.table_cells import parse_time_s

_FIELDS = {
    "artist": ("artist", "artistname"),
    "track": ("track", "trackname", "title", "song", "name"),
    "mbid": ("trackmbid", "recordingmbid", "mbid"),
    "time": ("uts", "timestamp", "date", "utctime", "time", "datetime"),
}
_HEADERLESS = {"artist": 0, "track": 2, "time": 3}
_NOW_PLAYING = "now playing"


def read(path: Path, reading: Reading) -> Iterator[Listen]:
    """Give the listens of an export.

    Raises:
        UsageError: there is no such file.
        DataError: a line is not a listen, or the file is no table.
    """
    with open_table(path) as table:
        column: dict[str, int] = {}
        for line, cells in table:
            if not column:
                column = _columns(cells)
                if column is not _HEADERLESS:
                    continue
            yield from _listen(str(path), line, cells, column, reading)


def _columns(cells: Sequence[str]) -> dict[str, int]:
    plain = ["".join(c for c in cell.partition("#")[0].lower() if c.isalnum()) for cell in cells]
    found = {
        field: min(plain.index(name) for name in names if name in plain)
        for field, names in _FIELDS.items()
        if any(name in plain for name in names)
    }
    return found if {"artist", "track", "time"} <= found.keys() else _HEADERLESS


def _listen(
    path: str, line: int, cells: Sequence[str], column: dict[str, int], reading: Reading
) -> Iterator[Listen]:
    if max(column.values()) >= len(cells):
        reading.fault(path, line, f"{len(cells)} columns; expected artist, album, track and date")
        return
    dated = cells[column["time"]]
    if not dated or _NOW_PLAYING in dated.lower():
        reading.left_out["without a date: playing at that moment"] += 1
        return
    try:
        time_s = _time_s(dated)
    except ValueError:
        reading.fault(path, line, f"date is {shown(dated)}; expected seconds, or 31 Dec 2020 23:59")
        return
    mbid = items.of_mbid(cells[column["mbid"]]) if "mbid" in column else ""
    item = mbid or items.of_words(cells[column["artist"]], cells[column["track"]])
    if item:
        yield Listen(item, time_s)
    else:
        reading.left_out["without any id, artist or title"] += 1


def _time_s(text: str) -> int:
    for form in ("%d %b %Y %H:%M", "%d %b %Y, %H:%M"):
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())
        except ValueError:
            pass
    return parse_time_s(text)
