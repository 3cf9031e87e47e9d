"""Routes for what a local user has said, as it stands, for a person to look through."""

from typing import Annotated

from msgspec import Meta

from tastemesh.node.history import InteractionPage
from tastemesh.node.http.bodies import PAGE_COUNT, Asker, EndorsementList, PageLength
from tastemesh.node.http.operation import get
from tastemesh.node.journal import PLACE
from tastemesh.node.node import Node


class Place(Asker, frozen=True, kw_only=True):
    """In an address: which page."""

    after: Annotated[str, Meta(description="`next` of a page", pattern=f"^({PLACE.pattern})?$")] = (
        ""
    )
    limit: PageLength = PAGE_COUNT


@get("/v1/interactions", "List a user's own interactions")
async def interactions(node: Node, query: Place) -> InteractionPage:
    """Return what the user did, published or private, newest first, a page at a time."""
    return await node.journal.page(query.after, query.limit, identity=query.identity)


@get("/v1/endorsements", "List a user's own endorsements")
async def endorsements(node: Node, query: Asker) -> EndorsementList:
    """Return whom the user endorses or distrusts."""
    said = await node.journal.endorsements(identity=query.identity)
    return EndorsementList(endorsements=said)
