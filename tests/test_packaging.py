"""The built wheel holds exactly the packages of the tree, under one import name."""

import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGES = ("gossip", "node", "ranking", "reputation", "sim", "storage")


def tracked(*patterns: str) -> list[str]:
    run = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if run.returncode != 0:
        pytest.skip("not a git checkout: an sdist has the linked form only")
    return run.stdout.split()


@pytest.mark.slow
def test_the_wheel_holds_what_git_holds(tmp_path: Path) -> None:
    sources = tracked(*(f"{package}/*" for package in PACKAGES))
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {f"tastemesh/{source}" for source in sources}
    own = ("__init__.py", "__main__.py", "errors.py", "py.typed")
    wanted |= {f"tastemesh/{name}" for name in own}
    assert names == wanted


def test_an_installed_node_takes_less_than_300_mb() -> None:
    """The core wheel with all it needs, bytecode included; the test extra is not counted."""
    waiting, sizes = ["tastemesh"], {}
    while waiting:
        name = waiting.pop()
        if name in sizes:
            continue
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform
        files = [Path(str(file.locate())) for file in found.files or ()]
        sizes[name] = sum(file.stat().st_size for file in files if file.is_file())
        for each in map(Requirement, found.requires or ()):
            if each.marker is None or each.marker.evaluate({"extra": ""}):
                waiting.append(each.name.lower().replace("_", "-"))
    assert sizes["scipy"] > 50e6, "measured nothing"
    assert "faker" not in sizes
    assert sum(sizes.values()) < 300e6, sorted(sizes.items(), key=lambda each: -each[1])[:8]
