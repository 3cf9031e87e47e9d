"""The window against a plain model, and what a flood can and cannot push out."""

import heapq
import tracemalloc

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tastemesh.gossip.codec import sign_record
from tastemesh.gossip.effects import EvictReason
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.record import Endorsement, Interaction, Record, Statement
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.statements import MAX_EPOCH
from tastemesh.gossip.window import Gone, Window
from tests.gossip.counting import calls_of

SMALL = Limits(
    window_statement_count=40,
    author_interaction_count=12,
    author_endorsement_count=4,
    window_age_ms=1_000,
    endorsement_age_ms=1_200,
)


def record(
    author: int, seq: int, created_ms: int, interactions: int = 1, endorsements: int = 0
) -> Record:
    said: list[Statement] = [Interaction(f"i{n}", "listen", 1) for n in range(interactions)]
    said += [Endorsement(bytes(32), 1)] * endorsements
    identity = author.to_bytes(32, "big")
    return Record(
        identity[16:] + seq.to_bytes(16, "big"), identity, 0, seq, b"", created_ms, tuple(said), b""
    )


def gone(left: Record) -> Gone:
    return Gone(left.id, left.author, left.created_ms)


def vouches(said: Record) -> bool:
    return len(said.endorsements) == len(said.statements)


def ids(authors: set[int]) -> tuple[bytes, ...]:
    return tuple(author.to_bytes(32, "big") for author in sorted(authors))


class WindowMachine(RuleBasedStateMachine):
    """Any order of arrivals, changes of trust and ageing keeps every bound."""

    def __init__(self) -> None:
        super().__init__()
        self.window = Window(SMALL)
        self.held: dict[bytes, Record] = {}
        self.clamped_ms: dict[bytes, int] = {}
        self.dated_ms: dict[bytes, int] = {}  # before the clock was set back
        self.seq = 0
        self.wall_ms = 10_000
        self.slack_ms = 0  # records from after a clock's setting back lie a millisecond apart
        self.reached: set[int] = set()

    @rule(
        author=st.integers(0, 6),
        back_ms=st.integers(-100, 900),
        interactions=st.integers(0, 6),
        endorsements=st.integers(0, 3),
    )
    def arrive(self, author: int, back_ms: int, interactions: int, endorsements: int) -> None:
        if not interactions + endorsements:
            return
        self.seq += 1
        created_ms = self.wall_ms - back_ms
        new = record(author, self.seq, created_ms, interactions, endorsements)
        self.dated_ms[new.id] = self.clamped_ms[new.id] = min(created_ms, self.wall_ms)
        for r in self.held.values():
            if r.author == new.author and self.clamped_ms[r.id] > self.wall_ms:
                self.clamped_ms[r.id] = self.wall_ms
                self.slack_ms = SMALL.author_interaction_count + SMALL.author_endorsement_count
        refusal, left = self.window.add(new, self.wall_ms)
        assert gone(new) not in {each for each, _ in left}
        if refusal is None:
            self.held[new.id] = new
        else:
            assert left == []
        for each, why in left:
            self.let_go(each)
            assert each.record_id != new.id or why is EvictReason.WINDOW

    def let_go(self, left: Gone) -> None:
        assert left == gone(self.held.pop(left.record_id))

    @rule(reached=st.sets(st.integers(0, 6)))
    def trust(self, reached: set[int]) -> None:
        before, self.reached = self.reached, reached
        self.window.move(ids(reached - before), ids(before - reached))

    @rule(stepped_ms=st.integers(1, 300))
    def step_back(self, stepped_ms: int) -> None:
        self.wall_ms -= stepped_ms

    @rule(passed_ms=st.integers(0, 400))
    def age(self, passed_ms: int) -> None:
        self.wall_ms += passed_ms
        horizon_ms = self.wall_ms - SMALL.window_age_ms
        until_ms = {i: horizon_ms - (200 if vouches(r) else 0) for i, r in self.held.items()}
        believed = {i for i in until_ms if until_ms[i] <= self.dated_ms[i] <= self.wall_ms}
        for each in self.window.expire(horizon_ms, self.wall_ms):
            self.let_go(each)
            each_ms = until_ms[each.record_id]
            assert self.clamped_ms[each.record_id] < each_ms + self.slack_ms
            assert each.record_id not in believed
        assert all(self.clamped_ms[i] >= until_ms[i] for i in self.held if i not in believed)

    @invariant()
    def holds_exactly_what_the_model_holds(self) -> None:
        assert len(self.window) == len(self.held)
        assert all(record_id in self.window for record_id in self.held)
        assert self.window.statement_count == sum(len(r.statements) for r in self.held.values())
        for r in self.held.values():
            assert self.window.occupant(r.author, r.epoch, r.seq) == r.id

    @invariant()
    def keeps_every_bound(self) -> None:
        assert self.window.statement_count <= SMALL.window_statement_count
        authors = {r.author for r in self.held.values()}
        assert self.window.author_count == len(authors)
        for author in authors:
            theirs = sorted(
                (r for r in self.held.values() if r.author == author),
                key=lambda r: self.window.records_of(author).index(r.id),
            )
            others = [len(r.statements) for r in theirs if not vouches(r)]
            endorsed = [len(r.statements) for r in theirs if vouches(r)]
            assert sum(endorsed) <= SMALL.author_endorsement_count
            assert sum(others) <= SMALL.author_interaction_count
            assert self.window.author_statement_count(author) == sum(others) + sum(endorsed)
            assert self.window.author_interaction_count(author) == sum(others)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def a_slot_frees_with_its_record(self, data: st.DataObject) -> None:
        r = self.held[data.draw(st.sampled_from(sorted(self.held)))]
        assert self.window.occupant(r.author, r.epoch, r.seq + 10_000) is None


