"""Our own identities: batching, sequence numbers, and that no number is ever used twice."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.gossip import effects, inputs
from tastemesh.gossip.authorship import BATCH_COUNT, RESERVE_COUNT, SHARED, Authorship
from tastemesh.gossip.codec import parse, sign_record
from tastemesh.gossip.effects import ReserveSequence
from tastemesh.gossip.limits import DAY_MS, Limits
from tastemesh.gossip.pen import EPOCH_LANES, EPOCHS_LEFT
from tastemesh.gossip.record import Endorsement, Forget, Interaction, Record, Said
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.statements import MAX_EPOCH
from tastemesh.gossip.topics import records_topic, shard_of
from tests.gossip.cores import NETWORK, WALL_MS, Cores, person, renewals, secret

LIMITS = Limits()
ANA, CID = person("ana"), person("cid")
SIGNER = Signer(b"\x01" * 32, b"\x02" * 32)


def listen(item: str) -> Interaction:
    return Interaction(item, "listen", 10_000)


def author() -> Authorship:
    return Authorship((SIGNER,), "main", LIMITS)


def test_records_are_chained_numbered_and_reserved_before_use() -> None:
    pen = author()
    reserved, records = pen.write(SIGNER.id, (listen("a"),), 1_000)
    assert reserved == [ReserveSequence(SIGNER.id, 0, 1 + RESERVE_COUNT)]
    (first,) = records
    assert (first.seq, first.prev, first.created_ms) == (1, b"", 1_000)
    reserved, (second,) = pen.write(SIGNER.id, (listen("b"),), 2_000)
    assert reserved == []
    assert (second.seq, second.prev) == (2, first.id[:16])


@given(st.lists(st.integers(1, 256), min_size=1, max_size=300))
def test_any_statements_fit_into_full_records_in_order(sizes: list[int]) -> None:
    said = tuple(listen("x" * size) for size in sizes)
    _, records = author().write(SIGNER.id, said, 1_000)
    assert tuple(s for r in records for s in r.statements) == said
    assert all(len(r.envelope) <= LIMITS.record_bytes for r in records)
    assert all(1 <= len(r.statements) <= BATCH_COUNT for r in records)
    assert [r.seq for r in records] == list(range(1, len(records) + 1))


def test_endorsements_get_records_of_their_own() -> None:
    said = (listen("a"), Endorsement(bytes(32), 1), listen("b"))
    _, records = author().write(SIGNER.id, said, 1_000)
    assert [r.statements for r in records] == [(said[1],), (said[0], said[2])]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((), "nothing to record"),
        ((listen("a"), listen("x" * 300)), "item id of 300 bytes"),
    ],
)
def test_a_refused_statement_uses_up_no_number(
    said: tuple[Interaction, ...], expected: str
) -> None:
    pen = author()
    with pytest.raises(UsageError, match=expected):
        pen.write(SIGNER.id, said, 1_000)
    _, (record,) = pen.write(SIGNER.id, (listen("a"),), 1_000)
    assert record.seq == 1


def test_a_stranger_cannot_write() -> None:
    with pytest.raises(UsageError, match="is not an identity of this node"):
        author().write(bytes(32), (listen("a"),), 1_000)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=8), st.data())
def test_no_number_is_used_twice_across_crashes(runs: list[int], data: st.DataObject) -> None:
    """A crash loses any suffix of what was written, but never a reservation before it."""
    used: set[int] = set()
    until = 1
    for count in runs:
        pen = author()
        pen.resume(SIGNER.id, 0, until)
        written: list[Record] = []
        for _ in range(count):
            reserved, records = pen.write(SIGNER.id, (listen("a"),), 1_000)
            until = max([until, *(r.until for r in reserved if isinstance(r, ReserveSequence))])
            written += records
        numbers = {r.seq for r in written}
        assert not numbers & used
        assert max(numbers) < until
        used |= numbers


def test_own_records_from_elsewhere_move_the_number_on() -> None:
    elsewhere = author()
    _, records = elsewhere.write(SIGNER.id, tuple(listen("a") for _ in range(200)), 1_000)
    pen = author()
    for record in records:
        pen.witness(record)
    _, (mine,) = pen.write(SIGNER.id, (listen("b"),), 2_000)
    assert (mine.seq, mine.prev) == (records[-1].seq + 1, records[-1].id[:16])


@given(st.permutations(range(3)))
def test_after_a_restart_the_next_record_follows_the_last_one(order: list[int]) -> None:
    before = author()
    said = [before.write(SIGNER.id, (listen(f"{n}"),), 1_000)[1][0] for n in range(3)]
    after = author()
    after.resume(SIGNER.id, 0, 1 + RESERVE_COUNT)
    for n in order:
        after.witness(said[n])
    _, (mine,) = after.write(SIGNER.id, (listen("x"),), 2_000)
    assert (mine.seq, mine.prev) == (1 + RESERVE_COUNT, said[-1].id[:16])


def test_a_clock_beyond_all_epochs_leaves_some_for_the_next_copy_and_a_rotation() -> None:
    pen = author()
    slots: list[tuple[int, int]] = []
    for _ in range(3):
        pen.start_epochs(2**34 * 1_000)
        _, (record,) = pen.write(SIGNER.id, (listen("x"),), 1_000)
        slots.append(record.slot)
    assert len(set(slots)) == 3
    rotated = SIGNER.rotated(b"\x02" * 32, b"\x03" * 32, pen.last_slot(SIGNER.id))
    pen.rotate(rotated)
    _, (after,) = pen.write(SIGNER.id, (listen("x"),), 1_000)
    assert slots[-1][0] < after.epoch <= slots[-1][0] + EPOCH_LANES < MAX_EPOCH


def test_a_key_that_is_disowned_on_another_device_leaves_the_epoch_that_it_was_used_in() -> None:
    """Both cuts are one, and what the first device knows of its epoch is of the key before."""
    phone = Authorship((SIGNER,), NETWORK, LIMITS, secret("phone"))
    phone.start_epochs(WALL_MS)
    newer = SIGNER.rotated(b"\x02" * 32, b"\x03" * 32, phone.last_slot(SIGNER.id))
    phone.rotate(newer)
    phone.write(SIGNER.id, (listen("on the phone"),), WALL_MS)
    laptop = Authorship((newer,), NETWORK, LIMITS, secret("laptop"))
    laptop.start_epochs(WALL_MS, everybody=False)
    assert newer.lineage is not None
    newest = newer.rotated(b"\x03" * 32, b"\x04" * 32, newer.lineage.steps[-1].cut)
    laptop.rotate(newest)
    said = [listen(f"{n}") for n in range(64)]
    theirs = [laptop.write(SIGNER.id, (each,), WALL_MS)[1][0] for each in (*said, listen("last"))]
    again = Authorship((newest,), NETWORK, LIMITS, secret("phone, later"))
    again.resume(SIGNER.id, *phone.last_slot(SIGNER.id))
    again.start_epochs(WALL_MS, everybody=False)
    _, (ours,) = again.write(SIGNER.id, (listen("there again"),), WALL_MS)
    assert ours.epoch not in {each.epoch for each in theirs}


def test_a_copy_knows_that_the_epochs_from_before_may_be_the_originals() -> None:
    """Also at its later starts; what it or the original begins by itself is its own."""
    original = author()
    original.write(SIGNER.id, (listen("a"),), WALL_MS)
    assert original.epochs(SIGNER.id) == {0}
    copy = author()
    copy.resume(SIGNER.id, 0, 1 + RESERVE_COUNT)
    begun = copy.start_epochs(WALL_MS)
    copy.write(SIGNER.id, (listen("b"),), WALL_MS)
    epoch = copy.last_slot(SIGNER.id)[0]
    kept = {(each.epoch, each.until) for each in begun if isinstance(each, ReserveSequence)}
    assert kept == {(0, SHARED), (epoch, 1)}
    again = author()
    for row in sorted(kept):
        again.resume(SIGNER.id, *row)
    again.start_epochs(WALL_MS, everybody=False)
    assert copy.epochs(SIGNER.id) == again.epochs(SIGNER.id) == {epoch}


def test_what_a_forget_lets_stand_again_is_renewed() -> None:
    cores = Cores([ANA])
    cores.say(0, Endorsement(CID.id, 10_000))
    cores.say(0, Endorsement(CID.id, -10_000))
    cores.say(0, Forget(0, 2, 2))
    assert renewals(cores) == [(ANA.id, (Endorsement(CID.id, 10_000),))]
    cores.say(0, Forget(0, 1, 1))
    assert renewals(cores) == []


def endorsing(cores: Cores) -> set[bytes]:
    """Return the ids of the first node's own records that speak of others and are held."""
    held: set[bytes] = set()
    for done in cores.done[0]:
        if isinstance(done, effects.Accepted) and done.own and done.record.endorsements:
            held.add(done.record.id)
        elif isinstance(done, effects.Evict):
            held.difference_update(done.record_ids)
    return held


