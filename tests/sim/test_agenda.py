"""The order within a millisecond: arrivals, then what was scheduled, as it was scheduled."""

from tastemesh.sim.agenda import Agenda
from tastemesh.sim.brokers import Broker, BrokerPolicy
from tastemesh.sim.network import Message


def lived_through(agenda: Agenda, done: list[object]) -> None:
    """Do all that there is, noting times and arrivals."""
    while agenda.next_ms < 1_000:
        at_ms = agenda.pop_time()
        done += [(at_ms, message.number) for _, message in agenda.pop_arrivals(at_ms)]
        for act, first, second in agenda.pop_events(at_ms):
            act(first, second)


def test_arrivals_come_first_and_what_is_scheduled_meanwhile_last() -> None:
    agenda, done = Agenda(), list[object]()

    def note(what: object, then: object) -> None:
        done.append(what)
        if then is not None:
            agenda.put(5, (note, then, None))

    agenda.put(7, (note, "later", None))
    agenda.put(5, (note, "first", "meanwhile"))
    agenda.put(5, (note, "second", None))
    broker = Broker(BrokerPolicy(name="b"))
    for number in (3, 1):
        agenda.put_arrival(5, (), Message(broker, "topic", b"", number))
    lived_through(agenda, done)
    assert done == [(5, 3), (5, 1), "first", "second", "meanwhile", "later"]


def test_what_is_dropped_never_happens() -> None:
    agenda, done = Agenda(), list[object]()
    agenda.put(5, (lambda *_: done.append("never"), None, None))
    agenda.clear()
    lived_through(agenda, done)
    assert done == []
