"""Several brokers: what is carried between them, and who is caught withholding."""

import math
from collections.abc import Callable

import msgspec
import pytest

from tastemesh.gossip import effects, inputs
from tastemesh.gossip.codec import sign_record
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.meter import Meter
from tastemesh.gossip.sightings import Sightings
from tastemesh.gossip.topics import records_topic, shard_of
from tests.gossip.cores import BROKER, NETWORK, WALL_MS, Cores, listen, person, secret
from tests.gossip.counting import calls_of

PEOPLE = [person(f"p{n}") for n in range(12)]


def test_a_record_that_one_broker_lost_is_carried_there_once_or_twice() -> None:
    cores = Cores(PEOPLE, brokers=("a", "b"))
    cores.pass_time(60_000)
    cores.carry = lambda s, r, m, b: not (b == "b" and s == 0 and "/r/" in m.topic)
    cores.say(0, listen("x"))
    cores.pass_time(30_000)
    carried = [
        n
        for n, done in enumerate(cores.done)
        for e in done
        if isinstance(e, effects.Send) and e.broker == "b" and "/r/" in e.topic
    ]
    assert 1 <= len(carried) <= 2
    assert 0 not in carried


def test_nothing_is_carried_between_brokers_that_deliver() -> None:
    cores = Cores(PEOPLE, brokers=("a", "b", "c"))
    cores.pass_time(60_000)
    for n in range(12):
        cores.say(n, listen("x"))
    cores.pass_time(60_000)
    assert not any(
        isinstance(e, effects.Send) and e.broker and "/r/" in e.topic
        for done in cores.done
        for e in done
    )


@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_the_withheld_author_is_named_on_that_broker_and_nobody_else(loss: float) -> None:
    cores = Cores(PEOPLE, brokers=("a", "b"))
    cores.pass_time(60_000)
    draws = iter(range(10**9))

    def carry(sender: int, reader: int, message: effects.Send, broker: str) -> bool:
        # Broker b withholds what p3 says, from whomever it comes.
        if broker == "b" and "/r/" in message.topic and PEOPLE[3].id in message.payload:
            return False
        return int.from_bytes(secret(f"{next(draws)}")[:4], "big") >= loss * 2**32

    cores.carry = carry
    for turn in range(30):  # of which the others' half that a node carries itself tells it nothing
        for n in range(12):
            cores.say(n, listen(f"{turn}"))
        cores.pass_time(30_000)
    cores.pass_time(120_000)
    for n, engine in enumerate(cores.engines):
        reports = engine.brokers.reports()
        assert reports["a"].withheld == (), n
        assert reports["b"].withheld == (() if n == 3 else (PEOPLE[3].id,)), n
        assert reports["a"].coverage is not None
        assert reports["a"].coverage > 0.9 - loss


def test_losses_that_come_in_bursts_name_nobody_and_two_withheld_authors_are_both_named() -> None:
    """A tenth of all authors had a bad line for half of what they said; the rest loses a tenth."""
    meter = Meter()
    for n in range(200):
        bad_line = n % 10 == 0
        for turn in range(10):
            draw = int.from_bytes(secret(f"{n} {turn}")[:4], "big") / 2**32
            meter.judge(secret(f"{n}"), draw >= 0.1 and not (bad_line and turn < 5))
    assert meter.withheld() == ()
    for _ in range(20):
        meter.judge(secret("one"), False)
        meter.judge(secret("other"), False)
    assert set(meter.withheld()) == {secret("one"), secret("other")}


def test_a_report_on_thousands_of_authors_takes_few_steps_for_each() -> None:
    """All terms of each one's chance held up whoever asks for the status, for half a second."""
    meter, authors = Meter(), 500
    for n in range(authors):
        for turn in range(60):
            draw = int.from_bytes(secret(f"{n} {turn}")[:4], "big") / 2**32
            meter.judge(secret(f"{n}"), draw >= 0.2)
    with calls_of(math.exp) as terms:
        assert meter.withheld() == ()
    assert authors <= terms.count < 3 * authors


