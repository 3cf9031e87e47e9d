"""Files that are for their owner only: whole, or not there, under any locale."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tastemesh.errors import ConfigError, TastemeshError
from tastemesh.node.http.access import Endpoint, announced, find_daemon, token_of, write_private
from tests.node.full import full_at

NOBODY = 65_534


def test_a_full_disk_leaves_nothing_and_the_file_that_was_there(tmp_path: Path) -> None:
    file = tmp_path / "said.json"
    write_private(file, "before")
    with full_at(10), pytest.raises(OSError, match="too large"):
        write_private(file, "x" * 10_000)
    with full_at(10), pytest.raises(ConfigError, match="cannot use the API token"):
        token_of(tmp_path / "home")
    endpoint = Endpoint(pid=1, http="http://127.0.0.1:8765")
    full = pytest.raises(ConfigError, match=r"cannot write .*daemon\.json: File too large")
    with full_at(10), full, announced(tmp_path / "home", endpoint):
        pass
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["home", "said.json"]
    assert file.read_text() == "before"


def test_what_a_link_leads_to_is_written_and_the_link_stays(tmp_path: Path) -> None:
    file, link = tmp_path / "there.json", tmp_path / "link.json"
    file.touch(mode=0o644)
    link.symlink_to(file)
    write_private(link, "said")
    assert link.is_symlink()
    assert file.read_text() == "said"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["there", "link"])
def test_a_pipe_is_written_into_and_stays_one(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / "there"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_private(tmp_path / name, "café")
        assert os.read(reader, 100).decode() == "café"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "there"]


def test_what_a_descriptor_leads_to_is_written(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    try:
        write_private(Path(f"/dev/fd/{writer}"), "said")
        assert os.read(reader, 100) == b"said"
    finally:
        os.close(reader)
        os.close(writer)


def test_a_home_that_cannot_be_looked_into_is_not_said_to_have_no_daemon(tmp_path: Path) -> None:
    home, user = tmp_path / "home", os.geteuid()
    home.mkdir(mode=0)
    if user == 0:  # whom no mode stops
        os.seteuid(NOBODY)
    try:
        with pytest.raises(TastemeshError, match=r"daemon\.json; run this as the user whose home"):
            find_daemon(home)
    finally:
        os.seteuid(user)
        home.chmod(0o700)
    (home / "daemon.json").mkdir()
    with pytest.raises(TastemeshError, match=r"cannot read .*daemon\.json: Is a directory"):
        find_daemon(home)


def test_what_a_file_has_stays_where_its_descriptor_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "all"
    path.write_text("before\n")
    with path.open("a") as file:
        for there in (Path(f"/dev/fd/{file.fileno()}"), tmp_path / "link"):
            if not there.exists():
                there.symlink_to(f"/proc/self/fd/{file.fileno()}")  # as /dev/stdout is
            assert not write_private(there, "said\n")
    assert path.read_text() == "before\nsaid\nsaid\n"


def test_any_text_is_written_where_the_locale_knows_ascii_only(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from tastemesh.node.http.access import write_private;"
        "write_private(Path(sys.argv[1]), 'caf\\u00e9')"
    )
    ascii_only = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "said")],
        env=os.environ | ascii_only,
        check=True,
    )
    assert (tmp_path / "said").read_text(encoding="utf-8") == "café"
