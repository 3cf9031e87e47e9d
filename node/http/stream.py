"""What happens on the node, live: `Node.events` as server-sent events (WHATWG HTML, section 9.2).

A reader that is too slow, or a node that is too busy, costs the reader events and never the node
anything: at most `EVENTS_PER_S` go out on a stream, and `Dropped` says how many were lost.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from weakref import WeakSet

import msgspec
from msgspec import Meta
from msgspec.json import encode
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from tastemesh.node.events import Event, Subscription
from tastemesh.node.http.bodies import ListLength
from tastemesh.node.http.operation import get
from tastemesh.node.node import Node
from tastemesh.node.watch import WATCHED_COUNT

# Readers at once: a handful of pages and services, each of which may cost a ranking a watched user
# a second (guess).
STREAM_COUNT = 16

# Between signs of life on a quiet stream: shorter than what proxies take for dead (60 s, nginx).
HEARTBEAT_S = 15.0

# Faster than anybody reads, and a percent of what a stream could cost in a flood of records.
EVENTS_PER_S = 100


class Streams:
    """The streams that are open, so that their number is bounded and a daemon can end them."""

    def __init__(self) -> None:
        self._open: WeakSet[Subscription] = WeakSet()

    def add(self, subscription: Subscription) -> None:
        """Count a stream, until it is closed.

        Raises:
            HTTPException: there are as many as there may be.
        """
        if sum(not each.is_closed for each in self._open) >= STREAM_COUNT:
            subscription.close()
            text = f"{STREAM_COUNT} streams are open, which is the most"
            raise HTTPException(429, text, headers={"Retry-After": "5"})
        self._open.add(subscription)

    def close(self) -> None:
        """End all of them."""
        for each in list(self._open):
            each.close()


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """In an address: what to follow beside what happens to the node."""

    watch: Annotated[
        list[str],
        Meta(max_length=WATCHED_COUNT, description="local names of users whose lists to watch"),
    ] = msgspec.field(default_factory=list)
    k: ListLength = 10


@get("/v1/events", "Follow what happens", answer=str)
async def events(node: Node, streams: Streams, query: Followed) -> StreamingResponse:
    """Stream the node's events, each under the name of its type, until the client hangs up."""
    subscription = node.events(watch=query.watch, k=query.k)
    streams.add(subscription)
    return StreamingResponse(
        _told(subscription),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},  # or nginx keeps them back
    )


async def _told(subscription: Subscription) -> AsyncIterator[bytes]:
    """Write out events until the subscription ends."""
    told_dropped = 0
    async with subscription:
        yield b": following\n\n"
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    event = await anext(subscription, None)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if event is None:
                return
            lost = subscription.dropped_count - told_dropped
            if lost:
                told_dropped += lost
                yield _message("Dropped", {"count": lost})
            yield _message(type(event).__name__, event)
            await asyncio.sleep(1 / EVENTS_PER_S)


def _message(name: str, data: Event | dict[str, int]) -> bytes:
    r"""Return one event as it is sent.

    >>> _message("Dropped", {"count": 3})
    b'event: Dropped\ndata: {"count":3}\n\n'
    """
    return b"event: %s\ndata: %s\n\n" % (name.encode(), encode(data))