def test_an_author_withheld_on_one_broker_does_not_stand_out_on_the_others() -> None:
    """Nobody carries his records to them from there; and what was pushed nowhere blames nobody."""
    cores = Cores(PEOPLE[:4], brokers=("a", "b"))
    cores.pass_time(60_000)
    cores.carry = lambda s, r, m, b: "/r/" not in m.topic or s != 0
    for turn in range(12):
        for n in range(4):
            cores.say(n, listen(f"{turn}"))
        cores.pass_time(30_000)
    cores.pass_time(120_000)
    assert len(cores.held(1)) == 48  # p0's by reconciliation alone: he reaches no broker
    for engine in cores.engines:
        assert all(report.withheld == () for report in engine.brokers.reports().values())


def test_a_broker_that_was_away_owes_nothing_for_that_time() -> None:
    cores = Cores(PEOPLE[:4], brokers=("a", "b"))
    cores.pass_time(60_000)
    for n in range(4):
        cores.tell(n, inputs.BrokerDown("b"))
    cores.carry = lambda s, r, m, b: b == "a"
    for turn in range(10):
        cores.say(0, listen(f"{turn}"))
        cores.pass_time(10_000)
    for n in range(4):
        cores.tell(n, inputs.BrokerUp("b", cores.wall_ms))
    cores.pass_time(120_000)
    report = cores.engines[1].brokers.reports()["b"]
    assert report.withheld == ()
    assert report.expected == 0


def test_what_is_carried_stays_within_the_budget_and_the_newest_go_first() -> None:
    limits = Limits(relay_bytes_per_s=10)  # and 600 saved up: one record, then one in half a minute
    cores = Cores(PEOPLE[:3], limits, brokers=("a", "b"))
    cores.pass_time(30_000)
    cores.carry = lambda s, r, m, b: not (b == "b" and s == 0)
    for turn in range(20):
        cores.say(0, listen(f"{turn}"))
    start_ms = cores.now_ms
    for _ in range(120):
        cores.pass_time(1_000)
    for n in (1, 2):
        carried = sum(
            len(e.payload)
            for e in cores.done[n]
            if isinstance(e, effects.Send) and e.broker == "b" and "/r/" in e.topic
        )
        elapsed_s = (cores.now_ms - start_ms) / 1000
        assert 0 < carried <= 600 + 10 * elapsed_s + 350


def test_a_broker_that_is_gone_takes_nothing_of_the_budget() -> None:
    cores = Cores(PEOPLE[:1], Limits(relay_bytes_per_s=10), brokers=("a", "b", "c"))
    cores.pass_time(60_000)
    for turn in range(40):
        payload = msgspec.msgpack.encode([_said(turn, cores.wall_ms)])
        cores.hear(0, records_topic(NETWORK, shard_of(BEN.id)), payload, "a")
    cores.pass_time(20_000)  # what was saved up is spent; the rest waits
    cores.tell(0, inputs.BrokerDown("b"))
    before = len(cores.done[0])
    cores.pass_time(200_000)
    sent = [e for e in cores.done[0][before:] if isinstance(e, effects.Send) and e.broker]
    earned_bytes = 10 * 200
    assert {e.broker for e in sent} == {"c"}
    assert sum(len(e.payload) for e in sent) > earned_bytes - 400  # the next one does not fit


def test_replays_of_old_records_are_counted_against_the_broker() -> None:
    cores = Cores(PEOPLE[:2])
    cores.say(1, listen("x"))
    (bundle,) = [e for e in cores.done[1] if isinstance(e, effects.Send) and "/r/" in e.topic]
    cores.pass_time(3_600_000)
    cores.hear(0, bundle.topic, bundle.payload)
    assert cores.engines[0].brokers.reports()["broker"].replayed == 1


def test_what_we_say_ourselves_and_a_broker_sends_back_at_once_is_no_replay() -> None:
    """As each does that speaks MQTT 3.1.1, however long we are connected."""
    cores = Cores(PEOPLE[:1])
    cores.pass_time(3_600_000)
    cores.say(0, listen("x"))
    (said,) = [e for e in cores.done[0] if isinstance(e, effects.Send) and "/r/" in e.topic]
    cores.hear(0, said.topic, said.payload)
    assert cores.engines[0].brokers.reports()[BROKER].replayed == 0
    cores.pass_time(3_600_000)
    cores.hear(0, said.topic, said.payload)
    assert cores.engines[0].brokers.reports()[BROKER].replayed == 1


