"""Whom an ego reaches, remembered from question to question."""

import pytest

from tastemesh.node.scorer import Scorer
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph


@pytest.mark.parametrize("weight", [1.0, -1.0])
def test_what_was_endorsed_and_taken_back_leaves_the_next_question_right(weight: float) -> None:
    view, graph = View(), EndorsementGraph()
    ana, ben, eve = b"a" * 32, b"b" * 32, b"e" * 32
    view.append(ana, ["x", "y"], 1.0, 0, 1)
    view.append(ben, ["x"], 1.0, 0, 2)
    graph.endorse(ben, ana, 1.0, epoch=0, seq=1)
    scorer = Scorer(view, graph)
    before = scorer.score(ben, 0).scores.items.tolist()
    graph.endorse(ana, eve, weight, epoch=0, seq=1)
    graph.endorse(ana, eve, 0.0, epoch=0, seq=2)
    assert scorer.score(ben, 0).scores.items.tolist() == before
