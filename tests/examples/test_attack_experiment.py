"""The scripted experiment: it escalates, and stops where its question is answered."""

from examples.attack_experiment import REACHED, escalate


def test_more_deceived_people_until_half_see_it() -> None:
    rows = list(escalate("userknn", seeds=1))
    assert [row.attack_edges for row in rows] == [0]
    assert (rows[0].exposure or 0.0) >= REACHED  # similarity needs nobody's endorsement
    ours = escalate("tastemesh", seeds=1)
    assert (next(ours).exposure, next(ours).attack_edges) == (0.0, 1)