def test_loss_that_strikes_everybody_names_nobody() -> None:
    meter = Meter()
    for n in range(40):
        for turn in range(20):
            draw = int.from_bytes(secret(f"{n} {turn}")[:4], "big") / 2**32
            meter.judge(secret(f"{n}"), draw >= 0.3)
    assert meter.withheld() == ()
    for _ in range(20):
        meter.judge(secret("victim"), False)
    assert meter.withheld() == (secret("victim"),)


@pytest.mark.parametrize("clock_ms", [1_000, WALL_MS, 2 * WALL_MS])
def test_the_only_broker_owes_what_was_said_since_it_was_connected_whatever_the_clock_was(
    clock_ms: int,
) -> None:
    cores = Cores(PEOPLE[:2])
    cores.carry = lambda *_: False
    for turn in range(10):
        cores.say(1, listen(f"before {turn}"))
    cores.pass_time(300_000)
    cores.tell(0, inputs.BrokerDown(BROKER))
    cores.tell(0, inputs.BrokerUp(BROKER, clock_ms))  # and is set right then
    cores.pass_time(300_000)
    cores.carry = lambda s, r, m, b: "/r/" not in m.topic
    for turn in range(5):
        cores.say(1, listen(f"since {turn}"))
    cores.pass_time(300_000)
    assert len(cores.held(0)) == 15
    report = cores.engines[0].brokers.reports()[BROKER]
    assert (report.expected, report.coverage) == (5, 0.0)


BEN = person("ben")


def _altered(envelope: bytes) -> bytes:
    """Return the envelope with a signature that does not fit; the record's id stays."""
    body, key, next_digest, _, lineage = msgspec.msgpack.decode(envelope)
    return msgspec.msgpack.encode([body, key, next_digest, b"\x01" * 64, lineage])


def _written_otherwise(envelope: bytes) -> bytes:
    """Return the envelope with the length of its signature in two bytes: as valid, not the same."""
    signature = msgspec.msgpack.decode(envelope)[3]
    return envelope.replace(b"\xc4\x40" + signature, b"\xc5\x00\x40" + signature)


def _said(turn: int, wall_ms: int) -> bytes:
    return sign_record(
        BEN, NETWORK, 0, turn + 1, b"", wall_ms, (listen(f"{turn}"),), Limits()
    ).envelope


def _others_speak(cores: Cores, turn: int) -> None:
    """Have twenty others be heard on both brokers, so that these have a loss to compare with."""
    for other in [person(f"o{n}") for n in range(20)]:
        said = (listen(f"{turn}"),)
        record = sign_record(other, NETWORK, 0, turn + 1, b"", cores.wall_ms, said, Limits())
        payload = msgspec.msgpack.encode([record.envelope])
        for broker in ("a", "b"):
            cores.hear(0, records_topic(NETWORK, shard_of(other.id)), payload, broker)


def _carried(cores: Cores) -> int:
    """Count the records that the first node ordered for broker b."""
    fetched = [e for e in cores.done[0] if isinstance(e, effects.Fetch) and e.broker == "b"]
    return sum(len(e.record_ids) for e in fetched)


@pytest.mark.parametrize(
    ("copy", "topic", "reason", "counts"),
    [
        (bytes, "", None, True),
        (_written_otherwise, "", RejectReason.DUPLICATE, True),
        (_altered, "", RejectReason.BAD_SIGNATURE, False),
        (bytes, records_topic(NETWORK, 63 - shard_of(BEN.id)), "unexpected-topic", False),
    ],
)
def test_only_a_valid_copy_on_the_records_own_shard_is_a_delivery(
    copy: Callable[[bytes], bytes], topic: str, reason: RejectReason | None, counts: bool
) -> None:
    cores = Cores([person("ana")], brokers=("a", "b"))
    own = records_topic(NETWORK, shard_of(BEN.id))
    cores.pass_time(1000)
    for turn in range(40):
        envelope = _said(turn, cores.wall_ms)
        cores.hear(0, own, msgspec.msgpack.encode([envelope]), "a")
        done = cores.hear(0, topic or own, msgspec.msgpack.encode([copy(envelope)]), "b")
        assert [e.reason for e in done if isinstance(e, effects.Misbehaved)] == (
            [reason] if reason else []
        )
        _others_speak(cores, turn)
        cores.pass_time(30_000)
    cores.pass_time(120_000)
    report = cores.engines[0].brokers.reports()["b"]
    assert (BEN.id in report.withheld) is not counts
    assert (_carried(cores) == 0) is counts
    assert report.coverage is not None
    assert (report.coverage == 1.0) is counts


