"""The inbox: bounded per broker, fair, and honest about what it lost."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.node.inbox import STATE_EVENT_COUNT, Inbox
from tastemesh.node.transport import Connected, Disconnected, Dropped, Event, Message


def message(broker: str, number: int, size_bytes: int = 1) -> Message:
    return Message(broker, "t", bytes([number]) * size_bytes)


async def test_events_keep_their_order() -> None:
    inbox = Inbox(["a"], 10, 1000)
    events: list[Message | Connected | Disconnected] = [
        Connected("a"),
        message("a", 1),
        Disconnected("a", "why"),
        message("a", 2),
    ]
    for event in events:
        if isinstance(event, Message):
            inbox.put_message(event)
        else:
            inbox.put_state(event)
    assert await inbox.take(100) == events


async def test_the_oldest_messages_go_and_connection_events_stay() -> None:
    inbox = Inbox(["a"], 2, 1000)
    inbox.put_state(Connected("a"))
    for number in range(5):
        inbox.put_message(message("a", number))
    assert await inbox.take(100) == [
        Connected("a"),
        Dropped("a", 3),
        message("a", 3),
        message("a", 4),
    ]
    assert (inbox.received_count("a"), inbox.dropped_count("a")) == (5, 3)


async def test_bytes_are_bounded_too() -> None:
    inbox = Inbox(["a"], 100, 10)
    inbox.put_message(message("a", 1, 6))
    inbox.put_message(message("a", 2, 6))
    inbox.put_message(message("a", 3, 11))  # more than there is room for at all
    assert await inbox.take(100) == [Dropped("a", 3)]


async def test_a_flood_from_one_broker_costs_another_nothing() -> None:
    inbox = Inbox(["flood", "calm"], 5, 1000)
    inbox.put_message(message("calm", 1))
    for number in range(100):
        inbox.put_message(message("flood", number))
    events = await inbox.take(4)
    assert message("calm", 1) in events
    assert len(events) == 3  # two of the flood's, the other's one


async def test_attempts_that_nobody_reads_are_bounded() -> None:
    inbox = Inbox(["a"], 5, 1000)
    for number in range(1000):
        inbox.put_state(Disconnected("a", str(number)))
    events = await inbox.take(10_000)
    assert len(events) == STATE_EVENT_COUNT
    assert events[-1] == Disconnected("a", "999")


async def test_a_cancelled_take_loses_nothing() -> None:
    inbox = Inbox(["a"], 5, 1000)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await inbox.take(1)
    inbox.put_message(message("a", 1))
    assert await inbox.take(1) == [message("a", 1)]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["message", "state", "refused", "take"]), st.sampled_from("ab")),
        max_size=60,
    ),
    capacity=st.integers(1, 5),
)
def test_every_message_is_taken_or_reported(steps: list[tuple[str, str]], capacity: int) -> None:
    async def run() -> None:
        inbox = Inbox(["a", "b"], capacity, 1000)
        taken: list[Event] = []
        put = {"a": 0, "b": 0}
        for step, broker in steps:
            if step == "message":
                inbox.put_message(message(broker, put[broker]))
                put[broker] += 1
            elif step == "state":
                inbox.put_state(Connected(broker))
            elif step == "refused":
                inbox.put_dropped(broker)
                put[broker] += 1
            elif inbox:
                taken += await inbox.take(2)
        while inbox:
            taken += await inbox.take(1000)
        for broker in "ab":
            mine = [event for event in taken if event.broker == broker]
            messages = [event for event in mine if isinstance(event, Message)]
            lost = sum(event.count for event in mine if isinstance(event, Dropped))
            assert len(messages) + lost == put[broker]
            assert lost == inbox.dropped_count(broker)
            assert messages == sorted(messages, key=lambda event: event.payload)

    asyncio.run(run())
