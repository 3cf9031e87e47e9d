"""The repository's own rules that no tool checks: links, purity, determinism, public surface."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("gossip", "node", "ranking", "reputation", "sim", "storage")
PURE = ("gossip", "reputation", "ranking")


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_linked_into_the_one_import_name(package: str) -> None:
    link = ROOT / "src" / "tastemesh" / package
    assert link.is_symlink(), "a clone without symbolic links; see ADR 2"
    assert link.resolve() == (ROOT / package).resolve()


def test_the_packages_are_importable_only_as_tastemesh() -> None:
    probe = "import importlib.util, sys; sys.exit(any(map(importlib.util.find_spec, sys.argv[1:])))"
    run = subprocess.run([sys.executable, "-c", probe, *PACKAGES], cwd="/", check=False)
    assert run.returncode == 0


def test_pure_packages_iterate_no_set_comprehension_or_literal() -> None:
    """A loop over a set of ids would make traces depend on the process's hash seed."""
    found = []
    for package in PURE:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                loops = (
                    [node.iter]
                    if isinstance(node, ast.For)
                    else [g.iter for g in getattr(node, "generators", [])]
                )
                for iterated in loops:
                    named_set = (
                        isinstance(iterated, ast.Call)
                        and isinstance(iterated.func, ast.Name)
                        and iterated.func.id in ("set", "frozenset")
                    )
                    if named_set or isinstance(iterated, ast.Set | ast.SetComp):
                        found.append(f"{path.relative_to(ROOT)}:{iterated.lineno}")
    assert found == []


def test_importing_the_simulator_loads_no_driver() -> None:
    probe = (
        "import sys, tastemesh.sim.engine;"
        "sys.exit(bool({'sqlite3', 'aiomqtt', 'asyncio'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def test_no_file_outgrows_a_reader() -> None:
    """Aim for 100 to 300 lines, think at 400; 600 would need a reason, and there is none."""
    long = {
        str(path.relative_to(ROOT)): count
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if (count := len(path.read_text().splitlines())) > 450
    }
    assert long == {}
