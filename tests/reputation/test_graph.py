import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.gossip.record import Endorsement, Interaction, Record
from tastemesh.reputation.graph import EndorsementGraph, EndorsementLimits

Order = tuple[int, int, int]
Statement = tuple[bytes, bytes, int, Order]
Content = dict[bytes, dict[bytes, dict[Order, int]]]

NAMES = [b"a", b"b", b"b\x00", b"cc", b"\xff" * 32]
SMALL = EndorsementLimits(out_edge_limit=2, edge_limit=5)

statements = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.sampled_from([-10_000, -1, 0, 1, 2_500, 10_000]),
    st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 1)),
)
removals = st.tuples(st.sampled_from(NAMES), st.integers(0, 1), st.integers(0, 4))


def say(graph: EndorsementGraph, statement: Statement) -> bool:
    author, subject, units, (epoch, seq, position) = statement
    return graph.endorse(author, subject, units / 10_000, epoch=epoch, seq=seq, position=position)


def say_to_model(content: Content, statement: Statement, limits: EndorsementLimits) -> None:
    """The store's rules, written as plainly as possible."""
    author, subject, units, order = statement
    if author == subject:
        return
    row = dict(content.get(author, {}))
    is_full = sum(map(len, content.values())) >= limits.edge_limit
    if subject not in row and is_full and len(row) < limits.out_edge_limit:
        return
    said = row.setdefault(subject, {})
    replaced = sum(len(each) - 1 for known in content.values() for each in known.values())
    if said and order not in said and replaced >= limits.edge_limit:  # no room for the older one
        if order < max(said):
            return
        del said[max(said)]
    said[order] = min(units, said.get(order, units))
    newest = sorted(row, key=lambda s: (max(row[s]), s), reverse=True)[: limits.out_edge_limit]
    content[author] = {s: row[s] for s in newest}


def take_back_from_model(content: Content, author: bytes, epoch: int, seqs: range) -> int:
    """Return how many statements went."""
    count = 0
    for subject, said in list(content.get(author, {}).items()):
        for order in [each for each in said if each[0] == epoch and each[1] in seqs]:
            del said[order]
            count += 1
        if not said:
            del content[author][subject]
    return count


def counting(content: Content) -> dict[bytes, dict[bytes, int]]:
    """What counts of each pair: the latest."""
    return {a: {s: said[max(said)] for s, said in row.items()} for a, row in content.items()}


def weights(graph: EndorsementGraph) -> dict[tuple[bytes, bytes], float]:
    pairs = {(a, s): graph.weight(a, s) for a in NAMES for s in NAMES}
    return {pair: weight for pair, weight in pairs.items() if weight}


def rows(graph: EndorsementGraph) -> dict[bytes, list[tuple[bytes, float]]]:
    arrays = graph.csr()
    result = {}
    for index, author in enumerate(arrays.ids):
        edges = slice(arrays.offsets[index], arrays.offsets[index + 1])
        subjects = [arrays.ids[subject] for subject in arrays.subjects[edges]]
        if subjects:
            result[author] = list(zip(subjects, arrays.weights[edges].tolist(), strict=True))
    return result


@given(st.lists(st.one_of(statements, removals), max_size=40))
def test_store_does_what_a_plain_model_does(
    operations: list[Statement | tuple[bytes, int, int]],
) -> None:
    graph = EndorsementGraph(SMALL)
    content: Content = {}
    for operation in operations:
        before = weights(graph)
        if len(operation) == 4:
            changed = say(graph, operation)
            say_to_model(content, operation, SMALL)
            assert changed == (weights(graph) != before)
        else:
            author, epoch, seq = operation
            gone = graph.remove_range(author, epoch=epoch, first_seq=seq, last_seq=seq + 1)
            assert gone == take_back_from_model(content, author, epoch, range(seq, seq + 2))

        counts = counting(content)
        assert weights(graph) == {
            (a, s): u / 10_000 for a, row in counts.items() for s, u in row.items() if u
        }
        assert len(graph) == sum(map(len, counts.values())) <= SMALL.edge_limit
        assert graph.authors() == sorted(a for a, row in counts.items() if row)
        assert rows(graph) == {
            a: [(s, row[s] / 10_000) for s in sorted(row) if row[s] > 0]
            for a, row in counts.items()
            if any(units > 0 for units in row.values())
        }
        for author in NAMES:
            walls = [graph.csr().ids[index] for index in graph.walls(author)]
            assert set(walls) == {s for s, u in counts.get(author, {}).items() if u < 0}
            named = [author for row in counts.values() if author in row]
            assert (graph.index_of(author) is not None) == bool(named or counts.get(author))
        # The digest names the weights alone, however they came about.
        anew = EndorsementGraph()
        for number, (pair, weight) in enumerate(weights(graph).items()):
            anew.endorse(*pair, weight, epoch=0, seq=number)
        assert graph.digest() == anew.digest()


