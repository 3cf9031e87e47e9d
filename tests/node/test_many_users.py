"""Lists of many local users in one go are the lists that each would get alone."""

import numpy as np
import pytest

from tastemesh.gossip.record import Interaction
from tastemesh.node import reach
from tastemesh.node.advice import Advisor
from tastemesh.node.record_book import RecordBook
from tastemesh.node.scorer import Scorer, private_shadow
from tastemesh.node.threads import Threads
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph
from tastemesh.sim.community import synthetic_community

USERS = 40
NOW_S = 1_700_100_000


def person(number: int) -> bytes:
    return number.to_bytes(32, "big")


def community(seed: int) -> tuple[View, EndorsementGraph, RecordBook]:
    """Friends with tastes; every fifth endorses nobody, every fourth says no to something."""
    plays, friends = synthetic_community(USERS, seed)
    view, graph, book = View(), EndorsementGraph(), RecordBook()
    for at, (user, item) in enumerate(zip(plays.user.tolist(), plays.item.tolist(), strict=True)):
        number = book.enter(at.to_bytes(32, "big"))
        view.append(person(user), [plays.item_ids[item]], 1.0, NOW_S - 10_000 + at, number)
        if user % 4 == 0 and at % 3 == 0:
            no = Interaction(plays.item_ids[-1 - at % 10], "skip", 10_000)
            book.note_rejections(person(user), number, [no], 0)
    for seq, pair in enumerate(zip(friends.source.tolist(), friends.subject.tolist(), strict=True)):
        if pair[0] % 5:
            graph.endorse(person(pair[0]), person(pair[1]), 1.0, epoch=0, seq=seq)
    return view, graph, book


@pytest.mark.parametrize("seed", [1, 2])
def test_each_gets_the_list_that_he_would_get_alone(seed: int) -> None:
    view, graph, book = community(seed)
    advisor = Advisor(view, graph, book)
    shadow = private_shadow(person(3))
    view.append(shadow, ["song:a-01"], 1.0, NOW_S, book.enter_private(person(3), "song:a-01", 0))
    advisor.note_private(shadow)
    egos = [person(number) for number in range(USERS + 2)]  # two of whom nothing is known
    alone = [advisor.recommend(ego, 7, NOW_S) for ego in egos]
    assert advisor.recommend_many(egos, 7, NOW_S) == alone
    assert advisor.recommend_many(egos[:2], 7, NOW_S) == alone[:2]
    assert advisor.recommend_many([], 7, NOW_S) == []
    shared = Advisor(view, graph, book, workers=Threads(3))
    shared.note_private(shadow)
    assert shared.recommend_many(egos, 7, NOW_S) == alone
    assert all(lines and lines[0].reasons for lines in alone[1:5])
    assert all(lines[0].unverified for lines in alone[:USERS:5])


def test_what_walks_found_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    view, graph, _ = community(3)
    asked = Scorer(view, graph)
    reaches = [asked.reach(person(number)) for number in range(USERS)]
    assert all(asked.reach(person(n)) is each for n, each in enumerate(reaches))
    monkeypatch.setattr(reach, "_MEMORY_BYTES", sum(each.nbytes for each in reaches[-5:]))
    bounded = Scorer(view, graph)
    first = [bounded.reach(person(number)) for number in range(USERS)]
    assert bounded.reach(person(USERS - 1)) is first[-1]
    again = bounded.reach(person(1))
    assert again is not first[1]
    np.testing.assert_array_equal(again.mass.toarray(), first[1].mass.toarray())
