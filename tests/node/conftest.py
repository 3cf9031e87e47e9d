"""Fixtures that several tests of the node share."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tastemesh.node.http.app import create_app
from tastemesh.node.node import Node
from tests.node.daemons import ENVIRONMENT, Shell


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in set(os.environ) - set(ENVIRONMENT):
        monkeypatch.delenv(name)
    return Shell(capsys)


@pytest.fixture
def terminal() -> Iterator[None]:
    """SIGHUP is heeded, also where the tests were started by nohup, which has it ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A scenario that takes no time."""
    scenario = tmp_path / "three.toml"
    scenario.write_text(
        'description = "x"\nnodes = 3\nseconds = 2\nquiet_s = 1\nfriends = 1\nasked = 0\n'
    )
    return scenario


@pytest.fixture
async def client(node: Node) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the module's own `node`, without a socket."""
    token = "t" * 43
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(node, token)),
        base_url="http://127.0.0.1:8765",
        headers={"Authorization": f"Bearer {token}"},
    ) as connected:
        yield connected
