"""What a node tells an application while it runs: typed events, a bounded queue a subscriber.

A subscriber that reads too slowly loses the oldest events and can see how many; nothing waits for
it. What an event says was committed before.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self
from weakref import WeakSet

import msgspec

from tastemesh.gossip import effects
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.identity import format_id
from tastemesh.gossip.limits import RejectReason
from tastemesh.node.answers import Advice

# Events that wait for one subscriber: a second of full ingestion, some 300 KB (guess).
CAPACITY = 1_024


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all events."""


class RecordAccepted(Event, frozen=True, kw_only=True):
    """A signed record is in the window.

    Attributes:
        record_id: as hex.
        author: id of the identity that signed it, as hex.
        statement_count: how much it says.
        own: True if a local user said it.
    """

    record_id: str
    author: str
    statement_count: int
    own: bool


class RecordRefused(Event, frozen=True, kw_only=True):
    """Something from the network was refused.

    Attributes:
        reason: a member of `RejectReason`.
        author: whom a valid signature blames, as hex; empty where nothing proves anybody guilty.
        detail: what was found.
    """

    reason: str
    author: str
    detail: str


class EquivocationSeen(Event, frozen=True, kw_only=True):
    """An identity has signed two different records under one sequence number.

    Attributes:
        author: its id, as hex.
    """

    author: str


class PeerDiscovered(Event, frozen=True, kw_only=True):
    """A node announced itself for the first time, or again after it had been forgotten.

    Attributes:
        node: its id, as hex.
    """

    node: str


class RecommendationsChanged(Event, frozen=True, kw_only=True):
    """A watched user's list is another one than the one told last; his first list counts too.

    Another one has other items, another order, or other items marked `unverified`.

    Attributes:
        identity: local name of the user.
        recommendations: the list, best first.
    """

    identity: str
    recommendations: tuple[Advice, ...]


class Subscription(AsyncIterator[Event]):
    """An asynchronous iterator over a node's events, from the moment it was made.

    It ends when it is closed, or when the node is, after what was waiting.

    Args:
        capacity: events that may wait, 1 or more.
        watched: local names of users whose lists are watched.
        k: length of their lists.
    """

    def __init__(self, capacity: int, watched: Sequence[str] = (), k: int = 10) -> None:
        self.dropped_count = 0
        """Events lost since it was made, because `capacity` of them were waiting."""
        self.watched = tuple(watched)
        self.k = k
        self.told: dict[str, tuple[tuple[str, bool], ...]] = {}
        self._waiting: deque[Event] = deque(maxlen=capacity)
        self._arrived = asyncio.Event()
        self._closed = False

    def offer(self, event: Event) -> None:
        """Add an event; the oldest one goes where the queue is full."""
        if self._closed:
            return
        self.dropped_count += len(self._waiting) == self._waiting.maxlen
        self._waiting.append(event)
        self._arrived.set()

    def close(self) -> None:
        """End the iteration after what is waiting; closing again does nothing."""
        self._closed = True
        self._arrived.set()

    @property
    def is_closed(self) -> bool:
        """Whether nothing new will come."""
        return self._closed

    async def __anext__(self) -> Event:
        """Wait for the next event."""
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Announcer:
    """Hands a node's events to those who subscribed; one who lets go of his is forgotten."""

    def __init__(self) -> None:
        self._subscriptions: WeakSet[Subscription] = WeakSet()

    @property
    def subscriptions(self) -> list[Subscription]:
        """Those that are open."""
        return [each for each in self._subscriptions if not each.is_closed]

    def subscribe(self, subscription: Subscription) -> None:
        """Tell this one from now on."""
        self._subscriptions.add(subscription)

    def tell(self, effect: Effect) -> None:
        """Tell everybody what an effect of the core means to an application, if anything."""
        if not self._subscriptions:
            return
        event = as_event(effect)
        if event is not None:
            for subscription in self.subscriptions:
                subscription.offer(event)

    def close(self) -> None:
        """End all subscriptions."""
        for subscription in self.subscriptions:
            subscription.close()


def as_event(effect: Effect) -> Event | None:
    """Return the event that an effect of the core is to an application, or None."""
    match effect:
        case effects.Accepted(record=record, own=own):
            return RecordAccepted(
                record_id=format_id(record.id),
                author=format_id(record.author),
                statement_count=len(record.statements),
                own=own,
            )
        case effects.Misbehaved(reason=RejectReason.EQUIVOCATION, author=author):
            return EquivocationSeen(author=format_id(author))
        case effects.Misbehaved(reason=reason, author=author, detail=detail):
            return RecordRefused(reason=reason.value, author=format_id(author), detail=detail)
        case effects.PeerSeen(node=node):
            return PeerDiscovered(node=format_id(node))
    return None
