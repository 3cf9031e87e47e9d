"""A node answers while its kernels compile, and walks the same before and after."""

import asyncio
import gc
import importlib.util
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import tastemesh
from tastemesh.node import collection
from tastemesh.node.http.app import create_app
from tastemesh.node.kernels import Kernels
from tastemesh.node.settings import NodeConfig
from tastemesh.ranking import compiling


async def test_walks_are_numpys_until_the_kernels_are_compiled_and_the_loop_goes_on() -> None:
    kernels = Kernels()
    has_numba = importlib.util.find_spec("numba") is not None
    assert kernels.are_ready != has_numba
    kernels.postpone()
    assert not compiling.is_compiled(None)
    assert compiling.is_compiled(True)
    turns = 0
    waiting = asyncio.create_task(kernels.ready())
    while not waiting.done():
        turns += 1
        await asyncio.sleep(0)
    await waiting
    assert turns > 1
    assert kernels.are_ready
    assert compiling.is_compiled(None) == has_numba
    kernels.postpone()  # a second node of the process
    assert compiling.is_compiled(None) == has_numba


_LISTS = """
import asyncio, sys
from tastemesh.gossip import inputs
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Interaction
from tastemesh.gossip.signer import Signer
from tastemesh.node.core import Core
from tastemesh.node.kernels import KERNELS

def compiled():
    modules = [module for name, module in list(sys.modules.items()) if "tastemesh." in name]
    each = {id(value): value for module in modules for value in vars(module).values()}
    kernels = [value for value in each.values() if hasattr(value, "py_func")]
    return {kernel.py_func.__qualname__: len(kernel.signatures) for kernel in kernels}

KERNELS.postpone()
asyncio.run(KERNELS.ready())
before = compiled()
people = [Signer(bytes([n]) * 32, bytes([n + 9]) * 32) for n in range(9)]
core = Core(node=people[0], signers=tuple(people), network="x", limits=Limits(), seed=bytes(32))
core.handle(inputs.Started(0), 0)
for turn, who in enumerate(people):
    said = [Interaction(f"i{turn * n % 7}", "listen", 10_000) for n in range(1, 4)]
    if turn > 4:
        said.append(Endorsement(people[turn - 1].id, 10_000))
    core.handle(inputs.Recorded(who.id, tuple(said), turn * 60_000), turn)
for who in people:
    core.recommend(who.id, 10, 900_000)
core.recommend_many([who.id for who in people], 10, 900_000)
after = compiled()
print({name: count for name, count in after.items() if before.get(name, 0) != count})
"""


def test_no_list_compiles_anything_once_they_are_ready() -> None:
    pytest.importorskip("numba")
    done = subprocess.run([sys.executable, "-c", _LISTS], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("{}\n", "")


async def test_a_daemon_searches_neither_its_modules_nor_its_kernels_for_cycles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernels = Kernels()
    monkeypatch.setattr(collection, "KERNELS", kernels)
    monkeypatch.setattr(collection, "LOOK_S", 0.01)
    try:
        sparing = asyncio.create_task(collection.spare_what_stays())
        await asyncio.sleep(0)
        at_first = gc.get_freeze_count()
        made_since = [[number] for number in range(1_000)]
        await kernels.ready()
        await sparing
        assert gc.get_freeze_count() > at_first > len(made_since)
    finally:
        gc.unfreeze()


async def test_whoever_asks_while_they_compile_gets_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tastemesh.node.ranker.KERNELS", Kernels())
    config = NodeConfig(home=tmp_path, brokers=("mqtt://127.0.0.1:1",))
    async with tastemesh.open_node(config) as node:
        await node.record("a")
        short, long = await asyncio.gather(node.recommend(3), node.recommend(5))
        assert short == long == []


@pytest.mark.parametrize(
    ("module", "path"), [("health", "/v1/status"), ("people", "/v1/neighbourhood")]
)
async def test_a_page_with_a_bound_on_it_waits_for_them_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, path: str
) -> None:
    kernels = Kernels()
    monkeypatch.setattr(f"tastemesh.node.http.{module}.KERNELS", kernels)
    config = NodeConfig(home=tmp_path, brokers=("mqtt://127.0.0.1:1",))
    async with tastemesh.open_node(config) as node:
        transport = httpx.ASGITransport(app=create_app(node, "token"))
        headers = {"Authorization": "Bearer token"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers=headers
        ) as api:
            waiting = asyncio.create_task(api.get(path))
            answer = await api.get("/v1/identities")
            assert answer.status_code == 200
            assert (await waiting).json()["sybil_bound"]
    assert kernels.are_ready
