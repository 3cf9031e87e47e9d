"""Exports of other services, as those write them, whole and broken."""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tastemesh.errors import DataError, TastemeshError, UsageError
from tastemesh.node.imports import lastfm, listenbrainz, spotify, table
from tastemesh.node.imports.history import Listen, Reading, summarise

MBID = "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"
TRACK = "11dFghVXANMlKmJXsNCbNl"
NOW_S = 1_800_000_000

HEARD = {
    "listened_at": 1_700_000_000,
    "track_metadata": {
        "artist_name": "Portishead",
        "track_name": "Roads",
        "mbid_mapping": {"recording_mbid": MBID},
    },
}
WORDS_ONLY = {
    "listened_at": 1_700_000_100,
    "track_metadata": {"artist_name": "Burial", "track_name": "Archangel", "mbid_mapping": None},
}
STREAM = {
    "ts": "2023-11-14T22:13:20Z",
    "ms_played": 200_000,
    "spotify_track_uri": f"spotify:track:{TRACK}",
    "master_metadata_track_name": "Roads",
    "master_metadata_album_artist_name": "Portishead",
}
READERS: dict[str, Callable[[Path, Reading], Iterator[Listen]]] = {
    "listenbrainz": listenbrainz.read,
    "spotify": spotify.read,
    "lastfm": lastfm.read,
    "csv": table.read,
}


def read(name: str, path: Path, *, skip_bad: bool = False) -> tuple[list[Listen], Reading]:
    reading = Reading(skip_bad=skip_bad)
    return list(READERS[name](path, reading)), reading


def test_listenbrainz_as_an_archive_an_array_and_an_answer(tmp_path: Path) -> None:
    expected = [
        Listen(f"mbid:{MBID}", 1_700_000_000),
        Listen("track:burial/archangel", 1_700_000_100),
    ]
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w") as written:
        lines = "\n".join(json.dumps(each) for each in (HEARD, WORDS_ONLY))
        written.writestr("listens/2023/11.jsonl", lines)
        written.writestr("feedback.jsonl", '{"score": 1}\n')
    assert read("listenbrainz", archive)[0] == expected
    whole = tmp_path / "listens.json"
    whole.write_text(json.dumps([HEARD, WORDS_ONLY]))
    assert read("listenbrainz", whole)[0] == expected
    whole.write_text(json.dumps({"payload": {"listens": [HEARD, WORDS_ONLY]}}))
    assert read("listenbrainz", whole)[0] == expected


def test_spotify_counts_from_thirty_seconds_on(tmp_path: Path) -> None:
    folder = tmp_path / "Spotify Extended Streaming History"
    folder.mkdir()
    podcast = {**STREAM, "spotify_track_uri": None, "master_metadata_track_name": None}
    skipped = {**STREAM, "ms_played": 29_999}
    file = folder / "Streaming_History_Audio_2023_1.json"
    file.write_text(json.dumps([STREAM, skipped, podcast]))
    (folder / "ReadMeFirst.pdf").write_bytes(b"%PDF")
    listens, reading = read("spotify", folder)
    assert listens == [Listen(f"spotify:track:{TRACK}", 1_700_000_000)]
    assert dict(reading.left_out) == {
        "played for less than 30 s": 1,
        "no music: podcasts, audiobooks, videos": 1,
    }


@pytest.mark.parametrize(
    "text",
    [
        "Portishead,Dummy,Roads,14 Nov 2023 22:13\n",
        f'uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n1699999980,"14 Nov '
        f'2023, 22:13",Portishead,,Dummy,,Roads,{MBID}\n',
        "Artist;Album;AlbumId;Track;Date#ana\nPortishead;Dummy;;Roads;1699999980000\n",
    ],
    ids=["no header", "uts", "semicolons"],
)
def test_lastfm_as_three_exporters_write_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "scrobbles.csv"
    path.write_text(text * 1)
    item = f"mbid:{MBID}" if MBID in text else "track:portishead/roads"
    assert read("lastfm", path)[0] == [Listen(item, 1_699_999_980)]


def test_any_table_by_header_and_by_columns(tmp_path: Path) -> None:
    path = tmp_path / "shelf.csv"
    path.write_text("item,date,rating\nbook-1,2024-05-01,4\nbook-2,2024-05-02,0\n")
    listens, reading = read("csv", path)
    assert listens == [Listen("book-1", 1_714_521_600, 4.0)]
    assert dict(reading.left_out) == {"of weight 0 or less": 1}
    path.write_text("x,USRC17607839\ny,GBAYE0601498\n")
    chosen = list(table.read(path, Reading(), "item=2"))
    assert chosen == [Listen("isrc:USRC17607839", None), Listen("isrc:GBAYE0601498", None)]
    with pytest.raises(UsageError, match="expected item=NAME"):
        list(table.read(path, Reading(), "user=1"))


