"""What is to happen in a simulated network, by the millisecond in which it does.

Within a millisecond messages arrive first, in the order in which they were sent, then comes what
each station has to do itself, in the order in which it was scheduled. What is scheduled for a
millisecond while it passes comes last in it.
"""

import heapq
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tastemesh.sim.network import Message
from tastemesh.sim.peer import Station

Act: TypeAlias = Callable[[Any, Any], None]
Event: TypeAlias = tuple[Act, Any, Any]
"""What is done, and what with."""

_NEVER_MS = 1 << 62


class Agenda:
    """Arrivals and events that are still to come."""

    __slots__ = ("_arrivals", "_events", "_times")

    def __init__(self) -> None:
        self._times: list[int] = []  # a heap; a time for which there is both stands in it twice
        self._arrivals: dict[int, list[tuple[Sequence[Station], Message]]] = {}
        self._events: dict[int, list[Event]] = {}

    @property
    def next_ms(self) -> int:
        """When something happens next; ages hence where there is nothing."""
        return self._times[0] if self._times else _NEVER_MS

    def put(self, at_ms: int, event: Event) -> None:
        """Have something happen, after all that is to happen by then already."""
        events = self._events.get(at_ms)
        if events is None:
            events = self._events[at_ms] = []
            heapq.heappush(self._times, at_ms)
        events.append(event)

    def put_arrival(self, at_ms: int, readers: Sequence[Station], message: Message) -> None:
        """Have a message reach its readers."""
        arrivals = self._arrivals.get(at_ms)
        if arrivals is None:
            arrivals = self._arrivals[at_ms] = []
            heapq.heappush(self._times, at_ms)
        arrivals.append((readers, message))

    def pop_time(self) -> int:
        """Take the next time out, for which there is nothing any more where it stood twice."""
        return heapq.heappop(self._times)

    def pop_arrivals(self, at_ms: int) -> Sequence[tuple[Sequence[Station], Message]]:
        """Take out what arrives at a time."""
        return self._arrivals.pop(at_ms, ())

    def pop_events(self, at_ms: int) -> Sequence[Event]:
        """Take out what else happens then, with what its arrivals have led to."""
        return self._events.pop(at_ms, ())

    def clear(self) -> None:
        """Drop everything."""
        self._arrivals.clear()
        self._events.clear()
        self._times.clear()