def test_an_endorsement_outlasts_a_crowd_that_fills_the_window_in_hours() -> None:
    crowd = [person(f"p{n}") for n in range(5)]
    cores = Cores([ANA], Limits(window_statement_count=1_000))
    reached = sorted(each.id for each in (ANA, CID, *crowd))
    cores.tell(0, inputs.TrustChanged(tuple(reached)))
    cores.say(0, Endorsement(CID.id, 10_000), Endorsement(bytes(32), 0))
    for turn in range(1, 500):
        cores.now_ms += 60_000
        for each in crowd:
            said = (listen(f"{turn}"),)
            record = sign_record(each, NETWORK, 0, turn, b"", cores.wall_ms, said, LIMITS)
            bundle = msgspec.msgpack.encode([record.envelope])
            cores.hear(0, records_topic(NETWORK, shard_of(each.id)), bundle)
        cores.tell(0, inputs.TimerFired("expire", cores.wall_ms))
        assert endorsing(cores)
    assert len(endorsing(cores)) == 1
    assert renewals(cores) == [(ANA.id, (Endorsement(CID.id, 10_000),))]


def test_who_has_the_key_cannot_have_us_say_an_endorsement_again_every_minute() -> None:
    cores = Cores([ANA])
    said = (Endorsement(CID.id, 10_000),)
    last = sign_record(ANA, NETWORK, MAX_EPOCH, 1, b"", WALL_MS - 25 * DAY_MS, said, LIMITS)
    topic = records_topic(NETWORK, shard_of(ANA.id))
    cores.hear(0, topic, msgspec.msgpack.encode([last.envelope]))
    for _ in range(10):
        cores.now_ms += 60_000
        cores.tell(0, inputs.TimerFired("expire", cores.wall_ms))
    assert endorsing(cores) == {last.id}


