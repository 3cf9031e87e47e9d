"""Long answers hold nobody up: each step is bounded, and others have a turn in between."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tastemesh.node.answers import Backing
from tastemesh.node.http.recommendations import LINES_A_TURN
from tastemesh.node.node import Node, open_node
from tastemesh.node.people import People
from tastemesh.node.plays import Play
from tastemesh.node.settings import NodeConfig
from tests.node.turns import Turns

ITEMS = 2 * LINES_A_TURN + 50


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """me and ben endorse ana, who has many items."""
    async with open_node(NodeConfig(home=tmp_path / "home", offline=True)) as node:
        ana, _ = await node.add_identities(["ana", "ben"])
        for name in ("me", "ben"):
            await node.endorse(ana.id, identity=name)
        plays = [Play(item=f"item {number}") for number in range(ITEMS)]
        await node.record_many(plays, identity="ana")
        yield node


async def test_reasons_are_written_some_lines_a_turn(
    node: Node, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, steps = Turns(), list[tuple[int, int]]()
    behind = People.behind

    def noted(people: People, items: Iterable[str], *, identity: str) -> list[Backing]:
        items = list(items)
        steps.append((turns.count, len(items)))
        return behind(people, items, identity=identity)

    monkeypatch.setattr(People, "behind", noted)
    wanted: dict[str, Any] = {"identities": ["me", "ben"], "k": 1_000, "explain": True}
    async with turns.counted():
        together = (await client.post("/v1/recommendations", json=wanted)).json()
        count = len(steps)
        alone = (await client.get("/v1/recommendations?k=1000&explain=true")).json()
    sizes = [LINES_A_TURN, LINES_A_TURN, ITEMS - 2 * LINES_A_TURN]
    assert [size for _, size in steps] == 3 * sizes
    assert len({turn for turn, _ in steps}) == len(steps) == count + 3  # no two in one turn
    assert together["recommendations"]["me"] == alone["recommendations"]
    assert {line["item"] for line in alone["recommendations"]} == {
        f"item {number}" for number in range(ITEMS)
    }
    assert together["ages_s"].keys() == {"me", "ben"}


async def test_many_lists_are_sent_as_they_are_written(
    node: Node, client: httpx.AsyncClient
) -> None:
    wanted: dict[str, Any] = {"identities": ["me", "ben", "ana"], "k": 1_000}
    answer = await client.post("/v1/recommendations", json=wanted)
    assert "content-length" not in answer.headers  # nobody has all of it in memory
    assert answer.headers["content-type"] == "application/json"
    lists = answer.json()["recommendations"]
    assert [(name, len(lines)) for name, lines in lists.items()] == [
        ("me", ITEMS),
        ("ben", ITEMS),
        ("ana", 0),
    ]
    assert lists["me"] == (await client.get("/v1/recommendations?k=1000")).json()["recommendations"]
