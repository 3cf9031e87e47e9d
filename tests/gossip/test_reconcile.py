"""Exchanges end with both sides knowing the difference, whatever the sets; liars stay bounded."""

from hashlib import sha256
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tastemesh.errors import RemoteProtocolError, UsageError
from tastemesh.gossip.fingerprints import Fingerprints
from tastemesh.gossip.itemset import KEY_BYTES, Snapshot, key_of
from tastemesh.gossip.limits import MIN_FRAME_BYTES, Limits, RejectReason
from tastemesh.gossip.ranges import END, Difference, Listing, Names, decode_frame
from tastemesh.gossip.reconcile import ItemSet, initiate, respond

Item = tuple[int, bytes]

LIMITS = Limits()
TIGHT = Limits(sync_frame_bytes=MIN_FRAME_BYTES)
SALT = sha256(b"salt").digest()[:16]
START_MS = 1_700_000_000_000


def item(number: int, time_ms: int = START_MS) -> Item:
    return time_ms, sha256(number.to_bytes(8, "big")).digest()


def spaced(count: int, first: int = 0) -> list[Item]:
    """Items some 20 s apart, as 30 days with 130,000 records have them."""
    return [item(first + n, START_MS + n * 20_000 + n * n % 9_973) for n in range(count)]


class Exchange:
    """Runs one exchange to its end and keeps what came out."""

    def __init__(
        self,
        initiator: set[Item],
        responder: set[Item],
        limits: Limits = LIMITS,
        most_frames: int = 2_000,
        since_ms: int = 0,
    ) -> None:
        sides = ItemSet(initiator), ItemSet(responder)
        self.have: tuple[list[bytes], list[bytes]] = ([], [])
        self.need: tuple[list[bytes], list[bytes]] = ([], [])
        self.frames = [initiate(sides[0], SALT, limits, since_ms)]
        while len(self.frames) <= most_frames:
            assert len(self.frames[-1]) <= limits.sync_frame_bytes
            side = len(self.frames) % 2
            reply = respond(sides[side], self.frames[-1], limits)
            self.have[side].extend(reply.have)
            self.need[side].extend(reply.need)
            if reply.frame is None:
                return
            self.frames.append(reply.frame)
        raise AssertionError(f"no end after {most_frames} frames")

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.frames))


def check_exact(done: Exchange, initiator: set[Item], responder: set[Item]) -> None:
    """Each side has learnt the difference, no more and no less; full frames may repeat an id."""
    only_initiator = sorted(record_id for _, record_id in initiator - responder)
    only_responder = sorted(record_id for _, record_id in responder - initiator)
    assert sorted(set(done.have[0])) == only_initiator
    assert sorted(set(done.have[1])) == only_responder
    assert sorted(set(done.need[0])) == [record_id[:16] for record_id in only_responder]
    assert sorted(set(done.need[1])) == [record_id[:16] for record_id in only_initiator]


def pair(
    seed: int,
    count: int,
    date_count: int,
    alike: bool,
    only_one_share: float,
    to_initiator: float,
) -> tuple[set[Item], set[Item]]:
    """Two sets: few or many dates, ids alike or unlike, any overlap."""
    rng = Random(seed)
    sets: tuple[set[Item], set[Item]] = (set(), set())
    for number in range(count):
        record_id = number.to_bytes(16, "big") + bytes(16) if alike else item(number)[1]
        new = (START_MS + rng.randrange(date_count), record_id)
        if rng.uniform(0, 1) >= only_one_share:
            sets[0].add(new)
            sets[1].add(new)
        else:
            sets[rng.uniform(0, 1) >= to_initiator].add(new)
    return sets


PAIRS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "count": st.sampled_from([0, 1, 20, 33, 200, 1_500]),
        "date_count": st.sampled_from([1, 3, 50, 10**9]),
        "alike": st.booleans(),
        "only_one_share": st.sampled_from([0.0, 0.01, 0.3, 1.0]),
        "to_initiator": st.sampled_from([0.0, 0.5, 1.0]),
    }
)


# --- the set ---------------------------------------------------------------------------------


