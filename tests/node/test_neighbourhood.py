"""A neighbourhood is worked out for those who are shown, whomever else trust reaches."""

import pytest

from tastemesh.node.advice import Advisor
from tastemesh.node.neighbourhood import shares
from tastemesh.node.record_book import RecordBook
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph

EGO, *PEOPLE = (number.to_bytes(32, "big") for number in range(300))


def test_shares_are_of_all_the_trust_and_told_of_those_who_are_asked_about() -> None:
    graph = EndorsementGraph()
    for seq, subject in enumerate(PEOPLE[:3], 1):
        graph.endorse(EGO, subject, 1.0, epoch=0, seq=seq)
    for at, author in enumerate(PEOPLE[:90]):
        for step in (3, 4):
            graph.endorse(author, PEOPLE[at + step], 0.5, epoch=0, seq=step)
    reach = Advisor(View(), graph, RecordBook()).reach(EGO)
    mass = dict(zip(reach.ids, reach.total.tolist(), strict=True))
    whole = sum(mass.values())
    assert sum(each > 0 for each in mass.values()) > 20
    asked = [EGO, *PEOPLE[:6], PEOPLE[-1]]  # the last is named nowhere
    placed, through = shares(graph, reach, asked)
    assert placed == {person: pytest.approx(mass[person] / whole) for person in asked[:-1]}
    assert through.keys() == {*PEOPLE[:3]}
    assert sum(through.values()) == pytest.approx(1.0)


def test_who_endorses_nobody_has_no_shares() -> None:
    graph = EndorsementGraph()
    reach = Advisor(View(), graph, RecordBook()).reach(EGO)
    assert shares(graph, reach, [EGO]) == ({}, {})