@pytest.mark.parametrize("head", ["item\n", "", "Track\n"])
def test_a_list_of_items_is_a_table(head: str, tmp_path: Path) -> None:
    path = tmp_path / "shelf.txt"
    path.write_text(f"{head}USRC17607839\nmbid:{MBID}\n\nGBAYE0601498\n")
    named = ["isrc:USRC17607839", f"mbid:{MBID}", "isrc:GBAYE0601498"]
    assert read("csv", path)[0] == [Listen(item, None) for item in named]


@pytest.mark.parametrize("text", ["song:1\nsong:2\n", "track:a/b,\nsong:2,\n"])
def test_a_first_item_with_a_prefix_is_no_header(text: str, tmp_path: Path) -> None:
    path = tmp_path / "shelf.txt"
    path.write_text(text)
    assert [each.item for each in read("csv", path)[0]] == text.replace(",", "").split()


def test_blanks_between_words_are_no_columns(tmp_path: Path) -> None:
    path = tmp_path / "shelf.txt"
    path.write_text("item\nPink Moon\nBlue Train\nKarma\n")
    named = [Listen(item, None) for item in ("Pink Moon", "Blue Train", "Karma")]
    assert read("csv", path)[0] == named
    path.write_text("1 1700000000\n2 1700000001\n")
    assert read("csv", path)[0] == [Listen("1", 1_700_000_000), Listen("2", 1_700_000_001)]


def test_a_cell_without_a_date_is_of_now(tmp_path: Path) -> None:
    path = tmp_path / "shelf.csv"
    path.write_text('item,date\na,2024-05-01\nb,\n"c, d",  \n')
    dates = {each.item: each.time_s for each in read("csv", path)[0]}
    assert dates == {"a": 1_714_521_600, "b": None, "c, d": None}


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("csv", "item,time\na,2024-01-01\nb,inf\n", 3),
        ("csv", "item,plays\na,1\nb,inf\n", 3),
        ("csv", "item,plays\na,1\nb,\n", 3),
        ("lastfm", "a,b,c,14 Nov 2023 22:13\na,b,c,1e999\n", 2),
        ("listenbrainz", f"{json.dumps(HEARD)}\n{{broken\n", 2),
        ("listenbrainz", f'{json.dumps(HEARD)}\n{{"listened_at": "x"}}\n', 2),
        ("listenbrainz", '[\n{"a": 1},\n{"b" 2}]', 3),
        ("spotify", f"[{json.dumps(STREAM)}, 7]", 2),
        ("spotify", json.dumps([{**STREAM, "ts": "yesterday"}]), 1),
        ("lastfm", "a,b,c,14 Nov 2023 22:13\na,b,c,someday\n", 2),
        ("csv", "item,time\na,2024-01-01\nb,once\n", 3),
        ("csv", "item,time\na,2024-01-01\nb\n", 3),
        ("spotify", "[" * 100_000, 0),
    ],
)
def test_a_broken_file_names_the_line(name: str, text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "broken.txt"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read(name, path)
    assert caught.value.line == line
    assert str(path) in str(caught.value)


def test_a_header_in_other_words_is_told_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "shelf.csv"
    path.write_text("what,when\na,2024-05-01\n")
    with pytest.raises(DataError, match=r"line 1: time 'when' .*header, name its columns"):
        read("csv", path)
    chosen = list(table.read(path, Reading(), "item=what,time=when"))
    assert chosen == [Listen("a", 1_714_521_600)]


def test_bad_entries_can_be_skipped_and_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "listens.jsonl"
    path.write_text(f"{json.dumps(HEARD)}\n{{broken\n{json.dumps(WORDS_ONLY)}\n")
    listens, reading = read("listenbrainz", path, skip_bad=True)
    assert len(listens) == 2
    assert reading.bad_count == 1
    assert "line 2" in reading.examples[0]


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_export_is_said(name: str, tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError):
            read(name, path)
    binary = tmp_path / "binary"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(TastemeshError):
        read(name, binary)


def test_a_history_becomes_one_interaction_an_item() -> None:
    listens = [Listen("a", 100), Listen("b", 300), *[Listen("a", 200)] * 8, Listen("c", 50)]
    reading = Reading()
    summary = summarise(
        [*listens, Listen("d", NOW_S + 1), Listen("e", 0)],
        reading,
        kind="listen",
        item_limit=2,
        now_s=NOW_S,
    )
    assert [(play.item, play.time_s) for play in summary.plays] == [("b", 300.0), ("a", 200.0)]
    assert summary.plays[1].weight == 1.0
    assert 0.29 < summary.plays[0].weight < 0.31  # log 2 / log 10
    assert (summary.listen_count, summary.item_count, summary.older_count) == (11, 3, 1)
    assert (summary.first_s, summary.last_s) == (50, 300)
    assert sum(reading.left_out.values()) == 2
