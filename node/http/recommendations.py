"""Routes that recommend and explain."""

import asyncio

from starlette.exceptions import HTTPException

from tastemesh.node.answers import Advice, Backing
from tastemesh.node.http.bodies import (
    NOTHING_SPEAKS,
    Asker,
    Backed,
    Explained,
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
    explain: Explained = False
    backing: Backed = True


@get("/v1/recommendations", "Recommend items")
async def recommend(node: Node, query: Wanted) -> RecommendationList:
    """Return the best items that the user does not have yet; with `explain`, the reasons too."""
    listed = (await node.lists([query.identity], query.k))[query.identity]
    people = query.identity if query.backing else None
    shown = _shown(node, listed.lines, query.explain, people)
    return RecommendationList(shown, listed.age_ms / 1000)


@post("/v1/recommendations", "Recommend items to several users", status=200)
async def recommend_many(node: Node, body: ManyLists) -> RecommendationLists:
    """Return the lists of several local users, each as `GET` returns one."""
    lists = {}
    found = await node.lists(body.identities, body.k)
    for name, listed in found.items():
        lists[name] = _shown(node, listed.lines, body.explain, name if body.backing else None)
        if body.explain and body.backing:
            await asyncio.sleep(0)  # who stands behind a list takes as long as the list
    ages_s = {name: listed.age_ms / 1000 for name, listed in found.items()}
    return RecommendationLists(lists, ages_s)


@get("/v1/recommendations/{item}", "Explain one item", refusals={404: Problem})
async def explain_item(node: Node, item: str, query: Asker) -> ShownAdvice:
    """Return the item's score for the user and whose word it rests on."""
    found = await node.explain(item, identity=query.identity)
    if found is None:
        raise HTTPException(404, f"{NOTHING_SPEAKS} {item!r} here")
    return _shown(node, [found], True, query.identity)[0]


def _shown(
    node: Node, lines: list[Advice], explain: bool, identity: str | None
) -> list[ShownAdvice]:
    """Return a list as it is shown; the people behind it only where it is said for whom."""
    if not explain:
        return [ShownAdvice(line.item, line.score, line.unverified, ()) for line in lines]
    behind: list[Backing | None] = [None] * len(lines)
    if identity is not None:
        behind[:] = node.people.behind([line.item for line in lines], identity=identity)
    return [
        ShownAdvice(line.item, line.score, line.unverified, line.reasons, backing)
        for line, backing in zip(lines, behind, strict=True)
    ]
