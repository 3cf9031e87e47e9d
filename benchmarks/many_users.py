"""A host's many users: all their lists in one go, against one after the other."""

from typing import Any

from benchmarks.graphs import NOW_S, endorsement_graph, filled_view, identity
from benchmarks.measure import interleaved_s, row
from tastemesh.node.advice import Advisor
from tastemesh.node.record_book import RecordBook
from tastemesh.node.threads import Threads

_ENDORSEMENTS = 10  # an identity


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Measure as many users as an application's node is meant to have."""
    return many_users_rows(1_000, quick=quick)


def many_users_rows(users: int, *, quick: bool) -> list[dict[str, Any]]:
    """Time the lists of many local users, with reasons, and hold them to be the same.

    At rest nothing changes between two questions. In a running node something does: what others say
    arrives all the time, and each question finds a window that has changed since the last one.
    """
    count, users = (4_000, 20) if quick else (200_000, users)
    view = filled_view(count)
    graph = endorsement_graph(view.user_count, _ENDORSEMENTS * view.user_count)
    advisor = Advisor(view, graph, RecordBook(), workers=Threads())
    egos = [identity(number) for number in range(users)]
    arrivals = iter(range(10**6, 10**8))

    def arrive() -> None:
        at = next(arrivals)
        view.append(identity(at % users), [f"new:{at % 100}"], 1.0, NOW_S, at)

    def together() -> object:
        return advisor.recommend_many(egos, 10, NOW_S)

    def apart() -> object:
        return [advisor.recommend(ego, 10, NOW_S) for ego in egos]

    def together_live() -> object:
        arrive()
        return together()

    def apart_live() -> object:
        found = []
        for ego in egos:
            arrive()
            found.append(advisor.recommend(ego, 10, NOW_S))
        return found

    assert together() == apart()
    rows = []
    for state, ours, theirs in (
        ("at rest", together, apart),
        ("one arrives before each question", together_live, apart_live),
    ):
        mine, peers = interleaved_s(ours, theirs)
        work = f"lists of {users:,} local users with reasons, {count:,} interactions, {state}"
        each = 1e3 / users
        rows.append(row("batch", "one by one", work, mine * each, peers * each, "ms a user"))
    return rows
