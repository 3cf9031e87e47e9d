"""Key files: whole or not there at all, whatever happens while one is made."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from tastemesh.errors import ConfigError, StorageError
from tastemesh.node.identities import KeyRing
from tastemesh.node.keys import create_key, load_key, rotate_key
from tests.node.full import full_at


def test_a_key_that_a_full_disk_cut_short_leaves_nothing(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path, "")
    held = ring.make("there").id
    for byte_count in (0, 100):
        with full_at(byte_count), pytest.raises(StorageError, match=r"cannot write the key file"):
            ring.make("full")
        assert sorted(each.name for each in tmp_path.iterdir()) == [
            "me.key",
            "node.key",
            "there.key",
        ]
    made = ring.make("full")  # there is room again
    again = KeyRing(tmp_path, "")
    assert (again.signers["full"].id, again.signers["there"].id) == (made.id, held)


def test_a_rotation_that_a_full_disk_cut_short_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "me.key"
    made = create_key(path, "secret")
    before = path.read_bytes()
    with full_at(100), pytest.raises(StorageError, match=r"cannot write the key file"):
        rotate_key(path, "secret", (0, 3))
    assert [each.name for each in tmp_path.iterdir()] == ["me.key"]
    assert path.read_bytes() == before
    assert load_key(path, "secret").id == made.id


def test_what_a_crash_left_is_no_key_and_goes_at_the_next_start(tmp_path: Path) -> None:
    KeyRing(tmp_path, "")
    (tmp_path / "half.new").write_bytes(b"-----BEGIN")
    ring = KeyRing(tmp_path, "")
    assert list(ring.signers) == ["me"]
    assert not (tmp_path / "half.new").exists()
    ring.make("half")


def test_a_key_that_is_brought_while_the_node_runs_waits_for_its_next_start(tmp_path: Path) -> None:
    laptop, phone = tmp_path / "laptop", tmp_path / "phone"
    signer = KeyRing(laptop, "").signers["me"]
    ring = KeyRing(phone, "")
    shutil.copy(laptop / "me.key", phone / "ana.key")
    with pytest.raises(ConfigError, match=r"ana\.key was put there while .*; restart"):
        ring.make("ana")
    assert KeyRing(phone, "").make("ana").id == signer.id


def test_two_calls_at_once_make_one_key(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path, "")
    first, second = (ring.make("ana") for _ in range(2))
    assert first.id == second.id == ring.join("ana", second).id


def test_a_key_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "me.key"
    made = create_key(path)

    def without_links(*_: object) -> None:
        raise OSError(errno.EPERM, "a file system without links")

    for link in (os.link, without_links):
        monkeypatch.setattr(os, "link", link)
        with pytest.raises(ConfigError, match="exists already"):
            create_key(path)
        assert load_key(path).id == made.id
        assert [each.name for each in tmp_path.iterdir()] == ["me.key"]
    create_key(tmp_path / "other.key")
    assert load_key(tmp_path / "other.key").id != made.id


def test_an_empty_key_of_an_older_version_is_named_with_what_to_do(tmp_path: Path) -> None:
    KeyRing(tmp_path, "")
    (tmp_path / "full.key").touch()
    with pytest.raises(ConfigError, match=r"full\.key is empty.*backup.*remove it"):
        KeyRing(tmp_path, "")
    (tmp_path / "full.key").unlink()
    assert list(KeyRing(tmp_path, "").signers) == ["me"]
