"""Who stands behind an item: as one would find by asking each holder, without asking each."""

from collections.abc import Iterator

import numpy as np

from tastemesh.gossip.identity import format_id
from tastemesh.node.advice import Advisor
from tastemesh.node.answers import Backing, Voice
from tastemesh.node.backing import VOICE_LIMIT, backing
from tastemesh.node.reach import Reach
from tastemesh.node.record_book import RecordBook
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph
from tests.gossip.counting import calls_of

EGO = (0).to_bytes(32, "big")


def crowd(size: int, contacts: int) -> tuple[View, EndorsementGraph, Advisor]:
    """Return a crowd who all hold one item, of whom ego endorses some, who endorse others."""
    rng = np.random.default_rng(0)
    view, graph = View(), EndorsementGraph()
    people = [number.to_bytes(32, "big") for number in range(1, size + 1)]
    for seq, subject in enumerate(people[:contacts], 1):
        graph.endorse(EGO, subject, 1.0, epoch=0, seq=seq)
        for other in rng.choice(min(size, 200), 8, replace=False).tolist():
            graph.endorse(subject, people[other], 1.0, epoch=0, seq=other)
    for record, person in enumerate(people[::-1], 1):
        items = ["all", *(["half"] if record % 2 else []), f"i{record % 50}"]
        view.append(person, items, 1.0, 1, record)
    return view, graph, Advisor(view, graph, RecordBook())


def asked_one_by_one(
    view: View, graph: EndorsementGraph, reach: Reach, items: list[str]
) -> Iterator[Backing]:
    matrix, total, mass = view.matrix(0), reach.total, reach.mass.toarray()
    for number in view.item_numbers(items).tolist():
        holders = matrix.holders(number)[0].tolist() if number >= 0 else []
        names = {view.user_id(user) for user in holders}
        people = [n for n, name in enumerate(reach.ids) if total[n] > 0 and name in names]
        named = sorted(people, key=lambda n: (-total[n], reach.ids[n]))[:VOICE_LIMIT]
        brought = {
            reach.ids[n]: reach.ids[n]
            if reach.ids[n] in reach.contacts
            else reach.contacts[int(np.argmax(mass[:, n]))]
            for n in named
        }
        shown = sorted({*brought, *brought.values()})
        knows = {
            frozenset((one, other))
            for one in shown
            for other in shown
            if one != other and graph.weight(one, other) > 0
        }
        told = [Voice(format_id(person), format_id(by)) for person, by in brought.items()]
        yield Backing(told, len(people), len(knows - {frozenset(pair) for pair in brought.items()}))


def test_the_most_trusted_of_a_crowd_are_named_and_the_others_counted() -> None:
    view, graph, advisor = crowd(400, 40)
    reach = advisor.reach(EGO)
    items = ["all", "half", "unknown", *(f"i{n}" for n in range(50))]
    found = backing(view, graph, reach, advisor.numbers(), items, 0)
    assert found == list(asked_one_by_one(view, graph, reach, items))
    assert found[0].count > 2 * VOICE_LIMIT
    assert found[0].acquainted


def test_strangers_who_hold_an_item_too_are_not_asked_one_by_one() -> None:
    calls = []
    for size in (200, 5_000):
        view, graph, advisor = crowd(size, 10)
        reach, numbers = advisor.reach(EGO), advisor.numbers()
        view.matrix(0)
        with calls_of() as counted:
            backing(view, graph, reach, numbers, ["all"], 0)
        calls.append(counted.count)
    assert calls[1] < calls[0] + 100
