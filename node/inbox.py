"""The bounded queue between the brokers' sockets and the one consumer.

Each broker has its own share: a broker that floods us pushes out its own oldest messages and
nobody else's. Taking goes round the brokers. Nothing here waits except the consumer.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from tastemesh.node.transport import Connected, Disconnected, Dropped, Event, Message

# Connection events kept for one broker while the consumer is away; the latest are what counts
# (guess: five minutes of attempts at the capped backoff).
STATE_EVENT_COUNT = 16


class _Share:
    """What one broker has in the inbox."""

    def __init__(self, broker: str, discard: Callable[[Message], None]) -> None:
        self.broker = broker
        self._discard = discard
        self.queue: deque[Event] = deque()
        # Connection events that eviction met at the front: older than the whole queue, never lost
        # to a flood of messages.
        self.kept: deque[Event] = deque(maxlen=STATE_EVENT_COUNT)
        self.message_count = 0
        self.size_bytes = 0
        self.unreported_count = 0
        self.dropped_count = 0
        self.received_count = 0

    def __bool__(self) -> bool:
        return bool(self.queue or self.kept or self.unreported_count)

    def drop(self) -> None:
        self.dropped_count += 1
        self.unreported_count += 1

    def drop_oldest(self) -> None:
        """Make room: remove the oldest message, keep connection events."""
        while self.queue:
            event = self.queue.popleft()
            if isinstance(event, Message):
                self._forget(event)
                self.drop()
                self._discard(event)
                return
            self.kept.append(event)

    def pop(self) -> Event:
        if self.kept:
            return self.kept.popleft()
        if self.unreported_count:
            count, self.unreported_count = self.unreported_count, 0
            return Dropped(self.broker, count)
        event = self.queue.popleft()
        if isinstance(event, Message):
            self._forget(event)
        return event

    def _forget(self, message: Message) -> None:
        self.message_count -= 1
        self.size_bytes -= len(message.payload)


class Inbox:
    """Events of all brokers, bounded per broker in messages and in bytes.

    Args:
        brokers: their names.
        message_count: messages held for one broker.
        size_bytes: payload bytes held for one broker.
        discard: called with each message that had to make room.
    """

    def __init__(
        self,
        brokers: Sequence[str],
        message_count: int,
        size_bytes: int,
        discard: Callable[[Message], None] = lambda message: None,
    ) -> None:
        self._shares = {broker: _Share(broker, discard) for broker in brokers}
        self._message_count = message_count
        self._size_bytes = size_bytes
        self._filled = asyncio.Event()
        self._turn = 0

    def __bool__(self) -> bool:
        return any(self._shares.values())

    def put_message(self, message: Message) -> None:
        """Take a message in; the oldest of the same broker make room where there is none."""
        share = self._shares[message.broker]
        share.received_count += 1
        share.queue.append(message)
        share.message_count += 1
        share.size_bytes += len(message.payload)
        while share.message_count > self._message_count or share.size_bytes > self._size_bytes:
            share.drop_oldest()
        self._filled.set()

    def put_state(self, event: Connected | Disconnected) -> None:
        """Take a connection event in; it outlives messages."""
        share = self._shares[event.broker]
        share.queue.append(event)
        if len(share.queue) - share.message_count > STATE_EVENT_COUNT:
            self._forget_old_state(share)
        self._filled.set()

    def put_dropped(self, broker: str) -> None:
        """Count a message that was refused at the door."""
        self._shares[broker].drop()
        self._filled.set()

    def dropped_count(self, broker: str) -> int:
        """Messages of a broker discarded since the start."""
        return self._shares[broker].dropped_count

    def received_count(self, broker: str) -> int:
        """Messages of a broker taken in since the start."""
        return self._shares[broker].received_count

    async def take(self, limit: int) -> list[Event]:
        """Wait for an event and take up to about `limit`, in equal parts from each broker.

        Loses nothing when cancelled.
        """
        await self._filled.wait()
        shares = list(self._shares.values())
        start = self._turn % len(shares)
        self._turn += 1
        filled = [share for share in shares[start:] + shares[:start] if share]
        quota = max(1, limit // len(filled))
        events: list[Event] = []
        for share in filled:
            for _ in range(quota):
                if not share:
                    break
                events.append(share.pop())
        if not self:
            self._filled.clear()
        return events

    @staticmethod
    def _forget_old_state(share: _Share) -> None:
        """Remove the oldest connection event of a queue that nobody empties."""
        for index, event in enumerate(share.queue):
            if not isinstance(event, Message):
                del share.queue[index]
                return
