"""What walks found is kept for as long as nobody whom they came to says something else."""

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.node.scorer import Scorer, ScorerParameters
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph
from tastemesh.reputation.trust import TrustParameters
from tastemesh.reputation.walks import WalkMass


def person(number: int) -> bytes:
    return (number + 1).to_bytes(32, "big")


class Counting(Scorer):
    """Counts whose walks are made."""

    walked = 0

    def _walks(self, ego: bytes) -> WalkMass:
        self.walked += 1
        return super()._walks(ego)


statements = st.lists(
    st.tuples(
        st.integers(0, 9), st.integers(0, 9), st.sampled_from([-1.0, 0.0, 0.3, 1.0]), st.booleans()
    ),
    max_size=30,
)


@given(statements, st.integers(1, 4))
def test_what_is_kept_is_what_walking_anew_would_find(
    said: list[tuple[int, int, float, bool]], asked_every: int
) -> None:
    graph = EndorsementGraph()
    keeps, hears = Scorer(View(), graph), Scorer(View(), graph)
    for seq, (author, subject, weight, takes_back) in enumerate(said, 1):
        if takes_back:
            graph.remove_author(person(author))
        else:
            graph.endorse(person(author), person(subject), weight, epoch=0, seq=seq)
        if seq % asked_every:
            continue
        for ego in (person(0), person(1)):
            kept, anew = keeps.reach(ego), Scorer(View(), graph).reach(ego)
            assert kept.ids == anew.ids
            assert kept.contacts == anew.contacts
            assert kept.mass.shape == anew.mass.shape
            np.testing.assert_array_equal(kept.mass.toarray(), anew.mass.toarray())
            reached = [anew.ids[n] for n in np.flatnonzero(anew.total)]
            assert keeps.reached(ego) == reached  # it was asked for more
            assert hears.reached(ego) == reached  # it was not


def test_strangers_have_nobody_walk_anew() -> None:
    graph = EndorsementGraph()
    graph.endorse(person(0), person(1), 1.0, epoch=0, seq=1)
    graph.endorse(person(1), person(2), 1.0, epoch=0, seq=1)
    scorer = Counting(View(), graph)
    scorer.reach(person(0))
    for number in range(10, 60):
        graph.endorse(person(number), person(2), 1.0, epoch=0, seq=1)
        graph.endorse(person(number), person(number + 1), 1.0, epoch=0, seq=2)
        assert len(scorer.reach(person(0)).total) == len(graph.ids)
    assert scorer.walked == 1
    graph.endorse(person(2), person(3), 1.0, epoch=0, seq=1)
    assert scorer.reach(person(0)).total[graph.ids.index(person(3))] > 0
    assert scorer.walked == 2


def test_strangers_whose_records_leave_have_nobody_walk_anew() -> None:
    """A full window lets a stranger's record go for each that comes."""
    graph = EndorsementGraph()
    graph.endorse(person(0), person(1), 1.0, epoch=0, seq=1)
    scorer = Counting(View(), graph)
    graph.endorse(person(10), person(11), 1.0, epoch=0, seq=1)
    scorer.reach(person(0))
    for number in range(10, 60):
        graph.endorse(person(number + 1), person(number + 2), 1.0, epoch=0, seq=1)
        graph.remove_author(person(number))
        assert graph.index_of(person(number)) is None
        assert scorer.reach(person(0)).total[graph.ids.index(person(1))] > 0
    assert scorer.walked == 1
    graph.remove_author(person(0))  # who is named no more himself
    assert not scorer.reach(person(0)).contacts
    assert scorer.walked == 2


def test_what_is_kept_of_each_does_not_grow_with_the_strangers_who_come_and_go() -> None:
    """Each was asked about among other strangers, whose ids were kept for each."""
    graph = EndorsementGraph()
    egos, strangers = 50, 5_000
    for number in range(egos):
        graph.endorse(person(number), person(100 + number), 1.0, epoch=0, seq=1)
    for number in range(1_000, 1_000 + strangers):
        graph.endorse(person(number), person(number + strangers), 1.0, epoch=0, seq=1)
    scorer = Counting(View(), graph)
    tracemalloc.start()
    for number in range(egos):
        graph.endorse(person(20_000 + number), person(1), 1.0, epoch=0, seq=1)
        assert scorer.reach(person(number)).total[graph.ids.index(person(100 + number))] > 0
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept_bytes < egos * len(graph.ids) * 8 / 4
    for number in range(egos):
        kept = scorer.reach(person(number))
        assert (kept.ids, kept.contacts) == (graph.ids, [person(100 + number)])
    assert scorer.walked == egos


def test_past_what_is_remembered_of_changes_all_walk_anew() -> None:
    graph = EndorsementGraph()
    graph.endorse(person(0), person(1), 1.0, epoch=0, seq=1)
    scorer = Counting(View(), graph)
    scorer.reach(person(0))
    for seq in range(2_000):
        graph.endorse(person(10), person(11), seq % 2, epoch=0, seq=seq)
    scorer.reach(person(0))
    assert scorer.walked == 2


def test_whom_decay_leaves_nothing_is_not_reached() -> None:
    graph = EndorsementGraph()
    graph.endorse(person(0), person(1), 1.0, epoch=0, seq=1)
    graph.endorse(person(1), person(2), 1.0, epoch=0, seq=1)
    whole = ScorerParameters(trust=TrustParameters(beta=1.0))
    assert Scorer(View(), graph).reached(person(0)) == [person(1), person(2)]
    assert Scorer(View(), graph, whole).reached(person(0)) == [person(1)]