def test_what_a_lone_clock_dated_ahead_is_said_again_in_time_once_it_is_right() -> None:
    cores = Cores([ANA])
    ahead_ms = WALL_MS + 365 * DAY_MS
    cores.tell(0, inputs.Recorded(ANA.id, (Endorsement(CID.id, 10_000),), ahead_ms))
    cores.tell(0, inputs.Recorded(ANA.id, (listen("x"),), WALL_MS))
    for _ in range(80):
        cores.now_ms += DAY_MS // 2
        cores.tell(0, inputs.TimerFired("expire", cores.wall_ms))
    assert endorsing(cores)


def test_endorsements_that_a_clock_dated_far_ahead_are_said_again_once_it_is_right() -> None:
    cores = Cores([person("ana"), person("ben")])
    cores.say(0, Endorsement(person("cid").id, 10_000))
    for ahead_ms in (365 * DAY_MS, 0, 0):
        cores.now_ms += 60_000
        cores.tell(0, inputs.TimerFired("expire", cores.wall_ms + ahead_ms))
    for done in cores.done:  # ben refuses the one from the future
        dates_ms = [e.record.created_ms for e in done if isinstance(e, effects.Accepted)]
        assert [each for each in dates_ms if each <= cores.wall_ms] == [WALL_MS, WALL_MS + 120_000]


def test_a_clock_that_is_not_set_yet_says_no_endorsement_again() -> None:
    cores = Cores([person("ana")])
    cores.say(0, Endorsement(person("cid").id, 10_000))
    said = len(cores.done[0])
    cores.tell(0, inputs.TimerFired("expire", 60_000))
    assert cores.done[0][said:] == [effects.SetTimer("expire", 60_000)]


@pytest.mark.parametrize(("his_days", "our_days"), [(30, 3), (90, 30), (3, 30)])
def test_endorsements_stand_between_two_renewals_whatever_the_windows(
    his_days: int, our_days: int
) -> None:
    """A node with a window of 3 days had lost its friends for 17 of 20, and so had others of a
    friend with one of 90."""
    seldom = Limits(
        sync_period_ms=DAY_MS,
        presence_period_ms=DAY_MS,
        interest_period_ms=DAY_MS,
        relay_spread_ms=DAY_MS,
    )
    limits = [
        msgspec.structs.replace(seldom, window_age_ms=days * DAY_MS)
        for days in (his_days, our_days)
    ]
    cores = Cores([ANA, person("ben")], limits)
    cores.say(0, Endorsement(CID.id, 10_000))
    cores.say(0, listen("of the first day"))
    held = []
    for _ in range(41):
        cores.pass_time(DAY_MS)
        held.append(len(cores.engines[1].window.endorsing(ANA.id)))
    assert set(held) <= {1, 2}
    assert cores.engines[1].window.author_interaction_count(ANA.id) == 0