@given(st.lists(statements, max_size=25), st.randoms(use_true_random=False))
def test_content_does_not_depend_on_the_order_of_arrival(
    spoken: list[Statement], random: Random
) -> None:
    limits = EndorsementLimits(out_edge_limit=2)
    there, elsewhere = EndorsementGraph(limits), EndorsementGraph(limits)
    shuffled = spoken + spoken[::3]
    random.shuffle(shuffled)
    for statement in spoken:
        say(there, statement)
    for statement in shuffled:
        say(elsewhere, statement)
    assert weights(there) == weights(elsewhere)
    assert rows(there) == rows(elsewhere)
    assert there.digest() == elsewhere.digest()


@given(st.lists(statements, max_size=25), removals)
def test_what_was_taken_back_is_as_if_it_had_not_been_said(
    spoken: list[Statement], removal: tuple[bytes, int, int]
) -> None:
    author, epoch, seq = removal
    taken, never = EndorsementGraph(), EndorsementGraph()
    for statement in spoken:
        say(taken, statement)
        if statement[0] != author or statement[3][:2] != (epoch, seq):
            say(never, statement)
    taken.remove_range(author, epoch=epoch, first_seq=seq, last_seq=seq)
    assert taken.digest() == never.digest()
    assert rows(taken) == rows(never)


def test_digest_tells_weights_and_directions_apart() -> None:
    seen = set()
    for author, subject, weight in [
        (b"a", b"b", 1.0),
        (b"b", b"a", 1.0),
        (b"a", b"b", 0.9999),
        (b"a", b"b", -1.0),
        (b"a", b"bb", 1.0),
        (b"ab", b"b", 1.0),
    ]:
        graph = EndorsementGraph()
        graph.endorse(author, subject, weight, epoch=0, seq=0)
        seen.add(graph.digest())
    assert len(seen) == 6
    assert EndorsementGraph().digest() not in seen


def test_withdrawal_outlives_an_older_endorsement_that_comes_late() -> None:
    graph = EndorsementGraph()
    assert not graph.endorse(b"a", b"b", 0.0, epoch=0, seq=2)
    assert not graph.endorse(b"a", b"b", 1.0, epoch=0, seq=1)
    assert graph.weight(b"a", b"b") == 0.0
    assert graph.digest() == EndorsementGraph().digest()
    assert graph.endorse(b"a", b"b", 1.0, epoch=1, seq=0)


def test_equivocation_keeps_the_lower_weight() -> None:
    for first, second in [(1.0, -1.0), (-1.0, 1.0)]:
        graph = EndorsementGraph()
        graph.endorse(b"a", b"b", first, epoch=0, seq=1)
        graph.endorse(b"a", b"b", second, epoch=0, seq=1)
        assert graph.weight(b"a", b"b") == -1.0


def test_self_endorsement_is_ignored() -> None:
    graph = EndorsementGraph()
    assert not graph.endorse(b"a", b"a", 1.0, epoch=0, seq=0)
    assert len(graph) == 0
    assert graph.index_of(b"a") is None


