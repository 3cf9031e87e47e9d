"""The protocol as scripts: inputs in, exact effects out."""

import tracemalloc
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.gossip import codec, effects, inputs, reconcile
from tastemesh.gossip.bundles import pack_bundles, unpack_bundle
from tastemesh.gossip.effects import Effect, EvictReason
from tastemesh.gossip.engine import EXPIRE_PERIOD_MS, GossipEngine
from tastemesh.gossip.envelope import open_envelope
from tastemesh.gossip.limits import DAY_MS, Limits, RejectReason
from tastemesh.gossip.presence import sign_presence
from tastemesh.gossip.record import Endorsement, Interaction, Record
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import (
    ALL_SHARDS,
    control_topic,
    inbox_topic,
    presence_topic,
    records_topic,
    shard_of,
)
from tests.gossip.cores import introduce

LIMITS = Limits()
WALL_MS = 1_700_000_000_000


def signer(number: int) -> Signer:
    return Signer(number.to_bytes(32, "big"), (number + 1).to_bytes(32, "big"))


ME, FRIEND, NODE, OTHER_NODE = signer(11), signer(21), signer(31), signer(41)


def engine(limits: Limits = LIMITS) -> GossipEngine:
    return GossipEngine(NODE, (ME,), "main", limits, b"seed")


def listen(item: str) -> Interaction:
    return Interaction(item, "listen", 10_000)


def written(
    author: Signer = FRIEND, seq: int = 1, created_ms: int = WALL_MS, item: str = "isrc:A"
) -> Record:
    return codec.sign_record(author, "main", 0, seq, b"", created_ms, (listen(item),), LIMITS)


def pushed(records: Iterable[Record], topic: str = "", wall_ms: int = WALL_MS) -> inputs.Received:
    records = list(records)
    topic = topic or records_topic("main", shard_of(records[0].author))
    (payload,) = pack_bundles([r.envelope for r in records], LIMITS)
    return inputs.Received("b", topic, payload, wall_ms)


def reasons(done: list[Effect]) -> list[RejectReason]:
    return [effect.reason for effect in done if isinstance(effect, effects.Misbehaved)]


def test_what_we_record_is_reserved_committed_accepted_and_only_then_sent() -> None:
    core = engine()
    done = core.handle(inputs.Recorded(ME.id, (listen("isrc:A"),), WALL_MS), 0)
    reserve, persist, accepted, send = done
    assert isinstance(reserve, effects.ReserveSequence)
    assert isinstance(persist, effects.Persist)
    record = persist.record
    assert persist == effects.Persist(record, WALL_MS, own=True)
    assert accepted == effects.Accepted(record, WALL_MS, own=True)
    assert isinstance(send, effects.Send)
    assert send.topic == records_topic("main", shard_of(ME.id))
    assert unpack_bundle(send.payload, LIMITS) == [record.envelope]


def test_what_we_hear_is_committed_and_accepted_once() -> None:
    core = engine()
    record = written()
    assert core.handle(pushed([record]), 0) == [
        effects.Persist(record, WALL_MS),
        effects.Accepted(record, WALL_MS),
    ]
    assert core.handle(pushed([record, record]), 5) == []
    assert core.rejected == {RejectReason.DUPLICATE: 2}


def test_what_our_inbox_had_no_room_for_is_counted_under_a_reason_that_is_known() -> None:
    core = engine()
    assert core.handle(inputs.Dropped("broker", 3), 0) == []
    assert core.rejected == {RejectReason("inbox-overflow"): 3}


def test_our_own_record_coming_back_is_a_duplicate() -> None:
    core = engine()
    send = core.handle(inputs.Recorded(ME.id, (listen("isrc:A"),), WALL_MS), 0)[-1]
    assert isinstance(send, effects.Send)
    assert core.handle(inputs.Received("b", send.topic, send.payload, WALL_MS), 1) == []


def test_a_private_interaction_is_kept_and_never_sent() -> None:
    core = engine()
    done = core.handle(inputs.Recorded(ME.id, (listen("isrc:A"),), WALL_MS, private=True), 0)
    assert done == [
        effects.PersistPrivate(ME.id, listen("isrc:A"), WALL_MS),
        effects.AcceptedPrivate(ME.id, listen("isrc:A"), WALL_MS),
    ]
    with pytest.raises(UsageError, match="only interactions can be private"):
        core.handle(inputs.Recorded(ME.id, (Endorsement(bytes(32), 1),), WALL_MS, True), 0)