class ItemSetMachine(RuleBasedStateMachine):
    """Any order of changes leaves what a sorted list of keys would hold."""

    def __init__(self) -> None:
        super().__init__()
        self.items = ItemSet()
        self.model: set[Item] = set()

    @rule(time_ms=st.integers(0, 3), number=st.integers(0, 5))
    def insert(self, time_ms: int, number: int) -> None:
        new = item(number, time_ms)
        self.items.insert(*new)
        self.model.add(new)

    @rule(time_ms=st.integers(0, 3), number=st.integers(0, 5))
    def remove(self, time_ms: int, number: int) -> None:
        gone = item(number, time_ms)
        assert self.items.remove(*gone) == (gone in self.model)
        self.model.discard(gone)

    @rule(first=st.integers(0, 2_000), count=st.integers(0, 900), dates=st.sampled_from([1, 7]))
    def insert_many(self, first: int, count: int, dates: int) -> None:
        for number in range(first, first + count):
            self.insert(number % dates, number)

    @precondition(lambda self: self.model)
    @rule(share=st.floats(0, 1), where=st.floats(0, 1))
    def remove_many(self, share: float, where: float) -> None:
        held = sorted(self.model)
        at = int(where * len(held))
        for time_ms, record_id in held[at : at + int(share * len(held))]:
            assert self.items.remove(time_ms, record_id)
            self.model.discard((time_ms, record_id))

    @rule()
    def reload(self) -> None:
        self.items = ItemSet(sorted(self.model, reverse=True))

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        assert len(self.items) == len(self.model)
        assert self.items.snapshot().packed == b"".join(sorted(key_of(*i) for i in self.model))

    @invariant()
    def no_more_chunks_than_needed(self) -> None:
        assert len(self.items._chunks) <= 2 + len(self.model) / 64
        assert self.items._firsts == [bytes(chunk[:KEY_BYTES]) for chunk in self.items._chunks]


TestItemSet = ItemSetMachine.TestCase
TestItemSet.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


@given(PAIRS)
@settings(max_examples=30, deadline=None)
def test_bounds_separate_neighbours_and_are_as_short_as_can_be(made: dict[str, Any]) -> None:
    sets = pair(**made)
    snapshot = ItemSet(sets[0]).snapshot()
    for position in range(len(snapshot)):
        bound = snapshot.bound_at(position)
        assert snapshot.rank(bound) == position
        assert len(bound) == 8 or snapshot.rank(bound[:-1]) < position


def test_a_snapshot_does_not_change() -> None:
    items = ItemSet([item(1), item(2)])
    before = items.snapshot()
    items.insert(*item(3))
    assert (len(before), len(items.snapshot())) == (2, 3)
    items.remove(*item(1))
    assert (len(before), len(items.snapshot())) == (2, 2)


@pytest.mark.parametrize(
    ("time_ms", "record_id"), [(-1, bytes(32)), (1 << 63, bytes(32)), (0, bytes(31))]
)
def test_items_out_of_range_are_refused(time_ms: int, record_id: bytes) -> None:
    for change in (ItemSet().insert, ItemSet().remove):
        with pytest.raises(UsageError, match="expected"):
            change(time_ms, record_id)


# --- fingerprints ----------------------------------------------------------------------------


def prints(items: list[Item], salt: bytes = SALT) -> Fingerprints:
    snapshot = Snapshot(b"".join(sorted(key_of(*i) for i in items)))
    return Fingerprints(snapshot, salt, 0, len(snapshot))


def test_sets_with_one_sum_of_ids_have_different_digests() -> None:
    def number(value: int) -> Item:
        return START_MS, value.to_bytes(16, "big") + bytes(16)

    crafted = [number(10), number(40)], [number(20), number(30)]  # XOR would need other values
    assert prints(crafted[0]).digest(0, 2) != prints(crafted[1]).digest(0, 2)


def test_digests_add_up_over_ranges_and_differ_by_salt() -> None:
    whole = prints(spaced(100))

    def value(low: int, high: int) -> int:
        return int.from_bytes(whole.digest(low, high), "little")

    assert value(0, 100) == (value(0, 37) + value(37, 100)) % 2**64
    assert value(5, 5) == 0
    assert whole.digest(0, 100) != prints(spaced(100), bytes(16)).digest(0, 100)


