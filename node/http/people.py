"""Routes about people: a node's local users, whom their trust reaches, and who is not believed."""

from bisect import bisect_right
from typing import Annotated

import msgspec
from msgspec import Meta

from tastemesh.errors import ConfigError, UsageError
from tastemesh.gossip.identity import format_id
from tastemesh.node.answers import Neighbourhood
from tastemesh.node.http.bodies import (
    PAGE_COUNT,
    Asker,
    BackingList,
    Equivocators,
    Items,
    LocalUser,
    LocalUsers,
    NewUser,
    NewUsers,
    PageLength,
    UserList,
)
from tastemesh.node.http.operation import get, post
from tastemesh.node.kernels import KERNELS
from tastemesh.node.keys import check_name
from tastemesh.node.neighbourhood import PEOPLE_LIMIT
from tastemesh.node.node import Node


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """In an address: which page."""

    after: Annotated[str, Meta(max_length=64, description="`next` of a page")] = ""
    limit: PageLength = PAGE_COUNT


class Crowd(Asker, frozen=True, kw_only=True):
    """In an address: whose neighbourhood, and how much of it."""

    limit: Annotated[int, Meta(ge=1, le=PEOPLE_LIMIT, description="people at most")] = PEOPLE_LIMIT


@get("/v1/identities", "List local users")
async def identities(node: Node, query: Place) -> LocalUsers:
    """Return the node's users by name, a page at a time."""
    known = node.identities
    names = sorted(known)
    start = bisect_right(names, query.after)
    page = names[start : start + query.limit]
    more = start + query.limit < len(names)
    return LocalUsers(
        identities=[LocalUser(name=name, identity=known[name]) for name in page],
        next=page[-1] if more else None,
    )


@post("/v1/identities", "Make a local user")
async def add_identity(node: Node, body: NewUser) -> LocalUser:
    """Make a user with keys of his own; one who is there already is returned as he is."""
    (made,) = await _made(node, [body.name])
    return made


@post("/v1/identities/many", "Make several local users")
async def add_identities(node: Node, body: NewUsers) -> UserList:
    """Make users with keys of their own; nobody is made where a name cannot be one."""
    return UserList(identities=await _made(node, body.names))


@get("/v1/neighbourhood", "Show whom a user's trust reaches")
async def neighbourhood(node: Node, query: Crowd) -> Neighbourhood:
    """Return the user, whom he endorses or distrusts, whom those endorse, and his Sybil bound."""
    await KERNELS.ready()  # the bound is read off a list
    return node.people.around(query.limit, identity=query.identity)


@get("/v1/equivocators", "List whom this node does not believe")
async def equivocators(node: Node) -> Equivocators:
    """Return identities proved to have signed two different records under one number."""
    return Equivocators(equivocators=[format_id(each) for each in node.people.equivocators])


@post("/v1/backing", "Tell who stands behind items", status=200)
async def behind(node: Node, body: Items) -> BackingList:
    """Return the people within reach of the user's trust who hold each item."""
    return BackingList(backing=node.people.behind(body.items, identity=body.identity))


async def _made(node: Node, names: list[str]) -> list[LocalUser]:
    for name in names:
        try:
            check_name(name)
        except ConfigError as error:
            raise UsageError(str(error)) from None
        if name == "node":
            raise UsageError("identity name 'node' is taken by the node's own key")
    return [
        LocalUser(name=each.name, identity=each.id) for each in await node.add_identities(names)
    ]