@pytest.mark.parametrize(
    ("created_ms", "expected"),
    [
        (WALL_MS - 30 * DAY_MS, []),
        (WALL_MS - 30 * DAY_MS - 1, [RejectReason.TOO_OLD]),
        (WALL_MS + LIMITS.skew_ms, []),
        (WALL_MS + LIMITS.skew_ms + 1, [RejectReason.FROM_FUTURE]),
    ],
)
def test_dates_are_held_to_the_window_and_the_skew(
    created_ms: int, expected: list[RejectReason]
) -> None:
    assert reasons(engine().handle(pushed([written(created_ms=created_ms)]), 0)) == expected


def test_a_second_record_under_one_number_is_equivocation_and_the_first_stays() -> None:
    core = engine()
    first, second = written(item="isrc:A"), written(item="isrc:B")
    core.handle(pushed([first]), 0)
    done = core.handle(pushed([second]), 0)
    assert done == [
        effects.Misbehaved(RejectReason.EQUIVOCATION, FRIEND.id, "a number is taken"),
        effects.Fetch((first.id,), control_topic("main", shard_of(FRIEND.id))),
    ]
    assert first.id in core.window


def test_a_bad_record_does_not_take_the_good_ones_beside_it_down() -> None:
    core = engine()
    good = written()
    payload = msgspec.msgpack.encode([b"rubbish" * 30, good.envelope, good.envelope[:-1] + b"\x00"])
    topic = records_topic("main", shard_of(FRIEND.id))
    done = core.handle(inputs.Received("b", topic, payload, WALL_MS), 0)
    assert effects.Accepted(good, WALL_MS) in done
    assert len(reasons(done)) + core.rejected[RejectReason.DUPLICATE] == 2


def test_a_record_belongs_on_its_authors_shard() -> None:
    wrong = records_topic("main", (shard_of(FRIEND.id) + 1) % 64)
    assert reasons(engine().handle(pushed([written()], wrong), 0)) == [
        RejectReason.UNEXPECTED_TOPIC
    ]


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "x",
        "tastemesh/1/other/r/1",
        "tastemesh/1/main/x/1",
        "tastemesh/1/main/r/1/2",
        inbox_topic("main", OTHER_NODE.id),
    ],
)
def test_other_topics_are_refused(topic: str) -> None:
    done = engine().handle(inputs.Received("b", topic, b"", WALL_MS), 0)
    assert reasons(done) == [RejectReason.UNEXPECTED_TOPIC]


def test_topics_that_a_broker_makes_up_take_no_memory() -> None:
    core = engine()
    tracemalloc.start()
    try:
        for n in range(1_100):
            topic = f"tastemesh/1/main/n/{n}".ljust(20_000, "x")
            event = inputs.Received("broker", topic, b"", WALL_MS)
            assert reasons(core.handle(event, 0)) == [RejectReason.UNEXPECTED_TOPIC]
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 1_000_000  # all of them are 22 MB


def test_an_author_may_push_a_burst_and_then_his_rate() -> None:
    limits = Limits(author_burst_count=5, author_rate_per_s=2.0)
    core = engine(limits)
    burst = [written(seq=seq) for seq in range(1, 8)]
    assert reasons(core.handle(pushed(burst), 0)) == [RejectReason.RATE] * 2
    assert reasons(core.handle(pushed(burst[5:]), 499)) == [RejectReason.RATE] * 2
    assert reasons(core.handle(pushed(burst[5:]), 1_000)) == []


def test_reconciliation_is_not_subject_to_the_push_rate() -> None:
    core = engine(Limits(author_burst_count=1, author_rate_per_s=0.001))
    records = [written(seq=seq) for seq in range(1, 30)]
    (bundle,) = pack_bundles([r.envelope for r in records], LIMITS)
    payload = msgspec.msgpack.encode([1, OTHER_NODE.id, bundle, 0])
    inbox = inbox_topic("main", NODE.id)
    topic = presence_topic("main", shard_of(OTHER_NODE.id))
    core.handle(inputs.Received("b", topic, sign_presence(OTHER_NODE, "main", WALL_MS), WALL_MS), 0)
    unasked = core.handle(inputs.Received("b", inbox, payload, WALL_MS), 0)
    assert reasons(unasked) == [RejectReason.SYNC_BUDGET]
    core.handle(inputs.TimerFired("sync", WALL_MS), 0)
    done = core.handle(inputs.Received("b", inbox, payload, WALL_MS), 0)
    assert sum(isinstance(effect, effects.Accepted) for effect in done) == 29


