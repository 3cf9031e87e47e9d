"""Routes that recommend and explain."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from msgspec import Raw
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from tastemesh.node.answers import Advice, Backing, Listed
from tastemesh.node.http.answering import as_response, encoded
from tastemesh.node.http.bodies import (
    NOTHING_SPEAKS,
    Asker,
    Backed,
    Explained,
    Likened,
    ListLength,
    ManyLists,
    Problem,
    RecommendationList,
    RecommendationLists,
    ShownAdvice,
)
from tastemesh.node.http.operation import get, post
from tastemesh.node.node import Node
from tastemesh.node.wish import Wishes

# Lines written before anything else has its turn. Who stands behind a line takes 10 to 100 us
# (measured).
LINES_A_TURN = 100

_WISHES_BYTES = 1024 * 1024  # of a body: as many candidates as may be, of 100 bytes each

CHUNK_BYTES = 64 * 1024  # of an answer that are sent together: a send takes 30 us (guess)


class Wanted(Asker, frozen=True, kw_only=True):
    """In an address: which list."""

    k: ListLength = 10
    explain: Explained = False
    backing: Backed = True


@get("/v1/recommendations", "Recommend items", answer=RecommendationList)
async def recommend(node: Node, query: Wanted) -> Response:
    """Return the best items that the user does not have yet; with `explain`, the reasons too."""
    listed = (await node.lists([query.identity], query.k))[query.identity]
    lines = _lines(node, listed, query.explain, query.identity if query.backing else None)
    written = Raw(b"".join([part async for part in lines]))
    return as_response({"recommendations": written, "age_s": listed.age_ms / 1000}, 200)


@post(
    "/v1/recommendations",
    "Recommend items to several users",
    status=200,
    answer=RecommendationLists,
    body_bytes=_WISHES_BYTES,
)
async def recommend_many(node: Node, body: ManyLists) -> StreamingResponse:
    """Return the lists of several local users, each as `GET` returns one, written as they come.

    With `candidates` nothing else is listed, and nothing of `exclude`: at most 10,000 items each.
    With `like`, at most 64 items, the users' own taste makes room for what goes with these.
    """
    wishes = Wishes(candidates=body.candidates, exclude=body.exclude, like=body.like)
    found = await node.lists(body.identities, body.k, **wishes)
    written = _written(node, found, body.explain, backing=body.backing)
    return StreamingResponse(written, media_type="application/json")


@get("/v1/recommendations/{item}", "Explain one item", refusals={404: Problem})
async def explain_item(node: Node, item: str, query: Likened) -> ShownAdvice:
    """Return the item's score for the user and whose word it rests on."""
    found = await node.explain(item, identity=query.identity, like=query.like)
    if found is None:
        raise HTTPException(404, f"{NOTHING_SPEAKS} {item!r} here")
    return _shown(node, [found], True, query.identity)[0]


async def _written(
    node: Node, found: Mapping[str, Listed], explain: bool, *, backing: bool
) -> AsyncIterator[bytes]:
    """Yield users' lists as JSON, a little at a time: all of it may be 100 MB."""
    ages_s = {name: listed.age_ms / 1000 for name, listed in found.items()}
    written = bytearray(b'{"ages_s":%s,"recommendations":{' % encoded(ages_s))
    for place, (name, listed) in enumerate(found.items()):
        written += b"%s%s:" % (b"," if place else b"", encoded(name))
        async for part in _lines(node, listed, explain, name if backing else None):
            written += part
            if len(written) >= CHUNK_BYTES:
                yield bytes(written)
                written.clear()
        await asyncio.sleep(0)
    yield bytes(written + b"}}")


async def _lines(
    node: Node, listed: Listed, explain: bool, identity: str | None
) -> AsyncIterator[bytes]:
    """Yield a list as JSON, with a turn for others between its parts."""
    yield b"["
    for start in range(0, len(listed.lines), LINES_A_TURN):
        if start:
            await asyncio.sleep(0)
        lines = listed.lines[start : start + LINES_A_TURN]
        part = encoded(_shown(node, lines, explain, identity))[1:-1]
        yield b"," + part if start else part
    yield b"]"


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
