"""A start that is ended before the node is ready: it takes minutes where the window is large."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

import tastemesh
from tastemesh.errors import ConfigError
from tastemesh.node.config import Configuration, Settings
from tastemesh.node.daemon import run_daemon
from tastemesh.node.home import WINDOW_FILE
from tastemesh.node.seal import is_replaced, is_sealed, seal, unseal


async def test_a_stop_signal_is_heeded_before_the_node_is_ready(tmp_path: Path) -> None:
    settings = Settings(offline=True, http_port=0)
    sources = dict.fromkeys(Settings.__struct_fields__, "default")
    greeted: list[str] = []
    daemon = asyncio.create_task(
        run_daemon(Configuration(home=tmp_path, settings=settings, sources=sources), greeted.append)
    )
    await asyncio.sleep(0)  # it has begun
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(60):
        await daemon
    assert greeted == []
    async with tastemesh.open_node(tastemesh.NodeConfig(home=tmp_path, offline=True)) as node:
        assert await node.record("song:1")  # nothing holds the home any more


async def test_a_daemon_that_is_cancelled_before_the_node_is_ready_leaves_none(
    tmp_path: Path,
) -> None:
    settings = Settings(offline=True, http_port=0)
    sources = dict.fromkeys(Settings.__struct_fields__, "default")
    daemon = asyncio.create_task(
        run_daemon(Configuration(home=tmp_path, settings=settings, sources=sources))
    )
    await asyncio.sleep(0)  # it has begun
    daemon.cancel()
    await asyncio.wait((daemon,))
    assert daemon.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    async with tastemesh.open_node(tastemesh.NodeConfig(home=tmp_path, offline=True)) as node:
        assert await node.record("song:1")


async def sealed_long_ago(home: Path) -> Path:
    """Make a home, left a minute ago; return its window."""
    async with tastemesh.open_node(tastemesh.NodeConfig(home=home, offline=True)) as node:
        await node.record("song:1")
    window = home / WINDOW_FILE
    then_ns = window.stat().st_mtime_ns - 60 * 10**9
    os.utime(window, ns=(then_ns, then_ns))
    seal(window)
    return window


@pytest.mark.parametrize("step_count", [1, 2, 4, 8, 16, 32, 64])
async def test_a_start_that_is_broken_off_does_not_take_the_window_for_another(
    tmp_path: Path, step_count: int
) -> None:
    window = await sealed_long_ago(tmp_path)
    config = tastemesh.NodeConfig(home=tmp_path, offline=True)
    opening = asyncio.create_task(tastemesh.open_node(config).__aenter__())
    for _ in range(step_count):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait((opening,))
    if not opening.cancelled():
        await opening.result().__aexit__(None, None, None)
    assert not is_replaced(window)


async def test_a_start_that_is_refused_does_not_take_the_window_for_another(
    tmp_path: Path,
) -> None:
    window = await sealed_long_ago(tmp_path)
    elsewhere = tastemesh.NodeConfig(home=tmp_path, offline=True, network="elsewhere")
    with pytest.raises(ConfigError, match="belongs to 'main'"):
        async with tastemesh.open_node(elsewhere):
            pass
    assert not is_replaced(window)


async def test_a_start_that_another_forestalled_leaves_no_note_in_its_place(tmp_path: Path) -> None:
    """It would be of a window that is written, and of no use after that one was killed."""
    window = await sealed_long_ago(tmp_path)
    config = tastemesh.NodeConfig(home=tmp_path, offline=True)
    opening = asyncio.create_task(tastemesh.open_node(config).__aenter__())
    await asyncio.sleep(0)  # it has begun
    unseal(window)  # the other is ready
    opening.cancel()
    await asyncio.wait((opening,))
    assert not is_sealed(window)


async def test_a_start_that_waited_for_another_to_end_and_is_refused_does_not_spoil_its_note(
    tmp_path: Path,
) -> None:
    window = await sealed_long_ago(tmp_path)
    note = window.with_suffix(".seal")
    left = note.read_text()
    unseal(window)
    elsewhere = tastemesh.NodeConfig(home=tmp_path, offline=True, network="elsewhere")
    opening = asyncio.create_task(tastemesh.open_node(elsewhere).__aenter__())
    await asyncio.sleep(0)  # it has begun
    note.write_text(left)  # the other ends
    await asyncio.wait((opening,))
    assert isinstance(opening.exception(), ConfigError)
    assert not is_replaced(window)
