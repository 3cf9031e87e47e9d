"""The view against a plain model, and what it costs."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tastemesh.errors import UsageError
from tastemesh.ranking import view as view_module
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.view import View

Row = tuple[bytes, str, float, int]

USERS = [bytes([n]) * 4 for n in range(6)]
ITEMS = [f"item-{n}" for n in range(8)]
ROWS = st.lists(
    st.tuples(st.sampled_from(ITEMS), st.integers(1, 16).map(lambda n: n / 16), st.integers(0, 90)),
    max_size=5,
)


def dense(view: View, matrix: HoldingMatrix) -> dict[tuple[bytes, str], float]:
    pairs = matrix.reference.by_user.tocoo()
    return {
        (view.user_id(u), view.item_id(i)): w * matrix.scale
        for u, i, w in zip(*pairs.coords, pairs.data.tolist(), strict=True)
    }


def expected(rows: list[Row], now_s: int, half_life_s: float | None) -> dict[object, float]:
    """The definition of a merged weight, pair by pair."""
    held: dict[tuple[bytes, str], list[tuple[float, int]]] = {}
    for user, item, weight, time_s in rows:
        held.setdefault((user, item), []).append((weight, time_s))
    now_s = max([now_s, *(row[3] for row in rows)])

    def aged(age_s: int) -> float:
        return 1.0 if half_life_s is None else 2.0 ** (-age_s / half_life_s)

    merged: dict[object, float] = {}
    for pair, said in held.items():
        newest_s = max(time_s for _, time_s in said)
        total = sum(weight * aged(newest_s - time_s) for weight, time_s in said)
        merged[pair] = min(1.0, total) * aged(now_s - newest_s)
    return merged


def volumes(view: View, matrix: HoldingMatrix) -> dict[object, float]:
    by_user: dict[object, float] = {
        view.user_id(n): matrix.volumes[n] for n in np.flatnonzero(matrix.volumes).tolist()
    }
    held = np.flatnonzero(matrix.item_volumes).tolist()
    return {**by_user, **{view.item_id(n): matrix.item_volumes[n] for n in held}}


def since(view: View, half_life_s: float | None) -> dict[object, tuple[int, int]]:
    """The first record and the earliest date of each pair; the other direction says the same."""
    reference, firsts = view.matrix(0, half_life_s).reference, view.firsts(half_life_s)
    turned = zip(*reference.by_item.tocoo().coords, strict=True)
    by_item = dict(zip(turned, firsts.record_by_item.tolist(), strict=True))
    found: dict[object, tuple[int, int]] = {}
    pairs = zip(*reference.by_user.tocoo().coords, strict=True)
    for (user, item), *first in zip(
        pairs, firsts.record.tolist(), firsts.time_s.tolist(), strict=True
    ):
        assert by_item[item, user] == first[0]
        found[view.user_id(user), view.item_id(item)] = first[0], first[1]
    return found


class ViewMachine(RuleBasedStateMachine):
    """Appends, removals and questions in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.view = View()
        self.records: dict[int, list[Row]] = {}
        self.next_no = 0
        self.now_s = 50
        self.half_life_s: float | None = None

    @rule(user=st.sampled_from(USERS), rows=ROWS)
    def append(self, user: bytes, rows: list[tuple[str, float, int]]) -> None:
        items, weights, times_s = ([row[n] for row in rows] for n in range(3))
        self.view.append(user, items, weights, times_s, self.next_no)  # type: ignore[arg-type]
        self.records[self.next_no] = [(user, *row) for row in rows]
        self.next_no += 1

    @rule(users=st.lists(st.sampled_from(USERS), min_size=1, max_size=3), rows=ROWS)
    def extend(self, users: list[bytes], rows: list[tuple[str, float, int]]) -> None:
        said = [(users[n * len(users) // len(rows)], *row) for n, row in enumerate(rows)]
        numbers = [self.next_no + n for n in range(len(said))]
        self.view.extend(
            [row[0] for row in said],
            [row[1] for row in said],
            [row[2] for row in said],
            [row[3] for row in said],
            numbers,
        )
        self.records.update({n: [row] for n, row in zip(numbers, said, strict=True)})
        self.next_no += len(said)

    @rule(draw=st.integers(0, 40))
    def remove(self, draw: int) -> None:
        assert self.view.remove_record(draw) == len(self.records.pop(draw, []))

    @rule(draw=st.lists(st.integers(0, 40), unique=True))
    def remove_several(self, draw: list[int]) -> None:
        gone = [self.records.pop(number, []) for number in draw]
        assert self.view.remove_records(draw) == sum(map(len, gone))

    @rule(gap=st.integers(1, 3))
    def renumber(self, gap: int) -> None:
        """Numbers without rows have places, too."""
        numbers = sorted({*self.records, *range(0, self.next_no, gap)})
        self.view.renumber(np.array(numbers, np.int32))
        self.records = {numbers.index(n): rows for n, rows in sorted(self.records.items())}
        self.next_no = len(numbers)

    @rule()
    def remove_all(self) -> None:
        assert self.view.remove_records(list(self.records)) == sum(map(len, self.records.values()))
        self.records.clear()

    @rule(now_s=st.integers(0, 200), half_life_s=st.sampled_from([None, 2.0, 30.0]))
    def ask(self, now_s: int, half_life_s: float | None) -> None:
        self.now_s, self.half_life_s = now_s, half_life_s
        matrix = self.view.matrix(now_s, half_life_s)
        rows = [row for said in self.records.values() for row in said]
        want = expected(rows, now_s, half_life_s)
        assert dense(self.view, matrix) == pytest.approx(want, rel=1e-6, abs=1e-30)
        assert all(weight <= 1 + 1e-6 for weight in want.values())
        turned = matrix.reference.by_item.toarray()
        assert np.array_equal(matrix.reference.by_user.toarray(), turned.T)
        assert matrix.reference.by_item.nnz == matrix.reference.by_user.nnz == len(want)

    @rule(half_life_s=st.sampled_from([None, 7.0]))
    def incremental_is_from_scratch(self, half_life_s: float | None) -> None:
        kept = self.view.matrix(100, half_life_s)
        fresh = View()
        said = [(n, *row) for n, rows in self.records.items() for row in rows]
        if said:
            numbers, users, items, weights, times_s = zip(*said, strict=True)
            fresh.extend(users, items, weights, times_s, numbers)
        built = fresh.matrix(100, half_life_s)
        assert dense(self.view, kept) == dense(fresh, built)
        assert volumes(self.view, kept) == pytest.approx(volumes(fresh, built))
        assert since(self.view, half_life_s) == since(fresh, half_life_s)
        assert [c.tolist() for c in self.view.rises()] == [c.tolist() for c in fresh.rises()]
        assert self.view.digest() == fresh.digest()

    @rule(pairs=st.lists(st.tuples(st.sampled_from(USERS), st.sampled_from(ITEMS)), max_size=9))
    def last_records_are_the_models(self, pairs: list[tuple[bytes, str]]) -> None:
        known = [
            (self.view.user_number(user), self.view.item_number(item), user, item)
            for user, item in pairs
            if self.view.user_number(user) >= 0 and self.view.item_number(item) >= 0
        ]
        users, items = (np.array([pair[n] for pair in known], np.int32) for n in range(2))
        said = {
            (row[0], row[1]): number
            for number in sorted(self.records)
            for row in self.records[number]
        }
        want = [said.get((user, item), -1) for _, _, user, item in known]
        for compiled in (False, None):
            found = self.view.last_records(items, users, compiled=compiled)
            assert found.dtype == np.int32
            assert found.tolist() == want
        assert self.view.user_ids(users) == tuple(user for _, _, user, _ in known)

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        rows = self.view.interactions()
        said = [row for number in sorted(self.records) for row in self.records[number]]
        assert len(self.view) == len(said) == len(rows.user)
        assert [self.view.user_id(n) for n in rows.user.tolist()] == [row[0] for row in said]
        assert [self.view.item_id(n) for n in rows.item.tolist()] == [row[1] for row in said]
        assert (np.diff(rows.record) >= 0).all()


MACHINE = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_a_view_is_what_its_model_is() -> None:
    run_state_machine_as_test(ViewMachine, settings=MACHINE)


def test_a_view_that_sweeps_all_the_time_is_what_its_model_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(view_module, "_SWEEP_ROWS", 2)
    run_state_machine_as_test(ViewMachine, settings=MACHINE)


def test_the_digest_ignores_order_and_numbers() -> None:
    one, two = View(), View()
    one.append(b"u", ["a", "b"], 1.0, 5, 0)
    one.append(b"v", ["a"], 0.5, 6, 1)
    two.append(b"x", ["z"], 1.0, 5, 0)
    two.append(b"v", ["a"], 0.5, 6, 7)
    two.append(b"u", ["b", "a"], 1.0, 5, 8)
    assert one.digest() != two.digest()
    two.remove_record(0)
    assert one.digest() == two.digest()
    two.append(b"u", ["b"], 1.0, 5, 9)
    assert one.digest() != two.digest()


def test_numbers_are_bounded_by_the_window() -> None:
    """A peer that names fresh items and authors for ever leaves nothing behind."""
    view = View()
    for number in range(20_000):
        view.append(number.to_bytes(4, "big"), [f"i{number}"], 1.0, number, number)
        view.remove_record(number - 100)
    assert len(view) == 100
    assert view.user_count == view.item_count < 1_500
    assert view.nbytes < 20 * 2_000
    assert view.numbering > 0
    assert view.user_number((19_999).to_bytes(4, "big")) >= 0
    assert view.user_number((0).to_bytes(4, "big")) == -1


def test_a_matrix_does_not_change_under_its_owner() -> None:
    view = View()
    view.append(b"u", ["a"], 0.5, 0, 0)
    before = view.matrix(0)
    view.append(b"u", ["a", "b"], 0.5, 0, 1)
    assert before.reference.by_user.toarray().tolist() == [[0.5]]
    assert view.matrix(0).reference.by_user.toarray().tolist() == [[1.0, 0.5]]


def test_bytes_per_interaction() -> None:
    """At most 40, the matrix in both directions included, at a million interactions."""
    rng = np.random.default_rng(0)
    count, users, items = 1_000_000, 20_000, 60_000
    view = View()
    user_ids = [n.to_bytes(4, "big") for n in range(users)]
    item_ids = [f"i{n}" for n in range(items)]
    for start in range(0, count, 100_000):
        user = rng.integers(users, size=100_000).tolist()
        item = (items * rng.random(100_000) ** 2).astype(int).tolist()
        view.extend(
            [user_ids[n] for n in user],
            [item_ids[n] for n in item],
            1.0,
            0,
            np.arange(start, start + 100_000),
        )
    view.matrix(0)
    assert view.nbytes / count <= 40


@pytest.mark.parametrize(
    ("weights", "times_s", "record_no"),
    [
        (0.0, 0, 1),
        (1.1, 0, 1),
        ([1.0], 0, 1),
        ([0.5, float("nan")], 0, 1),
        (float("nan"), 0, 1),
        (1.0, -1, 1),
        (1.0, 1 << 31, 1),
        (1.0, 0, 0),
    ],
)
def test_wrong_values_change_nothing(weights: object, times_s: int, record_no: int) -> None:
    view = View()
    view.append(b"u", ["a"], 1.0, 0, 0)
    before = view.digest(), view.version
    with pytest.raises(UsageError):
        view.append(b"v", ["b", "c"], weights, times_s, record_no)  # type: ignore[arg-type]
    assert (view.digest(), view.version) == before
    assert view.user_number(b"v") == -1


@pytest.mark.parametrize("silent_half_lives", [100, 1_000, 10_000])
def test_a_long_silence_leaves_the_relations_between_weights(silent_half_lives: int) -> None:
    view = View()
    view.append(b"u", ["a", "b"], [1.0, 0.5], 1_000, 0)
    _, weights = view.matrix(1_000 + silent_half_lives * 10, half_life_s=10.0).row(0)
    assert 0.0 < weights[0] < 2.0**-90
    assert weights[1] == weights[0] / 2


def test_how_much_came_after_somebody() -> None:
    view = View()
    assert view.share_after([-1]) == 0.0
    view.append(USERS[0], ITEMS[:2], 1.0, [10, 20], 1)
    view.append(USERS[1], ITEMS[:2], 1.0, [20, 30], 2)
    numbers = view.user_numbers(USERS[:2]).tolist()
    assert [view.share_after([n]) for n in numbers] == [0.25, 0.0]
    others = np.array(numbers[1:], np.int32)
    assert view.share_after(numbers[:1], others) == 0.0
    assert [times_s.tolist() for times_s, _ in (view.rises(), view.rises(others))] == [
        [10, 20, 30],
        [10, 20],
    ]
    view.remove_record(1)
    assert view.share_after(numbers[1:]) == 0.0


@pytest.mark.parametrize("wrong", [-1, 1, 2])
def test_a_number_that_nobody_has_is_named(wrong: int) -> None:
    view = View()
    view.append(b"u", ["a"], 1.0, 0, 0)
    view.append(b"v", [f"b-{n}" for n in range(1_025)], 1.0, 0, 1)
    view.remove_record(1)  # swept out: v has no number any more
    with pytest.raises(UsageError, match=f"number {wrong}; expected one that an interaction"):
        view.user_ids(np.array([0, wrong], np.int32))


@pytest.mark.parametrize("unknown", [-1, 2**31])
def test_removing_a_record_copies_no_column(unknown: int) -> None:
    view = View()
    count = 100_000
    view.extend([b"u"] * count, ["a"] * count, np.ones(count), np.zeros(count), range(count))
    tracemalloc.start()
    assert view.remove_record(unknown) == 0
    assert view.remove_record(7) == 1
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < count


def test_a_record_that_leaves_at_once_after_the_last_one_before_a_renumbering_leaves() -> None:
    view = View()
    view.append(b"ana", ["a"], 1.0, 5, 3)
    view.append(b"ben", ["b"], 1.0, 5, 7)
    view.user_number(b"ana")
    assert view.remove_record(7) == 1
    view.renumber(np.array([3], np.int32))
    view.append(b"ben", ["c"], 1.0, 5, 1)
    assert view.remove_record(1) == 1
    assert len(view) == 1