def test_a_part_of_the_snapshot_has_the_digests_of_the_whole() -> None:
    snapshot = ItemSet(spaced(50)).snapshot()
    whole, part = Fingerprints(snapshot, SALT, 0, 50), Fingerprints(snapshot, SALT, 10, 40)
    assert part.digest(20, 30) == whole.digest(20, 30)
    assert part.shorts(10, 40) == whole.shorts(10, 40)
    assert len({whole.shorts(n, n + 1) for n in range(50)}) == 50


# --- honest exchanges ------------------------------------------------------------------------


@given(PAIRS, st.sampled_from([LIMITS, TIGHT]))
@settings(max_examples=150, deadline=None)
def test_both_sides_learn_the_difference(made: dict[str, Any], limits: Limits) -> None:
    sets = pair(**made)
    check_exact(Exchange(*sets, limits=limits), *sets)


@given(PAIRS, st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_sets_that_change_meanwhile_neither_break_nor_prolong_it(
    made: dict[str, Any], seed: int
) -> None:
    sets = pair(**made)
    rng = Random(seed)
    universe = sorted(sets[0] | sets[1])
    sides = ItemSet(sets[0]), ItemSet(sets[1])
    frame: bytes | None = initiate(sides[0], SALT, TIGHT)
    for count in range(1, 1_000):
        assert frame is not None
        for moved in rng.sample(universe, min(20, len(universe))):
            side = sides[rng.randrange(2)]
            if not side.remove(*moved):
                side.insert(*moved)
        frame = respond(sides[count % 2], frame, TIGHT).frame
        if frame is None:
            return
    raise AssertionError("no end")


def test_a_hundred_thousand_records_without_the_newest_thousand() -> None:
    records = spaced(100_000)
    missing = records[-1_000:]
    initiator, responder = set(records) - set(missing[::2]), set(records) - set(missing[1::2])
    done = Exchange(initiator, responder)
    check_exact(done, initiator, responder)
    assert [len(ids) for ids in done.have + done.need] == [500] * 4
    assert done.size_bytes < 30_000
    assert len(done.frames) <= 8


def test_a_hundred_thousand_records_without_a_thousand_anywhere() -> None:
    records = spaced(100_000)
    missing = Random(1).sample(records, 1_000)
    initiator, responder = set(records) - set(missing[::2]), set(records) - set(missing[1::2])
    done = Exchange(initiator, responder)
    check_exact(done, initiator, responder)
    assert [len(ids) for ids in done.have + done.need] == [500] * 4
    assert done.size_bytes < 350_000
    assert len(done.frames) <= 32


def test_equal_sets_cost_one_small_frame() -> None:
    records = set(spaced(100_000))
    done = Exchange(records, records)
    assert len(done.frames) == 1
    assert done.size_bytes < 300


def test_a_newcomer_asks_for_everything_in_a_few_bytes_and_gets_the_newest_first() -> None:
    records = spaced(3_125)  # a full window of batches
    ask = initiate(ItemSet(), SALT, LIMITS)
    assert len(ask) < 50
    first = respond(ItemSet(records), ask, LIMITS)
    newest = [record_id for _, record_id in reversed(records)]
    assert list(first.have) == newest[: len(first.have)]
    assert len(first.have) > 950
    done = Exchange(set(), set(records))
    check_exact(done, set(), set(records))
    assert len(done.frames) <= 8
    assert done.size_bytes < 3_125 * 17


def test_records_before_the_horizon_are_left_out() -> None:
    records = spaced(500)
    horizon_ms = records[250][0]
    done = Exchange(set(records[::2]), set(records[1::2]), since_ms=horizon_ms)
    after = {record for record in records if record[0] >= horizon_ms}
    check_exact(done, set(records[::2]) & after, set(records[1::2]) & after)


def test_ids_alike_in_their_first_half_count_as_one() -> None:
    here, there = {(START_MS, bytes(32))}, {(START_MS, bytes(16) + b"\1" * 16)}
    done = Exchange(here, there)
    assert done.have == ([], [])
    assert done.need == ([], [])


def test_frames_stay_as_they_are_on_the_wire() -> None:
    few = ItemSet(item(n, 1_000 + n) for n in range(3))
    many = ItemSet(item(n, 1_000 + n) for n in range(33))
    assert initiate(few, SALT, LIMITS).hex() == GOLDEN_LISTING
    assert sha256(initiate(many, SALT, LIMITS)).hexdigest() == GOLDEN_DIGESTS
    reply = respond(many, initiate(few, SALT, LIMITS), LIMITS)
    assert reply.frame is not None
    assert sha256(reply.frame).hexdigest() == GOLDEN_DIFFERENCE


GOLDEN_LISTING = (
    "92c41063479ad69a090b258277ec8fba6f99419192cf80000000000000009201c412"
    "7d7a61bc52dfd65aefe191a14db23b699ebe"
)
GOLDEN_DIGESTS = "d2f530f5afd96c3c0a2a73e8140577eb200c5484fbc2afdc4e9b54b21f17cf8d"
GOLDEN_DIFFERENCE = "b1f162e4b390823d63a42deb17888611d63cd611b9d63087a02e799ae325f791"


def test_wrong_use_is_named() -> None:
    with pytest.raises(UsageError, match="salt of 15 bytes"):
        initiate(ItemSet(), bytes(15), LIMITS)
    with pytest.raises(UsageError, match="since -1"):
        initiate(ItemSet(), SALT, LIMITS, since_ms=-1)
    with pytest.raises(UsageError, match="sync_frame_bytes 2047; expected 2048 or more"):
        Limits(sync_frame_bytes=MIN_FRAME_BYTES - 1)


# --- hostile frames --------------------------------------------------------------------------


def packed(*ranges: object, salt: object = SALT) -> bytes:
    return msgspec.msgpack.encode([salt, list(ranges)])


MALFORMED = {
    "empty": b"",
    "not a frame": b"x",
    "trailing bytes": packed() + b"\0",
    "a field too many": msgspec.msgpack.encode([SALT, [], 0]),
    "a field too few": msgspec.msgpack.encode([SALT]),
    "salt too short": packed(salt=bytes(15)),
    "salt as text": packed(salt="x" * 16),
    "negative step": packed([-1, None]),
    "bound that stays": packed([0, None]),
    "bounds that stay": packed([5, None], [0, None]),
    "bound below zero": packed([(1 << 63) + 1, None]),
    "fractional bound": packed([1.5, None]),
    "long prefix": packed([[1, bytes(33)], None]),
    "bound that rises within a date": packed([[1, b"a"], None], [[0, b"b"], None]),
    "bound that returns": packed([[1, b"a"], None], [[0, b"a"], None]),
    "bound of three": packed([[1, b"a", 1], None]),
    "no body": packed([1]),
    "short digest": packed([1, bytes(7)]),
    "unknown body": packed([1, [4, b""]]),
    "uneven list": packed([1, [1, bytes(7)]]),
    "long list": packed([1, [1, bytes(33 * 6)]]),
    "uneven missing": packed([1, [2, bytes(5), b""]]),
    "long missing": packed([1, [2, bytes(33 * 6), b""]]),
    "uneven extra": packed([1, [2, b"", bytes(17)]]),
    "difference of one": packed([1, [2, b""]]),
    "uneven names": packed([1, [3, bytes(8)]]),
    "deep nesting": b"\x91" * 16_000,
    "promised length": bytes.fromhex("92c410") + SALT + bytes.fromhex("ddffffffff"),
}


@pytest.mark.parametrize("frame", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        respond(ItemSet(spaced(100)), frame, LIMITS)
    assert caught.value.reason == RejectReason.MALFORMED


def test_oversized_frames_are_refused_unread() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        respond(ItemSet(), bytes(LIMITS.sync_frame_bytes + 1), LIMITS)
    assert caught.value.reason == RejectReason.OVERSIZED


HELD = ItemSet(spaced(3_000))
HONEST = respond(ItemSet(spaced(2_000)), initiate(HELD, SALT, LIMITS), LIMITS).frame or b""


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_answered_or_refused(frame: bytes) -> None:
    try:
        respond(HELD, frame, LIMITS)
    except RemoteProtocolError as error:
        assert error.reason == RejectReason.MALFORMED


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_frames_are_answered_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(HONEST) - 1))
    cut = data.draw(st.integers(0, 8))
    damaged = HONEST[:at] + data.draw(st.binary(max_size=8)) + HONEST[at + cut :]
    try:
        reply = respond(HELD, damaged, LIMITS)
    except RemoteProtocolError as error:
        assert error.reason == RejectReason.MALFORMED
    else:
        assert len(reply.frame or b"") <= LIMITS.sync_frame_bytes


