"""Routes for what a local user has said, as it stands, for a person to look through."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tastemesh.node.history import SaidEndorsement
from tastemesh.node.http.bodies import PAGE_COUNT, Asker, PageLength
from tastemesh.node.http.operation import get
from tastemesh.node.journal import PLACE, InteractionPage
from tastemesh.node.node import Node


class Place(Asker, frozen=True, kw_only=True):
    """In an address: which page."""

    after: Annotated[str, Meta(description="`next` of a page", pattern=f"^({PLACE.pattern})?$")] = (
        ""
    )
    limit: PageLength = PAGE_COUNT


class EndorsementList(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a user endorses or distrusts.

    Attributes:
        endorsements: the latest word on each, at most 256.
    """

    endorsements: list[SaidEndorsement]


@get("/v1/interactions", "List a user's own interactions")
async def interactions(node: Node, query: Place) -> InteractionPage:
    """Return what the user did, published or private, newest first, a page at a time."""
    return await node.journal.page(query.after, query.limit, identity=query.identity)


@get("/v1/endorsements", "List a user's own endorsements")
async def endorsements(node: Node, query: Asker) -> EndorsementList:
    """Return whom the user endorses or distrusts."""
    said = await node.journal.endorsements(identity=query.identity)
    return EndorsementList(endorsements=said)
