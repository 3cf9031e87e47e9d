"""Routes that recommend and explain."""

import asyncio
from typing import Annotated

from msgspec import Meta
from starlette.exceptions import HTTPException

from tastemesh.node.advice import Advice
from tastemesh.node.http.bodies import (
    Asker,
    ListLength,
    ManyLists,
    Problem,
    RecommendationList,
    RecommendationLists,
    ShownAdvice,
)
from tastemesh.node.http.operation import get, post
from tastemesh.node.node import Node


class Wanted(Asker, frozen=True, kw_only=True):
    """In an address: which list."""

    k: ListLength = 10
    explain: Annotated[bool, Meta(description="with reasons")] = False


@get("/v1/recommendations", "Recommend items")
async def recommend(node: Node, query: Wanted) -> RecommendationList:
    """Return the best items that the user does not have yet; with `explain`, the reasons too."""
    lines = await node.recommend(query.k, identity=query.identity)
    return RecommendationList(_shown(node, lines, query.explain, query.identity))


@post("/v1/recommendations", "Recommend items to several users", status=200)
async def recommend_many(node: Node, body: ManyLists) -> RecommendationLists:
    """Return the lists of several local users, each as `GET` returns one."""
    lists = {}
    for name, lines in (await node.recommend_many(body.identities, body.k)).items():
        lists[name] = _shown(node, lines, body.explain, name)
        if body.explain:
            await asyncio.sleep(0)  # who stands behind a list takes as long as the list
    return RecommendationLists(lists)


@get("/v1/recommendations/{item}", "Explain one item", refusals={404: Problem})
async def explain_item(node: Node, item: str, query: Asker) -> ShownAdvice:
    """Return the item's score for the user and whose word it rests on."""
    found = await node.explain(item, identity=query.identity)
    if found is None:
        raise HTTPException(404, f"nothing speaks for {item!r} here")
    return _shown(node, [found], True, query.identity)[0]


def _shown(node: Node, lines: list[Advice], explain: bool, identity: str) -> list[ShownAdvice]:
    if not explain:
        return [ShownAdvice(line.item, line.score, line.unverified, ()) for line in lines]
    behind = node.people.behind([line.item for line in lines], identity=identity)
    return [
        ShownAdvice(line.item, line.score, line.unverified, line.reasons, backing)
        for line, backing in zip(lines, behind, strict=True)
    ]