TestWindow = WindowMachine.TestCase
TestWindow.settings = settings(max_examples=60, stateful_step_count=50)


def test_a_flood_of_fresh_identities_cannot_push_out_a_friend() -> None:
    window = Window(SMALL)
    window.move(ids({0}), ())
    friend = [record(0, seq, 10_000 + seq) for seq in range(1, 13)]
    for r in friend:
        assert window.add(r, 10_000)[0] is None
    for fresh in range(1, 2_000):
        window.add(record(fresh, 1, 50_000 + fresh), 50_000 + fresh)
    assert all(r.id in window for r in friend)
    assert window.statement_count <= SMALL.window_statement_count


def test_without_anybody_reached_the_oldest_leave() -> None:
    window = Window(SMALL)
    for author in range(60):
        window.add(record(author, 1, 10_000 + author), 20_000)
    kept = [author for author in range(60) if record(author, 1, 0).id in window]
    assert kept == list(range(20, 60))


def test_what_a_full_window_would_let_go_at_once_is_refused_and_pushes_nothing_out() -> None:
    window = Window(SMALL)
    for n in range(40):
        window.add(record(n, 1, 100 + n), 900)
    large, smaller = record(77, 1, 103, 10), record(78, 1, 103, 4)
    assert window.add(large, 900) == (RejectReason.WINDOW_FULL, [])
    assert window.statement_count == 40
    refusal, left = window.add(smaller, 900)  # as many are older, one of the same moment included
    assert refusal is None
    assert len(left) == 4
    assert smaller.id in window


def test_who_came_into_reach_and_left_it_again_is_counted_once() -> None:
    window = Window(SMALL)
    for n in range(40):
        window.add(record(n, 1, 100 + n), 900)
    for _ in range(3):
        window.move(ids({0}), ())
        window.move((), ids({0}))
    assert window.add(record(77, 1, 101, 3), 900) == (RejectReason.WINDOW_FULL, [])


