"""Whether the window that a node finds is the one that it left.

A home that was copied has a window of another inode (`tastemesh.node.home`). An older copy that was
written over the window has the same one, and its node would use numbers again. So a node that ends
notes when its window was last written, and the next start compares. After a crash there is no note,
and nothing is known.
"""

from contextlib import suppress
from pathlib import Path

# To which FAT, the coarsest of file systems, keeps times. Not the time of a change, which a backup
# program or a new owner alters, too.
_COARSE_NS = 2_000_000_000


def seal(window: Path) -> None:
    """Note when a window that was closed was last written; a disk that takes no note has none.

    Args:
        window: its file.
    """
    with suppress(OSError):
        _path(window).write_text(str(window.stat().st_mtime_ns))


def is_sealed(window: Path) -> bool:
    """Tell whether there is a note: neither while a node runs nor after it was killed.

    Args:
        window: its file.
    """
    return _path(window).exists()


def is_replaced(window: Path) -> bool:
    """Tell whether a window that is not open yet is another one than was left here.

    Args:
        window: its file.
    """
    try:
        left_ns = int(_path(window).read_text())
        return abs(window.stat().st_mtime_ns - left_ns) > _COARSE_NS
    except (OSError, ValueError):  # there is none, or half of one
        return False


def unseal(window: Path) -> None:
    """Take the note away: from now on the window is written.

    Args:
        window: its file.
    """
    with suppress(OSError):
        _path(window).unlink(missing_ok=True)


def _path(window: Path) -> Path:
    return window.with_suffix(".seal")