def test_start_subscribes_and_sets_its_timers() -> None:
    subscribe, *timers = engine().handle(inputs.Started(WALL_MS), 0)
    assert subscribe == effects.Subscribe(
        ("tastemesh/1/main/r/+",),
        (
            "tastemesh/1/main/c/+",
            "tastemesh/1/main/h/+",
            inbox_topic("main", NODE.id),
        ),
    )
    assert [t.timer for t in timers if isinstance(t, effects.SetTimer)] == [
        "presence",
        "sync",
        "expire",
        "interest",
    ]


def test_who_starts_alone_asks_nobody_tells_nobody_and_lets_age_what_it_holds() -> None:
    core = engine()
    (expire,) = core.handle(inputs.StartedAlone(), 0)
    assert expire == effects.SetTimer("expire", EXPIRE_PERIOD_MS)
    assert core.handle(inputs.TimerFired("expire", WALL_MS), EXPIRE_PERIOD_MS) == [expire]


def test_a_new_peer_is_greeted_once() -> None:
    core = engine()
    hello = inputs.Received(
        "b",
        presence_topic("main", shard_of(OTHER_NODE.id)),
        sign_presence(OTHER_NODE, "main", WALL_MS),
        WALL_MS,
    )
    seen, timer = core.handle(hello, 0)
    assert seen == effects.PeerSeen(OTHER_NODE.id)
    assert isinstance(timer, effects.SetTimer)
    assert core.handle(hello, 1) == []
    presence, frame = core.handle(inputs.TimerFired("greeting", WALL_MS), 2)
    assert isinstance(presence, effects.Send)
    assert isinstance(frame, effects.Send)
    assert frame.topic == inbox_topic("main", OTHER_NODE.id)


def test_two_cores_reconcile_what_pushing_lost() -> None:
    here, there = engine(), GossipEngine(OTHER_NODE, (FRIEND,), "main", LIMITS, b"other")
    envelopes: dict[bytes, bytes] = {}

    def keep(done: list[Effect]) -> list[Effect]:
        envelopes.update(
            (e.record.id, e.record.envelope) for e in done if isinstance(e, effects.Persist)
        )
        return done

    for n in range(300):
        keep(here.handle(inputs.Recorded(ME.id, (listen(f"h{n}"),), WALL_MS + n), n))
        keep(there.handle(inputs.Recorded(FRIEND.id, (listen(f"t{n}"),), WALL_MS + n), n))
    for core, key in ((here, OTHER_NODE), (there, NODE)):
        topic = presence_topic("main", shard_of(key.id))
        core.handle(inputs.Received("b", topic, sign_presence(key, "main", WALL_MS), WALL_MS), 300)
    todo = here.handle(inputs.TimerFired("sync", WALL_MS), 300)
    message_count = 0
    while todo:
        match todo.pop(0):
            case effects.Send(topic=topic, payload=payload):
                message_count += 1
                core = here if topic == inbox_topic("main", NODE.id) else there
                received = inputs.Received("b", topic, payload, WALL_MS + 400)
                todo += keep(core.handle(received, 400))
            case effects.Fetch(record_ids=ids, topic=topic):
                core = there if topic == inbox_topic("main", NODE.id) else here
                found = tuple(envelopes[record_id] for record_id in ids)
                todo += core.handle(inputs.Fetched(found, topic), 400)
    assert len(here.window) == len(there.window) == 600
    assert message_count <= 12
    assert not set(here.rejected) - {"duplicate"}


def test_frames_from_strangers_and_over_the_budget_are_refused() -> None:
    core = engine(Limits(sync_reply_count=2))
    topic = presence_topic("main", shard_of(OTHER_NODE.id))
    core.handle(inputs.Received("b", topic, sign_presence(OTHER_NODE, "main", WALL_MS), WALL_MS), 0)

    def seen(payload: bytes) -> list[RejectReason]:
        received = inputs.Received("b", inbox_topic("main", NODE.id), payload, WALL_MS)
        return reasons(core.handle(received, 0))

    frame = reconcile.initiate(reconcile.ItemSet(), b"s" * 16, LIMITS)
    for sender in (FRIEND, OTHER_NODE):  # a peer has to begin an exchange as well
        bare = msgspec.msgpack.encode([0, sender.id, frame, ALL_SHARDS])
        assert seen(bare) == [RejectReason.SYNC_BUDGET]
    rubbish = msgspec.msgpack.encode([0, OTHER_NODE.id, b"x", ALL_SHARDS])
    assert [seen(rubbish) for _ in range(4)] == 4 * [[RejectReason.MALFORMED]]
    hello = introduce(OTHER_NODE, NODE.id, frame)
    assert [seen(each) for each in (hello, bare, bare)] == [[], [], [RejectReason.SYNC_BUDGET]]