def two_devices(limits: Limits = LIMITS) -> Cores:
    """Return the original of a home and its copy, which has spoken, and somebody else's node."""
    cores = Cores([ANA, ANA, person("ben")], limits)
    cores.tell(1, inputs.Restored((), (), (), cores.wall_ms, copied=True))
    cores.say(0, listen("on the older one"))
    cores.say(1, listen("on the newer one"))
    return cores


def test_two_devices_that_have_not_heard_each_other_take_no_number_twice() -> None:
    cores = two_devices()
    late: list[tuple[int, effects.Send]] = []

    def keep(sender: int, reader: int, send: effects.Send, broker: str) -> bool:
        late.append((reader, send))
        return False

    cores.carry = keep
    for turn in range(3):
        cores.say(0, listen(f"older {turn}"))
        cores.say(1, listen(f"newer {turn}"))
    cores.carry = lambda *_: True
    for reader, send in late:
        cores.hear(reader, send.topic, send.payload)
    cores.pass_time(30_000)
    for n, engine in enumerate(cores.engines):
        assert ANA.id not in engine.intake.proofs
        assert len(cores.held(n)) == 8


def test_a_rotation_on_the_older_device_keeps_what_it_has_heard_of_the_newer_one() -> None:
    cores = two_devices()
    (newer,) = [slot_of(cores, 2, each) for each in cores.held(2) if slot_of(cores, 2, each)[0]]
    assert cores.engines[0].authorship.last_slot(ANA.id) == newer
    signer = ANA.rotated(secret("ana next"), secret("third"), newer)
    cores.tell(0, inputs.Rotated(signer, cores.wall_ms))
    assert len(cores.held(2)) == 3


def test_what_the_newer_device_withdraws_the_older_one_does_not_renew() -> None:
    cores = two_devices()
    cores.say(0, Endorsement(CID.id, 10_000))
    cores.say(1, Endorsement(CID.id, 0))
    assert renewals(cores, 0) == renewals(cores, 1) == []


def test_a_copy_begins_above_all_that_it_has_heard_of_its_author_whatever_its_clock_says() -> None:
    cores = two_devices()
    cores.tell(0, inputs.Restored((), (), (), 0, copied=True))
    _, (said,) = cores.engines[0].authorship.write(ANA.id, (listen("later"),), 0)
    heard = cores.engines[1].authorship.last_slot(ANA.id)[0]
    assert heard < said.epoch <= heard + EPOCH_LANES


@given(
    st.lists(
        st.tuples(st.integers(0, MAX_EPOCH - EPOCHS_LEFT), st.integers(0, 2**33)),
        min_size=2,
        max_size=6,
    )
)
def test_no_clock_and_nothing_unheard_leads_devices_of_two_lanes_into_one_epoch(
    devices: list[tuple[int, int]],
) -> None:
    """Each knows of another last epoch, and has another clock."""
    begun: dict[int, set[int]] = {}
    for n, (known, wall_s) in enumerate(devices):
        pen = Authorship((ANA,), NETWORK, LIMITS, secret(f"run {n}"))
        pen.resume(ANA.id, known, 65)
        for _ in range(3):
            pen.start_epochs(wall_s * 1_000)
            epoch, _ = pen.last_slot(ANA.id)
            assert known < epoch
            assert epoch < max(known + 1, wall_s * EPOCH_LANES) + EPOCH_LANES
            begun.setdefault(n, set()).add(epoch)
            known = epoch
    assert all(len(epochs) == 3 for epochs in begun.values())
    assert len(set[int]().union(*begun.values())) == 3 * len(devices)


def say_unheard(cores: Cores, said: dict[int, Said]) -> None:
    """Have some nodes say something before any of them has heard another."""
    late: list[tuple[int, effects.Send]] = []

    def keep(sender: int, reader: int, send: effects.Send, broker: str) -> bool:
        late.append((reader, send))
        return False

    cores.carry = keep
    for node, statement in said.items():
        cores.say(node, statement)
    cores.carry = lambda *_: True
    for reader, send in late:
        cores.hear(reader, send.topic, send.payload)
    cores.pass_time(30_000)


