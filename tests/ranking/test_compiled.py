"""What numba keeps on disk may be missing, damaged or impossible: lists are made all the same."""

import resource
from pathlib import Path
from typing import Any

import numba
import pytest

from tastemesh.ranking.compiled import compiled


def _twice(number: int) -> int:
    return 2 * number


def _compiled() -> Any:
    return compiled(_twice)


def _hits(kernel: Any) -> int:
    return sum(kernel.stats.cache_hits.values())


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def test_the_next_process_finds_what_was_compiled(kept: Path) -> None:
    assert _compiled()(21) == 42
    again = _compiled()
    assert again(21) == 42
    assert _hits(again) == 1


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [b"", b"\x80\x04", b"never a pickle"])
def test_what_is_damaged_is_compiled_anew_and_kept_again(
    kept: Path, suffix: str, left: bytes
) -> None:
    assert _compiled()(21) == 42
    (path,) = kept.rglob(f"*.{suffix}")
    path.write_bytes(left)
    assert _compiled()(21) == 42
    again = _compiled()
    assert again(21) == 42
    assert _hits(again) == 1


def test_a_full_disk_keeps_nothing_and_hinders_nobody(kept: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        assert _compiled()(21) == 42
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(kept.rglob("*.nbi"))
    assert _hits(_compiled()) == 0


def test_no_folder_for_it_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = tmp_path / "file"
    taken.touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(taken))
    monkeypatch.setattr(
        numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator", raising=False
    )
    assert _compiled()(21) == 42
