"""Routes about people: a node's local users, whom their trust reaches, and who is not believed."""

from bisect import bisect_right
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from tastemesh.errors import ConfigError, UsageError
from tastemesh.gossip.identity import format_id
from tastemesh.node.http.bodies import PAGE_COUNT, PageLength
from tastemesh.node.http.commits import IdentityQuery, NodeDependency
from tastemesh.node.keys import check_name
from tastemesh.node.neighbourhood import PEOPLE_LIMIT, Neighbourhood
from tastemesh.node.node import DEFAULT_IDENTITY


class LocalUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user of this node.

    Attributes:
        name: local name; it never leaves this machine.
        identity: id as hex; what others endorse.
    """

    name: str
    identity: str


class LocalUsers(msgspec.Struct, frozen=True, kw_only=True):
    """A page of local users.

    Attributes:
        identities: by name.
        next: what to give as `after` for the next page; null on the last one.
    """

    identities: list[LocalUser]
    next: str | None


class NewUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A local user to be made."""

    name: Annotated[str, Meta(description="1 to 64 of a-z, 0-9, - and _")]


class Equivocators(msgspec.Struct, frozen=True, kw_only=True):
    """Whom this node does not believe.

    Attributes:
        equivocators: ids, as hex, of those proved to have signed two different records under one
            number, oldest proof first.
    """

    equivocators: list[str]


@get("/v1/identities", summary="List local users")
async def identities(
    node: NodeDependency,
    after: Annotated[str, QueryParameter(max_length=64, description="`next` of a page")] = "",
    limit: PageLength = PAGE_COUNT,
) -> LocalUsers:
    """Return the node's users by name, a page at a time."""
    known = node.identities
    names = sorted(known)
    start = bisect_right(names, after)
    page = names[start : start + limit]
    more = start + limit < len(names)
    return LocalUsers(
        identities=[LocalUser(name=name, identity=known[name]) for name in page],
        next=page[-1] if more else None,
    )


@post("/v1/identities", summary="Make a local user")
async def add_identity(node: NodeDependency, data: JSONBody[NewUser]) -> LocalUser:
    """Make a user with keys of his own; one who is there already is returned as he is."""
    try:
        check_name(data.name)
    except ConfigError as error:
        raise UsageError(str(error)) from None
    if data.name == "node":
        raise UsageError("identity name 'node' is taken by the node's own key")
    (made,) = await node.add_identities([data.name])
    return LocalUser(name=made.name, identity=made.id)


@get("/v1/neighbourhood", summary="Show whom a user's trust reaches")
async def neighbourhood(
    node: NodeDependency,
    limit: Annotated[
        int, QueryParameter(ge=1, le=PEOPLE_LIMIT, description="people at most")
    ] = PEOPLE_LIMIT,
    identity: IdentityQuery = DEFAULT_IDENTITY,
) -> Neighbourhood:
    """Return the user, whom he endorses or distrusts, whom those endorse, and his Sybil bound."""
    return node.people.around(limit, identity=identity)


@get("/v1/equivocators", summary="List whom this node does not believe")
async def equivocators(node: NodeDependency) -> Equivocators:
    """Return identities proved to have signed two different records under one number."""
    return Equivocators(equivocators=[format_id(each) for each in node.people.equivocators])
