"""The outbox: bounded, in order, and nothing leaves before it is acknowledged."""

import asyncio

import pytest

from tastemesh.node.outbox import Outbox


def test_it_refuses_what_does_not_fit() -> None:
    outbox = Outbox(message_count=2, size_bytes=10)
    assert outbox.put("t", b"x" * 10)
    assert not outbox.put("t", b"x")
    assert outbox.put("t", b"")
    assert not outbox.put("t", b"")
    assert (len(outbox), outbox.size_bytes, outbox.refused_count) == (2, 10, 2)


async def test_only_acknowledgement_makes_room() -> None:
    outbox = Outbox(message_count=1, size_bytes=10)
    outbox.put("t", b"x")
    parcel = await outbox.take()
    assert not outbox.put("t", b"y")
    outbox.acknowledge(parcel)
    assert outbox.put("t", b"y")
    assert outbox.acknowledged_count == 1


async def test_a_lost_connection_restores_the_order() -> None:
    outbox = Outbox(message_count=10, size_bytes=100)
    for number in range(5):
        outbox.put("t", bytes([number]))
    first, second, third = [await outbox.take() for _ in range(3)]
    outbox.acknowledge(second)
    assert outbox.oldest_in_flight() is first
    outbox.requeue()
    assert outbox.oldest_in_flight() is None
    assert [await outbox.take() for _ in range(2)] == [first, third]
    assert [(await outbox.take()).payload for _ in range(2)] == [b"\x03", b"\x04"]


async def test_drained_waits_for_the_last_acknowledgement() -> None:
    outbox = Outbox(message_count=10, size_bytes=100)
    await outbox.drained()
    outbox.put("t", b"x")
    parcel = await outbox.take()
    waiting = asyncio.create_task(outbox.drained())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.requeue()
    assert await outbox.take() == parcel
    outbox.acknowledge(parcel)
    await waiting


async def test_taking_waits_for_something_to_take() -> None:
    outbox = Outbox(message_count=10, size_bytes=100)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await outbox.take()
    outbox.put("t", b"x")
    assert (await outbox.take()).payload == b"x"
