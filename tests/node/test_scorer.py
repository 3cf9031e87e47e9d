"""A score follows from what the window holds, and not from what it once held."""

import numpy as np
import pytest

from tastemesh.node.advice import Advisor
from tastemesh.node.answers import SybilBound
from tastemesh.node.record_book import RecordBook
from tastemesh.node.scorer import Scorer, ScorerParameters
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph
from tests.gossip.counting import calls_of

NOW_S = 1_700_000_000
ANA, BEN, CLEO, DORA = (bytes([number]) * 32 for number in range(1, 5))


def friends() -> EndorsementGraph:
    """Ana endorses Ben and Cleo, and Ben endorses Dora."""
    graph = EndorsementGraph()
    for seq, (author, subject) in enumerate(((ANA, BEN), (ANA, CLEO), (BEN, DORA)), 1):
        graph.endorse(author, subject, 1.0, epoch=0, seq=seq)
    return graph


def test_whose_records_have_all_left_has_no_trust_and_no_voice() -> None:
    held, fresh = View(), View()
    held.append(BEN, ["a", "b"], 1.0, NOW_S, 1)
    for number, (user, items) in enumerate(
        ((ANA, ["a", "c"]), (CLEO, ["a", "d"]), (DORA, ["c", "e"])), 2
    ):
        for view in (held, fresh):
            view.append(user, items, 1.0, NOW_S, number)
    held.remove_record(1)
    assert held.digest() == fresh.digest()
    assert held.user_number(BEN) >= 0  # until a sweep
    seen = []
    for view in (held, fresh):
        scored = Scorer(view, friends()).score(ANA, NOW_S)
        scores, tau = scored.scores.items, scored.trust.tau
        assert tau.sum() == pytest.approx(1.0)
        found = {view.item_id(item): scores[item] for item in np.flatnonzero(scores).tolist()}
        seen.append((found, [tau[view.user_number(user)] for user in (CLEO, DORA)]))
    assert seen[0][0] == pytest.approx(seen[1][0])
    assert seen[0][1] == pytest.approx(seen[1][1])


def test_the_bound_of_who_holds_only_what_has_aged_to_nothing_is_of_one_who_holds_nothing() -> None:
    hour_s = 3_600
    view = View()
    for number, user in enumerate((BEN, CLEO), 1):
        view.append(user, [f"i{item}" for item in range(12)], 1.0, NOW_S, number)
    ageing = ScorerParameters(half_life_s=hour_s)
    advisor = Advisor(view, friends(), RecordBook(), ageing)
    without = advisor.sybil_bound(ANA, NOW_S)
    assert without.trust_needed > 0
    view.append(ANA, ["own"], 1.0, NOW_S - 200 * hour_s, 3)
    assert advisor.sybil_bound(ANA, NOW_S) == without


def test_what_nobody_holds_and_the_bound_of_who_endorses_nobody_cost_no_ranking() -> None:
    view = View()
    view.append(BEN, ["a", "b"], 1.0, NOW_S, 1)
    view.append(DORA, ["a"], 1.0, NOW_S, 2)
    advisor = Advisor(view, friends(), RecordBook())
    with calls_of() as ranking:
        assert advisor.explain(DORA, "b", NOW_S)
    with calls_of() as looking_up:
        assert advisor.explain(DORA, "unknown", NOW_S) is None
        assert advisor.sybil_bound(DORA, NOW_S) == SybilBound(0.0, "", 0.0)
    assert looking_up.count < ranking.count / 10
