"""The network of a node that is offline by its configuration: nobody."""

import asyncio
from collections.abc import Iterable
from typing import Self

from tastemesh.node.transport import BrokerStatus, Event, Message


class Nowhere:
    """`tastemesh.node.transport.Transport` without any broker: no socket, no task, no queue."""

    brokers: tuple[str, ...] = ()

    def subscribe(self, filters: Iterable[str], passing: Iterable[str] = ()) -> None:
        """Nothing comes from nowhere."""

    def publish(self, topic: str, payload: bytes, broker: str = "") -> bool:
        """Let it go: what the store has is found by others once there are brokers."""
        return True

    async def events(self, limit: int = 256) -> list[Event]:
        """Wait until cancelled."""
        await asyncio.Event().wait()
        return []

    def acknowledge(self, message: Message) -> None:
        """There was none."""

    async def drain(self) -> None:
        """Return: nothing waits for anybody."""

    def status(self) -> tuple[BrokerStatus, ...]:
        """Return nothing: there is no connection."""
        return ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None: ...