@pytest.mark.parametrize("behind_ms", [0, 3_600_000])
def test_two_copies_of_one_backup_take_no_number_twice(behind_ms: int) -> None:
    """By right clocks at one moment, and by clocks that are behind the original's epoch."""
    cores = Cores([ANA, ANA, ANA, person("ben")])
    cores.tell(0, inputs.Restored((), (), (), cores.wall_ms + behind_ms, copied=True))
    cores.say(0, listen("on the first one"))
    for node in (1, 2):
        cores.tell(node, inputs.Restored((), (), (), cores.wall_ms, copied=True))
    say_unheard(cores, {node: listen(f"on copy {node}") for node in (1, 2)})
    assert len(cores.held(3)) == 3
    assert all(ANA.id not in engine.intake.proofs for engine in cores.engines)


def test_two_devices_that_overrule_a_third_one_at_one_moment_take_no_number_twice() -> None:
    cores = Cores([ANA, ANA, ANA, person("ben")])
    cores.tell(2, inputs.Restored((), (), (), cores.wall_ms, copied=True))
    cores.say(2, Endorsement(CID.id, 10_000))
    cores.now_ms += 10_000
    say_unheard(cores, {node: Endorsement(CID.id, -5_000 * (1 + node)) for node in (0, 1)})
    assert all(standing(cores, n) == standing(cores, 3) != set() for n in range(3))
    assert all(ANA.id not in engine.intake.proofs for engine in cores.engines)


def test_one_whose_numbers_are_unknown_waits_for_no_disk_until_something_is_signed() -> None:
    engine = Cores([ANA, person("ben")]).engines[0]
    done = engine.handle(inputs.Restored((), (), (), WALL_MS, knows_ours=True), 0)
    assert not any(isinstance(each, ReserveSequence) for each in done)
    reserved, *_ = engine.handle(inputs.Recorded(ANA.id, (listen("a"),), WALL_MS), 0)
    assert isinstance(reserved, ReserveSequence)
    assert reserved.epoch >= WALL_MS // 1000 * EPOCH_LANES
    assert reserved.until > 1


def test_a_key_that_another_device_has_rotated_takes_none_of_its_numbers() -> None:
    phone = Authorship((SIGNER,), NETWORK, LIMITS, secret("phone"))
    phone.start_epochs(WALL_MS)
    phone.write(SIGNER.id, (listen("before"),), WALL_MS)
    rotated = SIGNER.rotated(b"\x02" * 32, b"\x03" * 32, phone.last_slot(SIGNER.id))
    phone.rotate(rotated)
    _, (told,) = phone.write(SIGNER.id, (listen("after"),), WALL_MS)
    laptop = Authorship((rotated,), NETWORK, LIMITS, secret("laptop"))
    laptop.resume(SIGNER.id, 0, 65)  # with the key before it
    laptop.start_epochs(WALL_MS, everybody=False)
    _, (said,) = laptop.write(SIGNER.id, (listen("on the laptop"),), WALL_MS)
    assert said.epoch != told.epoch
    again = Authorship((rotated,), NETWORK, LIMITS, secret("laptop, later"))
    for epoch in (0, said.epoch):
        again.resume(SIGNER.id, epoch, 65)
    again.start_epochs(WALL_MS, everybody=False)
    assert again.write(SIGNER.id, (listen("there"),), WALL_MS)[1][0].slot == (said.epoch, 65)


def slot_of(cores: Cores, node: int, record_id: bytes) -> tuple[int, int]:
    return parse(cores.stores[node][record_id], NETWORK, LIMITS).slot