def joined(size_bytes: int, most: int) -> st.SearchStrategy[bytes]:
    return st.integers(0, most).flatmap(
        lambda count: st.binary(min_size=count * size_bytes, max_size=count * size_bytes)
    )


BODIES = st.one_of(
    st.none(),
    st.binary(min_size=8, max_size=8),
    st.tuples(st.just(1), joined(6, 32)),
    st.tuples(st.just(2), joined(6, 32), joined(16, 40)),
    st.tuples(st.just(3), joined(16, 40)),
)
LIES = st.lists(st.tuples(st.integers(1, 5_000_000), BODIES), max_size=60)


@given(LIES, st.sampled_from([LIMITS, TIGHT]))
@settings(max_examples=200, deadline=None)
def test_whatever_a_peer_claims_the_answer_is_bounded(
    lies: list[tuple[int, object]], limits: Limits
) -> None:
    first_back_ms = (1 << 63) - START_MS - 3_000 * 20_000
    frame = packed([first_back_ms, None], *lies)[: limits.sync_frame_bytes]
    try:
        _, parts = decode_frame(frame, limits)
    except RemoteProtocolError:
        return
    reply = respond(HELD, frame, limits)
    named = b"".join(
        part.body.extra if isinstance(part.body, Difference) else part.body.names
        for part in parts
        if isinstance(part.body, Difference | Names)
    )
    assert {named[at : at + 16] for at in range(0, len(named), 16)} >= set(reply.need)
    assert len(set(reply.need)) == len(reply.need)
    assert {record_id for _, record_id in spaced(3_000)} >= set(reply.have)
    assert len(set(reply.have)) == len(reply.have)
    if reply.frame is not None:
        assert len(reply.frame) <= limits.sync_frame_bytes
        answered = decode_frame(reply.frame, limits)[1]
        covered = [part for part in parts if not isinstance(part.body, Names)]
        assert answered[0].upper <= covered[0].upper
        assert answered[-1].lower >= covered[-1].lower


