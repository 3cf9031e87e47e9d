"""A configuration in code: what a home must not be made with is refused before there is one."""

from pathlib import Path
from typing import Any

import pytest

from tastemesh.errors import StorageError, UsageError
from tastemesh.node.home import open_window
from tastemesh.node.settings import NodeConfig
from tests.node.full import full_at


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"network": "My Net"}, "network 'My Net'; expected 1 to 32"),
        ({"network": ""}, "network ''"),
        ({"network": 5}, "network is 5; expected text"),
        ({"home": None}, "home is None; expected a folder"),
        ({"home": Path("~nobody-has-this-name/x")}, "expected a folder"),
        ({"brokers": "mqtt://127.0.0.1"}, "brokers is 'mqtt://127.0.0.1'; expected several"),
    ],
)
def test_what_a_home_must_not_be_made_with_is_named(
    wrong: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        NodeConfig(**({"home": tmp_path} | wrong))
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_home_is_a_folder_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert NodeConfig(home=Path("~/ann")).home == tmp_path / "ann"
    written: Any = "~/ann"  # as `open_node` takes it
    assert NodeConfig(home=written).home == tmp_path / "ann"


async def test_a_window_that_could_not_be_opened_is_not_locked(tmp_path: Path) -> None:
    """As long as this process lives, it would be said to be in use by another one."""
    failed = 0
    for byte_count in range(49_152, 98_304, 2_048):  # each step of making it meets a full disk
        config = NodeConfig(home=tmp_path / str(byte_count))
        config.home.mkdir()
        try:
            with full_at(byte_count):
                store = await open_window(config, [])
        except StorageError:
            failed += 1
            store = await open_window(config, [])
        await store.close()
    assert failed > 3