def test_a_block_that_another_device_pushed_out_unheard_is_said_again() -> None:
    limits = Limits(author_endorsement_count=8)
    cores = Cores([ANA, ANA, person("ben")], limits)
    cores.tell(1, inputs.Restored((), (), (), cores.wall_ms, copied=True))
    cores.say(0, Endorsement(CID.id, -10_000))
    late: list[tuple[int, effects.Send]] = []

    def keep(sender: int, reader: int, send: effects.Send, broker: str) -> bool:
        late.append((reader, send))
        return False

    cores.now_ms += 1
    cores.carry = keep
    praised = [person(f"friend {n}") for n in range(7)]
    for n in range(4):  # what the newer one says of the same people is a repetition
        cores.say(0, Endorsement(praised[n].id, 10_000))
        cores.say(1, Endorsement(praised[n + 3].id, 10_000))
        cores.now_ms += 1
    cores.carry = lambda *_: True
    for reader, send in late:
        cores.hear(reader, send.topic, send.payload)
    assert CID.id not in {said for said, _ in standing(cores, 2)}
    cores.pass_time(10 * 60_000)
    expected = {(CID.id, -10_000), *((each.id, 10_000) for each in praised)}
    assert standing(cores, 0) == standing(cores, 2) == expected
    count = len(cores.done[0]), len(cores.done[1])
    sent = [e for n in (0, 1) for e in cores.done[n] if isinstance(e, effects.Persist)]
    cores.pass_time(10 * 60_000)
    again = [e for n in (0, 1) for e in cores.done[n] if isinstance(e, effects.Persist)]
    assert count != (len(cores.done[0]), len(cores.done[1]))
    assert again == sent  # nothing is said for ever


def standing(cores: Cores, node: int) -> set[tuple[bytes, int]]:
    """Return what a node holds of whom Ana endorses or blocks."""
    records = sorted(
        (parse(each, NETWORK, LIMITS) for each in cores.stores[node].values()),
        key=lambda record: record.slot,
    )
    latest = {said.subject: said.weight_q for each in records for said in each.endorsements}
    return {(subject, weight_q) for subject, weight_q in latest.items() if weight_q}


def test_what_a_newer_device_said_the_older_one_renews_once_in_time() -> None:
    cores = two_devices()
    cores.say(1, Endorsement(CID.id, 10_000))
    cores.carry = lambda *_: False  # the newer one is given up
    for _ in range(30):
        cores.now_ms += DAY_MS
        cores.tell(0, inputs.TimerFired("expire", cores.wall_ms))
        cores.now_ms += 60_000
        cores.tell(0, inputs.TimerFired("expire", cores.wall_ms))
    said = [e.record for e in cores.done[0] if isinstance(e, effects.Accepted) and e.own]
    assert [len(record.endorsements) for record in said] == [0, 0, 1, 1]
    assert standing(cores, 0) == {(CID.id, 10_000)}


@pytest.mark.parametrize("weight_q", [-10_000, 0, 5_000])
def test_what_a_newer_device_said_of_somebody_the_older_one_can_overrule(weight_q: int) -> None:
    cores = two_devices()
    cores.say(1, Endorsement(CID.id, 10_000))
    cores.say(0, Endorsement(CID.id, weight_q))
    expected = {(CID.id, weight_q)} if weight_q else set()
    assert [standing(cores, n) for n in range(3)] == [expected] * 3
    cores.now_ms += 1_000
    cores.say(1, Endorsement(CID.id, 10_000))
    assert [standing(cores, n) for n in range(3)] == [{(CID.id, 10_000)}] * 3


def test_who_changes_his_mind_is_heard_though_he_has_forgotten_what_the_newer_device_said() -> None:
    cores = two_devices(Limits(author_endorsement_count=4))
    cores.say(1, Endorsement(CID.id, -10_000))
    late: list[tuple[int, effects.Send]] = []

    def keep(sender: int, reader: int, send: effects.Send, broker: str) -> bool:
        late.append((reader, send))
        return False

    cores.carry = keep
    friends = [Endorsement(person(f"friend {n}").id, 10_000) for n in range(3)]
    for said in (Endorsement(CID.id, -10_000), *friends):  # the block again, as it would leave
        cores.now_ms += 1
        cores.say(0, said)
    assert {slot[0] for slot in endorsing_slots(cores, 0)} == {0}
    cores.now_ms += 60_000
    cores.tell(0, inputs.TimerFired("expire", cores.wall_ms))
    cores.now_ms += 1
    cores.say(0, Endorsement(CID.id, 10_000))
    cores.carry = lambda *_: True
    for reader, send in reversed(late):
        cores.hear(reader, send.topic, send.payload)
    cores.pass_time(10 * 60_000)
    assert [(CID.id, 10_000) in standing(cores, n) for n in range(3)] == [True] * 3


def endorsing_slots(cores: Cores, node: int) -> list[tuple[int, int]]:
    return [each.slot for each in cores.engines[node].window.endorsing(ANA.id)]


