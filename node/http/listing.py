"""Routes for what a local user has said, as it stands, for a person to look through."""

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from tastemesh.errors import UsageError
from tastemesh.node.history import SaidEndorsement, SaidInteraction
from tastemesh.node.http.bodies import PAGE_COUNT, Asker, PageLength
from tastemesh.node.http.operation import get
from tastemesh.node.node import Node

_PLACE = re.compile(r"(\d{1,16})-(\d{1,6})")


class Place(Asker, frozen=True, kw_only=True):
    """In an address: which page."""

    after: Annotated[
        str, Meta(description="`next` of a page", pattern=f"^({_PLACE.pattern})?$")
    ] = ""
    limit: PageLength = PAGE_COUNT


class InteractionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a user's own interactions.

    Attributes:
        interactions: newest first.
        next: what to give as `after` for the next page; null on the last one.
    """

    interactions: list[SaidInteraction]
    next: str | None


class EndorsementList(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a user endorses or distrusts.

    Attributes:
        endorsements: the latest word on each, at most 256.
    """

    endorsements: list[SaidEndorsement]


@get("/v1/interactions", "List a user's own interactions")
async def interactions(node: Node, query: Place) -> InteractionPage:
    """Return what the user did, published or private, newest first, a page at a time."""
    said = (await node.export(identity=query.identity)).interactions
    return page(said, query.after, query.limit)


@get("/v1/endorsements", "List a user's own endorsements")
async def endorsements(node: Node, query: Asker) -> EndorsementList:
    """Return whom the user endorses or distrusts."""
    said = await node.export(identity=query.identity)
    return EndorsementList(endorsements=said.endorsements)


def page(said: Sequence[SaidInteraction], after: str, limit: int) -> InteractionPage:
    """Return the interactions that follow a place.

    A place is a date and how many of that date were given, so it holds while newer ones are said.

    Args:
        said: in any order.
        after: where the page before ended; empty for the first page.
        limit: interactions on a page at most.

    Raises:
        UsageError: `after` is not a place.
    """
    listed = sorted(said, key=lambda each: (-each.time_s, each.item, each.kind, each.private))
    dates = [_date_ms(each) for each in listed]
    start = 0
    if after:
        found = _PLACE.fullmatch(after)
        if found is None:
            raise UsageError(f"after is {after!r}; expected the `next` of a page")
        date_ms, given = int(found[1]), int(found[2])
        start = sum(date > date_ms for date in dates)
        start += min(given, dates.count(date_ms))
    end = start + limit
    place = None
    if end < len(listed):
        date_ms = dates[end - 1]
        place = f"{date_ms}-{end - sum(date > date_ms for date in dates)}"
    return InteractionPage(interactions=listed[start:end], next=place)


def _date_ms(each: SaidInteraction) -> int:
    return round(each.time_s * 1000)
