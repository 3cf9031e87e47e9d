"""Routes that recommend and explain."""

import asyncio
from typing import Annotated
from urllib.parse import unquote

from litestar import get, post
from litestar.exceptions import HTTPException
from litestar.params import FromQuery, JSONBody, PathParameter, QueryParameter

from tastemesh.node.advice import Advice
from tastemesh.node.http.bodies import (
    ManyLists,
    RecommendationList,
    RecommendationLists,
    ShownAdvice,
)
from tastemesh.node.http.commits import IdentityQuery, NodeDependency
from tastemesh.node.node import DEFAULT_IDENTITY, Node

_Length = Annotated[int, QueryParameter(ge=1, le=1000, description="length of the list")]

_USERS_AT_ONCE = 8  # ranked before gossip has its turn: some 60 ms at 7 ms a ranking (measured)


@get("/v1/recommendations", summary="Recommend items")
async def recommend(
    node: NodeDependency,
    k: _Length = 10,
    explain: FromQuery[bool] = False,
    identity: IdentityQuery = DEFAULT_IDENTITY,
) -> RecommendationList:
    """Return the best items that the user does not have yet; with `explain`, the reasons too."""
    lines = await node.recommend(k, identity=identity)
    return RecommendationList(_shown(node, lines, explain, identity))


@post("/v1/recommendations", summary="Recommend items to several users", status_code=200)
async def recommend_many(node: NodeDependency, data: JSONBody[ManyLists]) -> RecommendationLists:
    """Return the lists of several local users, each as `GET` returns one."""
    names = list(dict.fromkeys(data.identities))
    lists = {}
    for start in range(0, len(names), _USERS_AT_ONCE):
        found = await node.recommend_many(names[start : start + _USERS_AT_ONCE], data.k)
        for name, lines in found.items():
            lists[name] = _shown(node, lines, data.explain, name)
        await asyncio.sleep(0)
    return RecommendationLists(lists)


@get("/v1/recommendations/{item:str}", summary="Explain one item")
async def explain_item(
    node: NodeDependency,
    item: Annotated[str, PathParameter(description="the item's id, percent-encoded")],
    identity: IdentityQuery = DEFAULT_IDENTITY,
) -> ShownAdvice:
    """Return the item's score for the user and whose word it rests on."""
    name = unquote(item, errors="strict")
    found = await node.explain(name, identity=identity)
    if found is None:
        raise HTTPException(status_code=404, detail=f"nothing speaks for {name!r} here")
    return _shown(node, [found], True, identity)[0]


def _shown(node: Node, lines: list[Advice], explain: bool, identity: str) -> list[ShownAdvice]:
    if not explain:
        return [ShownAdvice(line.item, line.score, line.unverified, ()) for line in lines]
    behind = node.people.behind([line.item for line in lines], identity=identity)
    return [
        ShownAdvice(line.item, line.score, line.unverified, line.reasons, backing)
        for line, backing in zip(lines, behind, strict=True)
    ]
