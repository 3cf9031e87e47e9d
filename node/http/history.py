"""Routes for what a user has said, all at once: bring it in, write it out, and prove a list."""

import asyncio
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.exceptions import HTTPException
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from tastemesh.node.evidence import Evidence
from tastemesh.node.history import Export, Imported
from tastemesh.node.home import WINDOW_COPY
from tastemesh.node.http.bodies import IdentityName
from tastemesh.node.http.commits import IdentityQuery, NodeDependency, committed
from tastemesh.node.node import DEFAULT_IDENTITY
from tastemesh.node.plays import Play

# In one request, so that it stays below the size of a body: 64 with the longest ids, escaped.
PLAYS_PER_REQUEST = 64


class History(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a local user did elsewhere."""

    plays: Annotated[list[Play], Meta(description="with dates", max_length=PLAYS_PER_REQUEST)]
    private: Annotated[bool, Meta(description="keep them on this node")] = False
    identity: IdentityName = DEFAULT_IDENTITY


@post("/v1/imports", summary="Bring a history in")
async def import_history(node: NodeDependency, data: JSONBody[History]) -> Imported:
    """Record plays that the user's history lacks; answers once they are committed."""
    bringing = node.import_history(data.plays, private=data.private, identity=data.identity)
    return await committed(node, bringing)


@get("/v1/export", summary="Write out what a user has said")
async def export(node: NodeDependency, identity: IdentityQuery = DEFAULT_IDENTITY) -> Export:
    """Return the user's interactions, endorsements and signed records in the window."""
    return await node.export(identity=identity)


@get("/v1/evidence", summary="Prove a recommendation")
async def evidence(
    node: NodeDependency,
    item: Annotated[str, QueryParameter(description="the item's id")],
    identity: IdentityQuery = DEFAULT_IDENTITY,
) -> Evidence:
    """Return the signed records that an item's score rests on, for anybody to check."""
    found = await node.evidence(item, identity=identity)
    if found is None:
        raise HTTPException(status_code=404, detail=f"nothing speaks for {item!r} here")
    return found


@post("/v1/backup", summary="Copy the window", status_code=204)
async def backup(node: NodeDependency) -> None:
    """Copy the window to a file in the home, for `tastemesh backup`, which takes it from there."""
    copy = node.config.home / WINDOW_COPY
    if await asyncio.to_thread(copy.exists):
        raise HTTPException(status_code=409, detail=f"{copy} is there already; remove it first")
    await node.backup(copy)