def test_post_dating_gains_nothing_and_back_dating_loses() -> None:
    window = Window(SMALL)
    window.add(record(1, 1, 99_999), first_seen_ms=10_000)  # claims the future
    for author in range(2, 41):
        window.add(record(author, 1, 10_000 + author), 10_000 + author)
    refused, left = window.add(record(50, 1, 10_100), 10_100)
    assert refused is None
    assert left == [(gone(record(1, 1, 99_999)), EvictReason.WINDOW)]
    assert window.add(record(51, 1, 5_000), 10_200) == (RejectReason.WINDOW_FULL, [])


def test_an_author_keeps_his_own_newest_whatever_the_order_of_arrival() -> None:
    records = [record(1, seq, 1_000 + seq) for seq in range(1, 31)]
    forwards, backwards = Window(SMALL), Window(SMALL)
    for r in records:
        forwards.add(r, 5_000)
    for r in reversed(records):
        backwards.add(r, 5_000)
    kept = [r.seq for r in records if r.id in forwards]
    assert kept == list(range(19, 31))
    assert kept == [r.seq for r in records if r.id in backwards]


def test_what_an_authors_quota_would_not_keep_is_refused_and_pushes_nothing_out() -> None:
    window = Window(SMALL)
    assert window.add(record(1, 1, 1_000, 13), 5_000) == (RejectReason.AUTHOR_QUOTA, [])
    vouch = record(1, 2, 1_000, interactions=0, endorsements=4)
    window.add(vouch, 5_000)  # the oldest of all, and of a quota of its own
    for seq in range(3, 15):
        window.add(record(1, seq, 2_000 + seq), 5_000)
    assert window.add(record(1, 15, 1_500), 5_000) == (RejectReason.AUTHOR_QUOTA, [])
    assert window.add(record(1, 16, 2_004, 3), 5_000) == (RejectReason.AUTHOR_QUOTA, [])
    refusal, left = window.add(record(1, 17, 2_006, 3), 5_000)
    assert refusal is None
    assert [each.record_id for each, _ in left] == [record(1, seq, 0).id for seq in (3, 4, 5)]
    assert vouch.id in window


def test_what_is_said_within_a_millisecond_leaves_as_it_was_numbered() -> None:
    said = [
        msgspec.structs.replace(record(1, n, 1_000), id=bytes([30 - n]) * 32) for n in range(30)
    ]
    window = Window(SMALL)
    for r in said:
        window.add(r, 1_000)
    assert [r.seq for r in said if r.id in window] == list(range(18, 30))
    assert window.records_of(said[0].author) == tuple(r.id for r in said[18:])


def test_a_clock_that_is_set_back_a_day_refuses_nothing_and_keeps_the_order() -> None:
    day_ms = 86_400_000
    window = Window(SMALL)
    for seq in range(1, 13):
        window.add(record(1, seq, 2 * day_ms + seq), 2 * day_ms + seq)
    for seq in range(13, 20):
        refusal, left = window.add(record(1, seq, day_ms + seq), day_ms + seq)
        assert refusal is None
        first = record(1, seq - 12, 2 * day_ms + seq - 12)
        assert left == [(gone(first), EvictReason.AUTHOR_QUOTA)]
    for seq in range(20, 28):  # and forwards again
        assert window.add(record(1, seq, 2 * day_ms + seq), 2 * day_ms + seq)[0] is None
    kept = [seq for seq in range(1, 28) if record(1, seq, 0).id in window]
    assert kept == list(range(16, 28))


def test_what_was_said_while_the_clock_stood_in_1970_takes_nothing_else_along() -> None:
    month_ms = 30 * 86_400_000
    window = Window(SMALL)
    said = [record(1, seq, 10 * month_ms + seq) for seq in range(1, 9)]
    for r in said:
        window.add(r, r.created_ms)
    window.add(record(1, 9, 60_000), 60_000)
    assert window.expire(9 * month_ms, 10 * month_ms + 9) == [gone(record(1, 9, 60_000))]
    window.add(record(1, 10, 10 * month_ms + 10), 10 * month_ms + 10)
    assert window.expire(10 * month_ms + 5, 11 * month_ms + 5) == [gone(r) for r in said[:4]]
    assert len(window) == 5


