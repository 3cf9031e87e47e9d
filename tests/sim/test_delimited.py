import gzip
import zipfile
from pathlib import Path

import pytest

from tastemesh.errors import DataError, UsageError
from tastemesh.sim.delimited import open_table


def rows(path: Path | str) -> list[tuple[int, list[str]]]:
    with open_table(path) as table:
        return list(table)


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", "::", "|", " ", "   "])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    file = tmp_path / "table"
    file.write_text("".join(delimiter.join(line) + "\n" for line in ("abc", "1x3", "456")))
    assert rows(file) == [(1, ["a", "b", "c"]), (2, ["1", "x", "3"]), (3, ["4", "5", "6"])]


def test_titles_with_commas_do_not_part_a_tabbed_line(tmp_path: Path) -> None:
    file = tmp_path / "table"
    file.write_text('1\t"Weird Al" Yankovic, live, 1990\n2\t"Heroes"\n3\tthree, two, one\n')
    assert [cells for _, cells in rows(file)] == [
        ["1", '"Weird Al" Yankovic, live, 1990'],
        ["2", "Heroes"],
        ["3", "three, two, one"],
    ]


def test_quoted_cells_may_hold_the_delimiter_and_line_numbers_stay_right(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text('u,"a, b",1\nv,"two\nlines",2\n\nw,c,3\n')
    assert rows(file) == [
        (1, ["u", "a, b", "1"]),
        (3, ["v", "two\nlines", "2"]),
        (5, ["w", "c", "3"]),
    ]


@pytest.mark.parametrize("field", ['"two', '"' + "x" * 200_000 + '"', "x" * 200_000])
@pytest.mark.parametrize("rest", [100, 300])
def test_a_quote_that_breaks_the_sample_is_named_where_it_opens(
    tmp_path: Path, field: str, rest: int
) -> None:
    file = tmp_path / "table.csv"
    file.write_text("u,a b,1\n" * 50 + f"v,{field},2\n" + "w,c d,3\n" * rest)
    with pytest.raises(DataError, match=r"line 51: broken quoting"), open_table(file) as table:
        list(table)


@pytest.mark.parametrize("rest", [3, 30_000])
def test_a_quote_that_is_never_closed_is_named_where_it_opens(tmp_path: Path, rest: int) -> None:
    file = tmp_path / "table.csv"
    file.write_text("% head\n" + "u,a,1\n" * 300 + 'v,"two,2\n' + "w,c,3\n" * rest)
    read = []
    with open_table(file) as table, pytest.raises(DataError, match="broken quoting") as caught:
        read += list(table)
    assert "line 302:" in str(caught.value)
    whole = tmp_path / "whole.csv"
    whole.write_text('u,a,1\nv,"two\n"')
    assert rows(whole) == [(1, ["u", "a", "1"]), (3, ["v", "two"])]


def test_comments_at_the_head_marks_and_line_ends_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "table"
    file.write_bytes(b"\xef\xbb\xbf# FromNodeId\tToNodeId\r\n% more\r\na\tb\r\n\r\nc\td")
    assert rows(file) == [(3, ["a", "b"]), (5, ["c", "d"])]


def test_latin_1_and_utf_8_lines_are_both_read(tmp_path: Path) -> None:
    file = tmp_path / "table"
    file.write_bytes("u\tBjörk\n".encode("latin-1") + "u\tSigur Rós\n".encode())
    assert [cells[1] for _, cells in rows(file)] == ["Björk", "Sigur Rós"]


def test_packed_files_are_known_by_their_content(tmp_path: Path) -> None:
    text = b"a,b\n1,2\n"
    packed = tmp_path / "ratings"
    packed.write_bytes(gzip.compress(text))
    single = tmp_path / "single"
    several = tmp_path / "several.zip"
    with zipfile.ZipFile(single, "w") as archive:
        archive.writestr("folder/ratings.csv", text)
    with zipfile.ZipFile(several, "w") as archive:
        archive.writestr("set/ratings.csv", text)
        archive.writestr("set/ratings.csv.gz", gzip.compress(text))
        archive.writestr("set/readme.txt", b"hello\n")
    plain = [(1, ["a", "b"]), (2, ["1", "2"])]
    assert rows(packed) == plain
    assert rows(single) == plain
    assert rows(f"{several}!set/ratings.csv") == plain
    assert rows(f"{several}!set/ratings.csv.gz") == plain
    assert rows(f"{several}!ratings.csv") == plain  # packed without its folder elsewhere
    with zipfile.ZipFile(single, "a") as archive:
        archive.writestr("__MACOSX/folder/._ratings.csv", b"of a Mac's own")
    assert rows(single) == plain
    with pytest.raises(UsageError, match=r"several members; name one .*set/readme\.txt"):
        rows(several)
    with pytest.raises(UsageError, match=r"no member 'set/tags\.csv'"):
        rows(f"{several}!set/tags.csv")


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path, f"{tmp_path}/none.zip!a.csv"):
        with pytest.raises(UsageError, match="there is no such file"):
            rows(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"\n\n# only this\n", "the file is empty"),
        (b"one\ntwo\n", "line 1: expected columns parted by"),
        (b"\xff\xfea\x00", "UTF-16"),
        (b'{"user": "a", "item": "x"}\n', "line 1: this is JSON; expected a table of text"),
        (b'[\n  {\n    "user": "a",\n    "item": "x"\n  }\n]\n', "this is JSON"),
        (gzip.compress(b"a,b\n" * 9999, mtime=0)[:-20], "cannot be read further"),
        (b"PK\x03\x04 and no archive", "cannot be opened"),
    ],
)
def test_a_damaged_file_is_a_data_error(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "table"
    file.write_bytes(content)
    with pytest.raises(DataError, match=says):
        rows(file)


def test_the_line_ends_of_old_macs_are_named_and_those_of_windows_read(tmp_path: Path) -> None:
    table = tmp_path / "plays.csv"
    table.write_bytes(b"user,item\rana,a\rben,b\r")
    with pytest.raises(DataError, match="line 1: lines end in CR, as old Macs' did; expected LF"):
        rows(table)
    table.write_bytes(b"user,item\r\nana,a\r\n")
    assert rows(table) == [(1, ["user", "item"]), (2, ["ana", "a"])]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "no name is given: there is no such file"),
        (".", r"\.: there is no such file: it is a folder"),
        ("/dev/null", "/dev/null: it is a pipe or a device; expected a file"),
    ],
)
def test_what_is_no_file_is_named_as_what_it_is(path: str, says: str) -> None:
    with pytest.raises(UsageError, match=says), open_table(path):
        pass
