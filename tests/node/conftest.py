"""Fixtures that several tests of the node share."""

import os

import pytest

from tests.node.daemons import ENVIRONMENT, Shell


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in set(os.environ) - set(ENVIRONMENT):
        monkeypatch.delenv(name)
    return Shell(capsys)