def test_two_devices_that_overrule_each_other_unheard_take_no_number_twice() -> None:
    cores = two_devices()
    cores.say(1, Endorsement(CID.id, 10_000))
    cores.say(0, Endorsement(CID.id, 5_000))
    late: list[tuple[int, effects.Send]] = []

    def keep(sender: int, reader: int, send: effects.Send, broker: str) -> bool:
        late.append((reader, send))
        return False

    cores.carry = keep
    for node in (0, 1):
        cores.now_ms += 1_000
        cores.say(node, Endorsement(CID.id, -10_000))
    cores.carry = lambda *_: True
    for reader, send in late:
        cores.hear(reader, send.topic, send.payload)
    cores.pass_time(30_000)
    assert [standing(cores, n) for n in range(3)] == [{(CID.id, -10_000)}] * 3
    assert all(ANA.id not in engine.intake.proofs for engine in cores.engines)


def test_who_repeats_what_a_newer_device_said_begins_no_epoch() -> None:
    cores = two_devices()
    cores.say(1, Endorsement(CID.id, 10_000))
    before = cores.engines[0].authorship.write(ANA.id, (listen("x"),), cores.wall_ms)
    cores.say(0, Endorsement(CID.id, 10_000))
    after = cores.engines[0].authorship.write(ANA.id, (listen("y"),), cores.wall_ms)
    assert before[1][0].epoch == after[1][0].epoch == 0


def test_what_a_thief_said_and_pushed_out_the_new_key_does_not_say_again() -> None:
    limits = Limits(author_endorsement_count=4)
    cores = Cores([ANA, person("ben")], limits)
    friends = [person(f"sybil {n}").id for n in range(5)]
    for seq, friend in enumerate(friends, start=5):
        said = (Endorsement(friend, 10_000),)
        cores.now_ms += 1
        stolen = sign_record(ANA, NETWORK, 0, seq, b"", cores.wall_ms, said, LIMITS)
        topic = records_topic(NETWORK, shard_of(ANA.id))
        cores.hear(0, topic, msgspec.msgpack.encode([stolen.envelope]))
    signer = ANA.rotated(secret("ana next"), secret("third"), (0, 0))
    cores.tell(0, inputs.Rotated(signer, cores.wall_ms))
    assert renewals(cores) == []


def test_two_devices_of_a_user_with_many_keys_do_not_push_each_other_out_for_ever() -> None:
    """With three rotations a record of one endorsement counts as two."""
    ana = ANA
    for n, (key, following) in enumerate([("ana next", "b"), ("b", "c"), ("c", "d")]):
        ana = ana.rotated(secret(key), secret(following), (n, 1))
    cores = Cores([ana, ana, person("ben")], Limits(author_endorsement_count=8))
    cores.tell(0, inputs.Restored((), (), (), cores.wall_ms, copied=True))
    cores.tell(1, inputs.Restored((), (), (), cores.wall_ms + 1_000, copied=True))
    for n in range(5):
        cores.now_ms += 60_000
        cores.say(n % 2, Endorsement(person(f"friend {n}").id, 10_000))
    said = []
    for _ in range(30):
        cores.now_ms += 60_000
        for node in (0, 1):
            cores.tell(node, inputs.TimerFired("expire", cores.wall_ms))
        said.append(sum(isinstance(e, effects.Persist) for e in cores.done[2]))
    assert said[-1] == said[10]


@pytest.mark.parametrize("reserved", [(0, 65), (7, 65)])
def test_after_a_crash_between_a_new_key_and_the_record_of_it_slots_are_the_new_keys(
    reserved: tuple[int, int],
) -> None:
    """Of two devices the older one rotates, with a cut in the epoch of the newer."""
    signer = ANA.rotated(secret("ana next"), secret("third"), (7, 64))
    again = Authorship((signer,), NETWORK, LIMITS)
    again.resume(ANA.id, *reserved)
    _, (said,) = again.write(ANA.id, (listen("x"),), WALL_MS)
    assert signer.lineage
    assert signer.lineage.holds(said.lineage, said.slot)


def test_what_one_device_withdrew_and_is_pushed_out_with_it_the_other_does_not_say_again() -> None:
    cores = two_devices(Limits(author_endorsement_count=4))
    cores.say(1, Endorsement(CID.id, 10_000))
    cores.now_ms += 1
    cores.say(0, Endorsement(CID.id, 0), Endorsement(person("dan").id, 0))
    cores.now_ms += 1
    cores.say(0, *(Endorsement(person(f"friend {n}").id, 10_000) for n in range(3)))
    assert len(cores.engines[1].window.endorsing(ANA.id)) == 1
    cores.pass_time(2 * 60_000)
    assert len(standing(cores, 2)) == 3
    assert CID.id not in {said for said, _ in standing(cores, 2)}


