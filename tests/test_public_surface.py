"""What `import tastemesh` gives, and what it does not load."""

import subprocess
import sys

import pytest

import tastemesh


def test_every_public_name_is_there_and_sorted() -> None:
    assert tastemesh.__all__ == sorted(tastemesh.__all__)
    for name in tastemesh.__all__:
        assert getattr(tastemesh, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nod'"):
        _ = tastemesh.Nod


def test_importing_the_package_loads_nothing_heavy() -> None:
    probe = (
        "import sys, tastemesh;"
        "heavy = {'numpy', 'scipy', 'sqlite3', 'aiomqtt', 'starlette'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", probe], check=False, capture_output=True)
    assert run.returncode == 0, run.stderr
