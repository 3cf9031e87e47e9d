"""Fixtures that several tests of the node share."""

import os
from pathlib import Path

import pytest

from tests.node.daemons import ENVIRONMENT, Shell


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in set(os.environ) - set(ENVIRONMENT):
        monkeypatch.delenv(name)
    return Shell(capsys)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A scenario that takes no time."""
    scenario = tmp_path / "three.toml"
    scenario.write_text(
        'description = "x"\nnodes = 3\nseconds = 2\nquiet_s = 1\nfriends = 1\nasked = 0\n'
    )
    return scenario