def test_a_peer_whose_digests_never_agree_is_led_to_lists_and_an_end() -> None:
    frame: bytes | None = initiate(HELD, SALT, LIMITS)
    for _ in range(40):
        if frame is None:
            return
        _, parts = decode_frame(frame, LIMITS)
        lies: list[list[object]] = []
        upper = END
        for part in parts:
            gap_ms = int.from_bytes(upper[:8], "big") - int.from_bytes(part.upper[:8], "big")
            if gap_ms:
                lies.append([gap_ms, None])
            back_ms = int.from_bytes(part.upper[:8], "big") - int.from_bytes(part.lower[:8], "big")
            if isinstance(part.body, bytes):
                lies.append([back_ms, bytes(8)])
                upper = part.lower
            else:
                upper = part.upper
        if not lies:
            assert all(isinstance(part.body, Listing) for part in parts)
            return
        frame = respond(HELD, packed(*lies)[: LIMITS.sync_frame_bytes], LIMITS).frame
    raise AssertionError("no end")


def test_a_peer_that_repeats_itself_gets_the_same_answer() -> None:
    ask = packed([1 << 63, bytes(8)])
    first = respond(HELD, ask, LIMITS)
    assert [respond(HELD, ask, LIMITS) for _ in range(5)] == [first] * 5
    assert (first.have, first.need) == ((), ())


def test_a_peer_that_says_it_lacks_everything_gets_a_frame_full_at_a_time() -> None:
    items = ItemSet(spaced(20_000))
    reply = respond(items, packed([1 << 63, [1, b""]]), LIMITS)
    assert 900 < len(reply.have) <= 1_024
    assert reply.frame is not None


def test_a_list_of_strangers_asks_for_nothing_that_was_not_named() -> None:
    reply = respond(HELD, packed([1 << 63, [1, bytes(range(192))]]), LIMITS)
    assert reply.need == ()
    assert reply.frame is not None