def test_a_copy_that_there_is_no_budget_to_check_says_nothing_of_the_broker() -> None:
    """Whoever signs twice and floods the checks has no innocent broker named."""
    cores = Cores([person("ana")], Limits(inbound_bytes_per_s=256), brokers=("a", "b"))
    topic = records_topic(NETWORK, shard_of(BEN.id))
    cores.pass_time(1000)
    spent = 0
    for turn in range(40):
        envelope = _said(turn, cores.wall_ms)
        cores.hear(0, topic, msgspec.msgpack.encode([envelope]), "a")
        for _ in range(80):
            done = cores.hear(0, topic, msgspec.msgpack.encode([_altered(envelope)]), "b")
            spent += any(
                isinstance(e, effects.Misbehaved) and e.reason == RejectReason.VERIFY_BUDGET
                for e in done
            )
        cores.hear(0, topic, msgspec.msgpack.encode([_written_otherwise(envelope)]), "b")
        _others_speak(cores, turn)
        cores.pass_time(30_000)
    cores.pass_time(120_000)
    assert spent > 0
    assert cores.engines[0].brokers.reports()["b"].withheld == ()
    assert _carried(cores) > 0  # what is in doubt is carried all the same


def test_other_bytes_around_a_record_cost_its_author_none_of_his_push_rate() -> None:
    cores = Cores([person("ana")], Limits(author_burst_count=4, author_rate_per_s=0.001))
    topic = records_topic(NETWORK, shard_of(BEN.id))
    cores.tell(0, inputs.BrokerUp("b", cores.wall_ms))
    for turn in range(4):
        envelope = _said(turn, cores.wall_ms)
        cores.hear(0, topic, msgspec.msgpack.encode([_written_otherwise(envelope)]))
        cores.hear(0, topic, msgspec.msgpack.encode([envelope]), "b")
    assert len(cores.held(0)) == 4


@pytest.mark.parametrize("echoes", [False, True])
def test_what_we_carried_to_a_broker_says_nothing_of_any_whether_it_comes_back_or_not(
    echoes: bool,
) -> None:
    """A broker that speaks MQTT 3.1.1 sends it to us too."""
    cores = Cores(PEOPLE[:1], brokers=("a", "b"))
    cores.pass_time(60_000)
    for turn in range(20):
        envelope = _said(turn, cores.wall_ms)
        payload = msgspec.msgpack.encode([envelope])
        cores.hear(0, records_topic(NETWORK, shard_of(BEN.id)), payload, "a")
    before = len(cores.done[0])
    cores.pass_time(20_000)
    carried = [e for e in cores.done[0][before:] if isinstance(e, effects.Send)]
    carried = [e for e in carried if e.broker == "b" and "/r/" in e.topic]
    assert carried
    for each in carried if echoes else ():
        cores.hear(0, each.topic, each.payload, "b")
    cores.pass_time(120_000)
    reports = cores.engines[0].brokers.reports()
    assert reports["b"].lateness_ms is None
    assert reports["a"].expected == 0


def test_a_record_that_left_and_is_back_keeps_nobody_waiting_for_judgement() -> None:
    sightings = Sightings(capacity=2, judge_ms=60_000)
    first, second = (
        sign_record(BEN, NETWORK, 0, seq, b"", 0, (listen("x"),), Limits()) for seq in (1, 2)
    )
    sightings.note_new(first, "a", 0, -1)
    sightings.note_new(second, "a", 1_000, -1)
    sightings.note_new(first, "a", 50_000, -1)
    assert len(sightings) == 2
    assert [each.record_id for each in sightings.complete(70_000)] == [second.id]
    assert [each.record_id for each in sightings.complete(110_000)] == [first.id]