def test_records_age_out() -> None:
    core = engine()
    record = written()
    core.handle(pushed([record]), 0)
    (timer,) = core.handle(inputs.TimerFired("expire", WALL_MS), 0)
    age_ms = 30 * DAY_MS + 1
    gone = core.handle(inputs.TimerFired("expire", WALL_MS + age_ms), age_ms)
    assert gone == [effects.Evict((record.id,), EvictReason.AGE), timer]
    assert len(core.window) == 0


def test_a_clock_that_is_ahead_for_minutes_costs_the_oldest_hours() -> None:
    core = engine()
    hourly = [
        written(seq=seq, created_ms=WALL_MS - (101 - seq) * 3_600_000) for seq in range(1, 101)
    ]
    stored = tuple(inputs.Stored(r.envelope, r.created_ms, r.id) for r in hourly)
    core.handle(inputs.Restored(stored, ((ME.id, 0, 128),), (), WALL_MS), 0)
    gone: list[bytes] = []
    for minute in range(11):
        wall_ms = WALL_MS + 1_000 * DAY_MS + minute * 60_000
        *done, _ = core.handle(inputs.TimerFired("expire", wall_ms), minute * 60_000)
        gone += [i for each in done if isinstance(each, effects.Evict) for i in each.record_ids]
    assert gone == [r.id for r in hourly[:10]]
    assert len(core.handle(inputs.TimerFired("expire", WALL_MS + 11 * 60_000), 11 * 60_000)) == 1
    assert len(core.window) == 90


def test_what_aged_while_we_were_away_is_offered_to_nobody_and_leaves_soon() -> None:
    def restored(*records: Record) -> GossipEngine:
        core = engine()
        stored = tuple(inputs.Stored(r.envelope, r.created_ms, r.id) for r in records)
        core.handle(inputs.Restored(stored, ((ME.id, 0, 65),), (), WALL_MS), 0)
        topic = presence_topic("main", shard_of(OTHER_NODE.id))
        presence = sign_presence(OTHER_NODE, "main", WALL_MS)
        core.handle(inputs.Received("b", topic, presence, WALL_MS), 0)
        return core

    def compared(core: GossipEngine) -> list[Effect]:
        return core.handle(inputs.TimerFired("sync", WALL_MS), 0)

    old, new = written(seq=1, created_ms=WALL_MS - 31 * DAY_MS), written(seq=2)
    core = restored(old, new)
    assert len(core.window) == 2
    assert compared(core) == compared(restored(new))
    assert compared(core) != compared(restored(written(seq=1), new))
    core.handle(inputs.TimerFired("expire", WALL_MS), 0)
    day_ms = 25 * 60_000  # at sixty times the speed of time
    gone, _ = core.handle(inputs.TimerFired("expire", WALL_MS + day_ms), day_ms)
    assert gone == effects.Evict((old.id,), EvictReason.AGE)


def test_restore_gives_the_window_back() -> None:
    old, new = written(seq=1, created_ms=WALL_MS - 31 * DAY_MS), written(seq=2)
    core = engine()
    stored = tuple(inputs.Stored(r.envelope, r.created_ms, r.id) for r in (old, new))
    done = core.handle(inputs.Restored(stored, ((ME.id, 0, 65),), (), WALL_MS), 0)
    assert done == [
        effects.Accepted(old, old.created_ms),
        effects.Accepted(new, WALL_MS),
    ]
    persist = core.handle(inputs.Recorded(ME.id, (listen("x"),), WALL_MS), 1)[1]
    assert isinstance(persist, effects.Persist)
    assert persist.record.seq == 65


def test_a_stored_record_that_is_not_what_was_stored_is_counted_and_let_go() -> None:
    whole, altered, cut = (written(seq=seq) for seq in (1, 2, 3))
    flipped = bytearray(altered.envelope)
    flipped[altered.envelope.index(b"listen")] ^= 1
    core = engine()
    stored = (
        inputs.Stored(whole.envelope, WALL_MS, whole.id),
        inputs.Stored(bytes(flipped), WALL_MS, altered.id),
        inputs.Stored(cut.envelope[:40], WALL_MS, cut.id),
    )
    accepted, first, gone, second, gone_too = core.handle(
        inputs.Restored(stored, (), (), WALL_MS), 0
    )
    assert accepted == effects.Accepted(whole, WALL_MS)
    assert gone == effects.Evict((altered.id,), EvictReason.DAMAGED)
    assert gone_too == effects.Evict((cut.id,), EvictReason.DAMAGED)
    for report, record in ((first, altered), (second, cut)):
        assert isinstance(report, effects.Misbehaved)
        assert (report.reason, record.id.hex() in report.detail) == (RejectReason.DAMAGED, True)
    assert core.rejected == {RejectReason.DAMAGED: 2}