def test_flooding_author_replaces_own_statements_only() -> None:
    limits = EndorsementLimits(out_edge_limit=3)
    graph = EndorsementGraph(limits)
    graph.endorse(b"honest", b"friend", 1.0, epoch=0, seq=0)
    for number in range(100):
        graph.endorse(b"flood", b"%d" % number, 1.0, epoch=0, seq=number)
    assert len(graph) == 4
    assert len(graph.csr().ids) <= 3 + 4  # indices are reused
    assert [graph.weight(b"flood", b"%d" % number) for number in (96, 97, 98, 99)] == [0, 1, 1, 1]
    assert graph.weight(b"honest", b"friend") == 1.0


def test_full_store_refuses_new_pairs_until_an_author_is_removed() -> None:
    graph = EndorsementGraph(EndorsementLimits(edge_limit=2))
    graph.endorse(b"a", b"b", 1.0, epoch=0, seq=0)
    graph.endorse(b"b", b"c", 1.0, epoch=0, seq=0)
    assert len(graph) == 2
    assert not graph.endorse(b"c", b"d", 1.0, epoch=0, seq=0)
    assert graph.endorse(b"a", b"b", 0.5, epoch=0, seq=1)
    assert graph.remove_author(b"b") == 1
    assert graph.weight(b"a", b"b") == 0.5
    assert graph.endorse(b"c", b"d", 1.0, epoch=0, seq=0)
    assert graph.remove_author(b"nobody") == 0


def test_snapshot_is_kept_until_something_changes_and_stays_as_it_was() -> None:
    graph = EndorsementGraph()
    graph.endorse(b"a", b"b", 1.0, epoch=0, seq=0)
    snapshot = graph.csr()
    assert graph.csr() is snapshot
    graph.endorse(b"a", b"b", 1.0, epoch=0, seq=1)
    assert graph.csr() is snapshot
    graph.endorse(b"a", b"b", 0.5, epoch=0, seq=2)
    assert graph.csr() is not snapshot
    assert snapshot.weights.tolist() == [1.0]
    with pytest.raises(ValueError, match="read-only"):
        snapshot.subjects[0] = 1


def test_empty_graph_has_empty_arrays() -> None:
    arrays = EndorsementGraph().csr()
    assert arrays.ids == ()
    assert arrays.offsets.tolist() == [0]
    assert arrays.subjects.dtype == np.int32
    assert not len(arrays.weights)


@pytest.mark.parametrize(
    ("author", "subject", "weight", "seq", "complaint"),
    [
        (b"", b"b", 1.0, 0, "empty"),
        (b"a", b"", 1.0, 0, "empty"),
        (b"a", b"b", 1.01, 0, "expected -1 to 1"),
        (b"a", b"b", math.nan, 0, "expected -1 to 1"),
        (b"a", b"b", 1.0, -1, "expected 0 to"),
        (b"a", b"b", 1.0, 2**63, "expected 0 to"),
    ],
)
def test_values_that_no_record_holds_are_named(
    author: bytes, subject: bytes, weight: float, seq: int, complaint: str
) -> None:
    graph = EndorsementGraph()
    with pytest.raises(UsageError, match=complaint):
        graph.endorse(author, subject, weight, epoch=0, seq=seq)
    assert len(graph) == 0


@pytest.mark.parametrize("limits", [{"out_edge_limit": 0}, {"edge_limit": 2**24 + 1}])
def test_limits_outside_their_range_are_named(limits: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(limits))):
        EndorsementLimits(**limits)


def test_a_record_is_taken_in_as_its_statements_one_by_one() -> None:
    said = (
        Interaction("isrc:USRC17607839", "listen", 10_000),
        Endorsement(b"b", 2_500),
        Endorsement(b"a", 10_000),  # of its author's own self
        Endorsement(b"cc", -1),
        Endorsement(b"b", 0),
    )
    whole, single = EndorsementGraph(), EndorsementGraph()
    for epoch, seq in ((0, 2), (1, 1), (0, 3)):
        whole.endorse_record(Record(b"", b"a", epoch, seq, b"", 0, said, b""))
        for position, each in enumerate(said):
            if isinstance(each, Endorsement):
                say(single, (b"a", each.subject, each.weight_q, (epoch, seq, position)))
    assert whole.digest() == single.digest()
    assert weights(whole) == weights(single) == {(b"a", b"cc"): -0.0001}