def test_what_a_clock_dated_ahead_leaves_a_window_after_it_was_set_right() -> None:
    month_ms = 30 * 86_400_000
    window = Window(SMALL)
    window.add(record(1, 1, 99 * month_ms), 99 * month_ms)
    window.add(record(1, 2, month_ms), month_ms)
    assert window.expire(month_ms, 2 * month_ms) == [gone(record(1, 1, 99 * month_ms))]


def test_listening_does_not_push_out_endorsements() -> None:
    window = Window(SMALL)
    vouch = record(1, 1, 1_000, interactions=0, endorsements=2)
    window.add(vouch, 5_000)
    for seq in range(2, 40):
        window.add(record(1, seq, 1_000 + seq), 5_000)
    assert vouch.id in window


def test_padding_counts_as_statements() -> None:
    window = Window(SMALL)
    padded = msgspec.structs.replace(
        record(1, 1, 1_000), envelope=bytes(10 * SMALL.statement_bytes - 1)
    )
    window.add(padded, 5_000)
    assert window.statement_count == 10
    older = record(1, 2, 900)
    for seq in range(3, 5):
        window.add(record(1, seq, 1_000 + seq), 5_000)
    assert window.add(older, 5_000) == (RejectReason.AUTHOR_QUOTA, [])  # it went to the padded one


def test_a_statement_with_the_longest_id_counts_once() -> None:
    limits = Limits()
    signer = Signer(bytes(32), bytes(32))
    said = (Interaction("x" * limits.item_bytes, "y" * limits.kind_chars, 10_000, 2**62),)
    longest = sign_record(signer, "n" * 32, MAX_EPOCH, 2**62, bytes(32), 2**62, said, limits)
    window = Window(limits)
    window.add(longest, 2**62)
    assert window.statement_count == 1


def test_trust_that_comes_and_goes_takes_no_memory() -> None:
    """Nothing leaves a window that is not full, and so nothing else tidies up behind it."""
    window = Window(SMALL)
    for author in range(3):
        for seq in range(1, 11):
            window.add(record(author, seq, 1_000 + seq), 5_000)
    reached = ids({0, 1, 2})
    tracemalloc.start()
    try:
        for turn in range(5_000):
            window.move(*((reached, ()) if turn % 2 else ((), reached)))
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 50_000  # 150,000 keys would be 1.2 MB of pointers alone


def test_many_who_come_into_reach_at_once_cost_no_search_for_each_of_their_records() -> None:
    """With 195,000 records a node stood still for a second, whenever the walks found them anew."""
    window = Window(Limits(author_interaction_count=1_000))
    authors, each = 20, 100
    for author in range(authors):
        for seq in range(each):
            assert window.add(record(author, seq, seq * 7 % each), each)[0] is None
    reached = ids(set(range(authors)))
    for gained, lost in ((reached, ()), ((), reached), (reached[::2], ())):
        window.move(gained, lost)
        with calls_of(heapq.heappush, heapq.heappop) as steps:
            assert window.oldest_ms == 0
        assert steps.count == 0
    assert len(window.expire(10, each)) == 10 * authors


def test_many_who_come_into_reach_one_by_one_leave_little_behind() -> None:
    """What they leave is taken off the heap at once, when the oldest is asked for."""
    window = Window(Limits(author_interaction_count=1_000))
    authors, each = 40, 100
    for seq in range(each):
        for author in range(authors):
            assert window.add(record(author, seq, seq), each)[0] is None
    for author in range(authors):
        window.move(ids({author}), ())
        with calls_of(heapq.heappop) as steps:
            assert window.oldest_ms == 0
        assert steps.count <= authors * each // 4
