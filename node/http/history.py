"""Routes for what a user has said, all at once: bring it in, write it out, and prove a list."""

import asyncio
from typing import Annotated

from msgspec import Meta
from starlette.exceptions import HTTPException

from tastemesh.node.evidence import Evidence
from tastemesh.node.history import Export, Imported
from tastemesh.node.home import WINDOW_COPY
from tastemesh.node.http.bodies import NOTHING_SPEAKS, Asker, History, Likened, Problem
from tastemesh.node.http.commits import committed
from tastemesh.node.http.operation import get, post
from tastemesh.node.node import Node


class Question(Likened, frozen=True, kw_only=True):
    """In an address: which item's score is to be proved."""

    item: Annotated[str, Meta(description="the item's id")]


@post("/v1/imports", "Bring a history in")
async def import_history(node: Node, body: History) -> Imported:
    """Record plays that the user's history lacks; answers once they are committed."""
    bringing = node.import_history(body.plays, private=body.private, identity=body.identity)
    return await committed(node, bringing)


@get("/v1/export", "Write out what a user has said")
async def export(node: Node, query: Asker) -> Export:
    """Return the user's interactions, endorsements and signed records in the window."""
    return await node.export(identity=query.identity)


@get("/v1/evidence", "Prove a recommendation", refusals={404: Problem})
async def evidence(node: Node, query: Question) -> Evidence:
    """Return the signed records that an item's score rests on, for anybody to check."""
    found = await node.evidence(query.item, identity=query.identity, like=query.like)
    if found is None:
        raise HTTPException(404, f"{NOTHING_SPEAKS} {query.item!r} here")
    return found


@post("/v1/backup", "Copy the window", status=204, refusals={409: Problem})
async def backup(node: Node) -> None:
    """Copy the window to a file in the home, for `tastemesh backup`, which takes it from there."""
    copy = node.config.home / WINDOW_COPY
    if await asyncio.to_thread(copy.exists):
        raise HTTPException(409, f"{copy} is there already; remove it first")
    await node.backup(copy)
