"""Lists of many local users in one go are the lists that each would get alone."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tastemesh.gossip.record import Interaction
from tastemesh.node import reach
from tastemesh.node.advice import Advisor
from tastemesh.node.answers import Advice
from tastemesh.node.record_book import RecordBook
from tastemesh.node.scorer import Scorer, private_shadow
from tastemesh.node.threads import Threads
from tastemesh.node.wish import ANY, LIKE_COUNT, Wish
from tastemesh.ranking.evidence import FEATURE_LIMIT
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph
from tastemesh.sim.community import synthetic_community

USERS = 40
NOW_S = 1_700_100_000


def person(number: int) -> bytes:
    return number.to_bytes(32, "big")


class Looked(View):
    """A window that counts the items whose numbers are looked up."""

    looked_up = 0

    def item_numbers(self, items: Sequence[str]) -> NDArray[np.int32]:
        self.looked_up += len(items)
        return super().item_numbers(items)


def community(seed: int) -> tuple[Looked, EndorsementGraph, RecordBook]:
    """Friends with tastes; every fifth endorses nobody, every fourth says no to something."""
    plays, friends = synthetic_community(USERS, seed)
    view, graph, book = Looked(), EndorsementGraph(), RecordBook()
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


@pytest.mark.parametrize("seed", [1, 2])
def test_each_gets_what_he_wishes_as_alone(seed: int) -> None:
    view, graph, book = community(seed)
    view.append(person(USERS), ["nobody's"], 1.0, NOW_S, book.enter(bytes(32)))
    advisor, items = Advisor(view, graph, book), view.item_ids(np.arange(40, dtype=np.int32))
    wishes = [
        ANY,
        Wish(candidates=frozenset(items[:20])),
        Wish(exclude=frozenset(items[:20])),
        Wish(like=frozenset(items[3:5])),
        Wish(candidates=frozenset(items[2:9]), like=frozenset([items[3], "unheard of"])),
        Wish(like=frozenset(["nobody's"])),
    ]
    egos = [person(number) for number in range(USERS + 2) for _ in wishes]
    together = advisor.recommend_many(egos, 7, NOW_S, wishes * (USERS + 2))
    for ego, wish, lines in zip(egos, wishes * (USERS + 2), together, strict=True):
        assert advisor.recommend_many([ego], 7, NOW_S, [wish])[0] == lines
        listed = {line.item for line in lines}
        assert not listed & (wish.exclude | wish.like)
        assert wish.candidates is None or listed <= wish.candidates
        user = view.user_number(ego)
        own = view.item_ids(view.matrix(NOW_S).row(user)[0]) if user >= 0 else ()
        assert not listed & set(own)


def test_a_list_of_candidates_is_the_whole_list_without_the_others() -> None:
    view, graph, book = community(4)
    advisor, ego = Advisor(view, graph, book), person(7)
    whole = advisor.recommend(ego, 1000, NOW_S)
    chosen = frozenset(line.item for line in whole[::3])
    (listed,) = advisor.recommend_many([ego], 1000, NOW_S, [Wish(candidates=chosen)])
    assert listed == whole[::3]
    (rest,) = advisor.recommend_many([ego], 1000, NOW_S, [Wish(exclude=chosen)])
    assert rest == [line for line in whole if line.item not in chosen]


def test_what_several_wish_alike_is_looked_up_once() -> None:
    view, graph, book = community(4)
    advisor, wish = Advisor(view, graph, book), Wish(candidates=frozenset(map(str, range(10_000))))
    advisor.recommend_many([person(n) for n in range(20)], 7, NOW_S, [wish] * 20)
    assert 10_000 <= view.looked_up < 20_000


@pytest.mark.parametrize("ego", [person(7), person(5)], ids=["anchored", "marked"])
def test_what_goes_with_an_item_is_what_one_who_holds_just_that_one_would_get(ego: bytes) -> None:
    view, graph, book = community(4)
    own = view.item_ids(view.matrix(NOW_S).row(view.user_number(ego))[0])
    advisor = Advisor(view, graph, book)
    scenes = []
    for item in ("song:a-05", "song:b-05"):
        (lines,) = advisor.recommend_many([ego], 5, NOW_S, [Wish(like=frozenset([item]))])
        assert len(lines) == 5
        assert not {line.item for line in lines} & {item, *own}
        assert all(line.unverified == (ego == person(5)) for line in lines)
        for line in lines:  # the reasons of a line are of the list that it is on
            assert advisor.explain(ego, line.item, NOW_S, [item]) == line
        scenes.append(sum(line.item.startswith(item[:6]) for line in lines))
    assert min(scenes) >= 3  # songs of a scene have its name
    (unheard,) = advisor.recommend_many([ego], 5, NOW_S, [Wish(like=frozenset(["unheard of"]))])
    assert len(unheard) == 5  # as of one of whom nothing is known


@pytest.mark.parametrize("like", [["rare"], ["rare", "song:a-05"]])
@pytest.mark.parametrize("is_private", [False, True])
def test_who_alone_holds_what_a_list_is_to_be_like_changes_no_list_that_he_is_not_heard_in(
    like: list[str], is_private: bool
) -> None:
    """Without trust nobody is heard in an anchored list; what is private, not in a marked one."""
    wish = Wish(like=frozenset(like))
    found: list[list[Advice]] = []
    for is_held in (False, True):
        view, graph, book = community(4)
        advisor = Advisor(view, graph, book)
        if is_held:
            number = book.enter(bytes(32))
            holder = private_shadow(person(3)) if is_private else b"\xff" * 32
            view.append(holder, ["rare"], 1.0, NOW_S, number)
        if is_private:
            advisor.note_private(private_shadow(person(3)))
        egos = [person(7), person(5)] if is_private else [person(7)]
        for each in (egos, egos[:1]):
            found += advisor.recommend_many(each, 10, NOW_S, [wish] * len(each))
    assert found[: len(found) // 2] == found[len(found) // 2 :]
    assert len(found[0]) == 10


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


def test_a_list_is_like_no_more_items_than_evidence_asks_about() -> None:
    assert LIKE_COUNT == FEATURE_LIMIT
