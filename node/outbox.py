"""What waits to be published on one broker: bounded, in order, kept until acknowledged.

A payload is *waiting* until the sender takes it, then *in flight* until the broker acknowledges
it. A lost connection puts what was in flight back to the front, in its old order.
"""

import asyncio
from collections import deque

import msgspec


class Parcel(msgspec.Struct, frozen=True):
    """One payload on its way.

    Attributes:
        number: counts up from 0 in one outbox.
        topic: where to.
        payload: what.
    """

    number: int
    topic: str
    payload: bytes


class Outbox:
    """Payloads for one broker.

    Args:
        message_count: most payloads held, in flight included.
        size_bytes: most payload bytes held, in flight included.
    """

    def __init__(self, message_count: int, size_bytes: int) -> None:
        self._message_count = message_count
        self._size_bytes = size_bytes
        self._waiting: deque[Parcel] = deque()
        self._in_flight: dict[int, Parcel] = {}
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._next_number = 0
        self.size_bytes = 0
        self.acknowledged_count = 0
        self.refused_count = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    def put(self, topic: str, payload: bytes) -> bool:
        """Enqueue, or count a refusal and return False when full."""
        full = len(self) >= self._message_count
        if full or self.size_bytes + len(payload) > self._size_bytes:
            self.refused_count += 1
            return False
        self._waiting.append(Parcel(self._next_number, topic, payload))
        self._next_number += 1
        self.size_bytes += len(payload)
        self._filled.set()
        self._empty.clear()
        return True

    async def take(self) -> Parcel:
        """Wait for the oldest waiting payload; from now on it is in flight. For one consumer."""
        await self._filled.wait()
        parcel = self._waiting.popleft()
        self._in_flight[parcel.number] = parcel
        if not self._waiting:
            self._filled.clear()
        return parcel

    def acknowledge(self, parcel: Parcel) -> None:
        """The broker has it."""
        del self._in_flight[parcel.number]
        self.size_bytes -= len(parcel.payload)
        self.acknowledged_count += 1
        if not self._waiting and not self._in_flight:
            self._empty.set()

    def requeue(self) -> None:
        """The connection is gone: what was in flight goes back to the front."""
        if self._in_flight:
            self._waiting.extendleft(reversed(self._in_flight.values()))
            self._in_flight.clear()
            self._filled.set()

    def oldest_in_flight(self) -> Parcel | None:
        """The payload that has waited longest for its acknowledgement."""
        return next(iter(self._in_flight.values()), None)

    async def drained(self) -> None:
        """Wait until nothing waits and nothing is in flight."""
        await self._empty.wait()