@settings(max_examples=200)
@given(
    st.sampled_from(["r/1", "h/1", f"n/{NODE.id.hex()}"]),
    st.binary(max_size=200)
    | st.builds(
        msgspec.msgpack.encode,
        st.lists(st.binary(max_size=60) | st.integers(0, 3) | st.just(OTHER_NODE.id), max_size=5),
    ),
)
def test_garbage_never_raises(channel: str, payload: bytes) -> None:
    core = engine()
    done = core.handle(inputs.Received("b", f"tastemesh/1/main/{channel}", payload, WALL_MS), 0)
    assert all(isinstance(effect, effects.Misbehaved) for effect in done)
    assert len(core.window) == 0


def test_peers_are_bounded_and_the_silent_are_forgotten() -> None:
    core = engine(Limits(peer_count=3, peer_age_ms=60_000))
    for number in range(100, 120, 2):
        key = signer(number)
        topic = presence_topic("main", shard_of(key.id))
        hello = inputs.Received("b", topic, sign_presence(key, "main", WALL_MS), WALL_MS)
        core.handle(hello, 1_000)
        assert len(core.peers) <= 3
    silent_ms = 3 * LIMITS.presence_period_ms
    core.handle(inputs.TimerFired("expire", WALL_MS), silent_ms)
    assert len(core.peers) == 3
    core.handle(inputs.TimerFired("expire", WALL_MS), silent_ms + 1_001)
    assert len(core.peers) == 0


def restored(*records: Record) -> GossipEngine:
    """A node that holds these."""
    node = engine()
    rows = tuple(inputs.Stored(each.envelope, WALL_MS, each.id) for each in records)
    node.handle(inputs.Restored(rows, (), (), WALL_MS), 0)
    return node


def with_flipped(envelope: bytes, place: int) -> bytes:
    return envelope[:place] + bytes([envelope[place] ^ 4]) + envelope[place + 1 :]


def test_what_is_on_the_disk_as_it_was_is_left_alone() -> None:
    held = [written(), written(ME)]
    rows = tuple(inputs.Stored(each.envelope, WALL_MS, each.id) for each in held)
    assert restored(*held).handle(inputs.Inspected(rows), 0) == []


@pytest.mark.parametrize("place", range(-100, 0, 9))  # keys and signature
def test_a_signature_that_changed_on_the_disk_is_ours_to_give_again(place: int) -> None:
    mine = written(ME)
    node = restored(mine)
    changed = inputs.Stored(with_flipped(mine.envelope, place), WALL_MS - 5, mine.id)
    told, *done = node.handle(inputs.Inspected((changed,)), 0)
    assert reasons([told]) == [RejectReason.DAMAGED]
    assert done[0] == effects.Evict((mine.id,), EvictReason.DAMAGED)
    if mine.id in node.window:
        assert done[1:] == [
            effects.Persist(mine, WALL_MS - 5, True),
            effects.Accepted(mine, WALL_MS - 5, True),
        ]
    else:  # a length was hit: nothing tells where the body ends
        assert open_envelope(changed.envelope, LIMITS).outer is None


@pytest.mark.parametrize("place", [-3, 80])  # signature and body
def test_a_strangers_record_that_changed_on_the_disk_may_come_again(place: int) -> None:
    theirs = written()
    node = restored(theirs)
    changed = inputs.Stored(with_flipped(theirs.envelope, place), WALL_MS, theirs.id)
    told, *done = node.handle(inputs.Inspected((changed,)), 0)
    assert reasons([told]) == [RejectReason.DAMAGED]
    assert set(done) == {effects.Evict((theirs.id,), EvictReason.DAMAGED)}
    assert theirs.id not in node.window
    assert effects.Persist(theirs, WALL_MS) in node.handle(pushed([theirs]), 0)


def test_an_id_that_changed_on_the_disk_takes_its_record_along() -> None:
    theirs = written()
    node = restored(theirs)
    other_id = with_flipped(theirs.id, 0)
    changed = inputs.Stored(theirs.envelope, WALL_MS, other_id)
    told, *done = node.handle(inputs.Inspected((changed,)), 0)
    assert reasons([told]) == [RejectReason.DAMAGED]
    assert done == [effects.Evict((each,), EvictReason.DAMAGED) for each in (other_id, theirs.id)]
    assert theirs.id not in node.window


def test_a_row_that_is_about_to_leave_is_no_damage() -> None:
    theirs = written()
    rows = (inputs.Stored(theirs.envelope, WALL_MS, theirs.id),)
    assert engine().handle(inputs.Inspected(rows), 0) == []
