"""What a local user did in private shapes his own lists and nobody else's, of one node too."""

import numpy as np
import pytest

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement
from tastemesh.gossip.statements import check_statements
from tastemesh.node.scorer import Scorer, private_shadow
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph

NOW_S = 1_700_000_000
USERS, ITEMS = 40, 60


def person(number: int) -> bytes:
    return (number + 1).to_bytes(32, "big")


def scored(*, is_private: bool) -> list[list[float]]:
    """Return what each of a few people sees, none of whom endorses anybody."""
    random = np.random.default_rng(1)
    view = View()
    for number in range(USERS):
        items = [f"i{item}" for item in np.unique(random.integers(0, ITEMS, 15)).tolist()]
        view.append(person(number), items, 1.0, NOW_S + number, number)
    scorer = Scorer(view, EndorsementGraph())
    if is_private:
        shadow = private_shadow(person(5))
        view.append(shadow, ["i1", "i2", "i3", "i4"], 1.0, NOW_S + USERS, USERS)
        scorer.note_private(shadow)
    found = [scorer.score(person(number), NOW_S + 100).unverified for number in range(USERS)]
    return [[] if scores is None else scores.tolist() for scores in found]


def test_the_marked_list_of_one_does_not_move_with_what_another_did_in_private() -> None:
    without, beside = scored(is_private=False), scored(is_private=True)
    for number in range(USERS):
        assert (beside[number] == pytest.approx(without[number], rel=1e-9)) == (number != 5)


def told(*, is_private: bool, has_endorsed: bool) -> list[dict[str, float]]:
    """Return what each of a few people sees, who did one thing at a time; one, first, in private.

    What he did then is dated later than all of it, as where the others' records come in a sync.
    """
    random = np.random.default_rng(1)
    view, graph = View(), EndorsementGraph()
    scorer = Scorer(view, graph)
    if is_private:
        scorer.note_private(private_shadow(person(5)))
        view.append(private_shadow(person(5)), ["i1", "i2"], 1.0, NOW_S + 50, 0)
    for number in range(1, 6 * USERS):
        items = [f"i{item}" for item in np.unique(random.integers(0, ITEMS, 4)).tolist()]
        view.append(person(number % USERS), items, 1.0, NOW_S - 9_000 + number, number)
    if has_endorsed:
        for number in range(3 * USERS):
            subject = person((7 * number + 1) % USERS)
            graph.endorse(person(number % USERS), subject, 1.0, epoch=0, seq=number)
    seen = []
    for number in range(USERS):
        scored = scorer.score(person(number), NOW_S + 100)
        scores = scored.scores.items if has_endorsed else scored.unverified
        assert scores is not None
        found = np.flatnonzero(scores).tolist()
        seen.append({view.item_id(item): float(scores[item]) for item in found})
    return seen


@pytest.mark.parametrize("has_endorsed", [False, True])
def test_when_somebody_did_something_in_private_moves_no_list_of_another(
    has_endorsed: bool,
) -> None:
    without = told(is_private=False, has_endorsed=has_endorsed)
    beside = told(is_private=True, has_endorsed=has_endorsed)
    for number in range(USERS):
        if number != 5:
            assert beside[number] == pytest.approx(without[number], rel=1e-9)


def test_nobody_can_endorse_what_somebody_did_in_private() -> None:
    endorsed = Endorsement(private_shadow(person(5)), 10_000)
    with pytest.raises(RemoteProtocolError, match="subject of 40 bytes"):
        check_statements((endorsed,), Limits())