def test_a_withdrawal_outlasts_what_the_other_device_said_again_before_it_had_heard() -> None:
    cores = two_devices()
    cores.say(0, Endorsement(CID.id, 10_000))
    late: list[tuple[int, effects.Send]] = []

    def keep(sender: int, reader: int, send: effects.Send, broker: str) -> bool:
        late.append((reader, send))
        return False

    cores.carry = keep
    cores.now_ms += 19 * DAY_MS
    cores.say(1, Endorsement(CID.id, 0))
    cores.now_ms += 2 * DAY_MS
    cores.tell(0, inputs.TimerFired("expire", cores.wall_ms))
    cores.carry = lambda *_: True
    for reader, send in late:
        cores.hear(reader, send.topic, send.payload)
    for _ in range(120):
        cores.now_ms += DAY_MS // 2
        for node in range(3):
            cores.tell(node, inputs.TimerFired("expire", cores.wall_ms))
        assert standing(cores, 2) == set()


@pytest.mark.parametrize("withdrawn_ms", [None, 10])
def test_an_old_withdrawal_is_said_again_where_what_it_withdraws_leaves_later(
    withdrawn_ms: int | None,
) -> None:
    pen = Authorship((ANA,), NETWORK, LIMITS)
    again, withdrawn = (
        sign_record(ANA, NETWORK, epoch, 1, b"", 0, (Endorsement(CID.id, units),), LIMITS)
        for epoch, units in ((0, 10_000), (9, 0))
    )
    pen.witness(again)
    pen.witness(withdrawn)
    dates_ms = {again.id: 20, withdrawn.id: withdrawn_ms}
    assert pen.renewals(50, 50, dates_ms.get) == [(ANA.id, (Endorsement(CID.id, 0),))]
    dates_ms = {again.id: 20, withdrawn.id: 30}
    pen.witness(withdrawn)
    assert pen.renewals(50, 50, dates_ms.get) == []


def test_a_block_that_both_devices_said_and_pushed_out_unheard_is_said_again() -> None:
    cores = Cores([ANA, ANA, person("ben")], Limits(author_endorsement_count=8))
    cores.tell(1, inputs.Restored((), (), (), cores.wall_ms, copied=True))
    late: list[tuple[int, effects.Send]] = []

    def keep(sender: int, reader: int, send: effects.Send, broker: str) -> bool:
        late.append((reader, send))
        return False

    cores.carry = keep
    praised = [person(f"friend {n}").id for n in range(7)]
    for node in (0, 1):
        cores.now_ms += 1
        cores.say(node, Endorsement(CID.id, -10_000))
    for n in range(4):  # of 7 people, one of whom both praise
        for node in (0, 1):
            cores.now_ms += 1
            cores.say(node, Endorsement(praised[n + 3 * node], 10_000))
    cores.carry = lambda *_: True
    for reader, send in late:
        cores.hear(reader, send.topic, send.payload)
    assert CID.id not in {said for said, _ in standing(cores, 2)}
    cores.pass_time(10 * 60_000)
    expected = {(CID.id, -10_000), *((each, 10_000) for each in praised)}
    assert [standing(cores, n) for n in range(3)] == [expected] * 3
    before = len(cores.held(2)), sum(isinstance(e, effects.Persist) for e in cores.done[2])
    cores.pass_time(10 * 60_000)
    after = len(cores.held(2)), sum(isinstance(e, effects.Persist) for e in cores.done[2])
    assert after == before  # nothing is said for ever


@pytest.mark.parametrize(("before", "after"), [(0, -10_000), (10_000, 0)])
def test_what_was_pushed_out_is_not_said_again_over_what_was_said_since(
    before: int, after: int
) -> None:
    """The device that says it has forgotten already what left, and the other one not yet."""
    cores = two_devices(Limits(author_endorsement_count=4))
    cores.say(1, Endorsement(CID.id, before))
    for n in range(4):
        cores.now_ms += 1
        cores.say(0, Endorsement(person(f"friend {n}").id, 0))
    cores.tell(0, inputs.TimerFired("expire", cores.wall_ms))
    cores.now_ms += 1
    cores.say(0, Endorsement(CID.id, after))
    cores.pass_time(2 * 60_000)
    assert standing(cores, 2) == ({(CID.id, after)} if after else set())
