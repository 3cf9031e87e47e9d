"""When something was done, by whose clock."""

import pytest

from tastemesh.errors import UsageError
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Interaction
from tastemesh.node.history import sifted
from tastemesh.node.plays import Play, as_interaction

NOW_MS = 1_800_000_000_123


@pytest.mark.parametrize("ahead_ms", [0.0, 0.9, 1_000.0, 120_000.0])
def test_what_was_done_now_by_a_clock_that_is_a_little_ahead_was_done_now(ahead_ms: float) -> None:
    play = Play(item="i", time_s=(NOW_MS + ahead_ms) / 1000)
    assert as_interaction(play, NOW_MS) == Interaction("i", "listen", 10_000)


def test_the_future_is_refused_in_what_is_imported_at_once() -> None:
    for ahead_ms in (120_002, 10**9):
        with pytest.raises(UsageError, match="not the future"):
            as_interaction(Play(item="i", time_s=(NOW_MS + ahead_ms) / 1000), NOW_MS)
    late = Play(item="i", time_s=(NOW_MS + 1_000) / 1000)
    with pytest.raises(UsageError, match="not the future"):
        sifted([late], [], [], NOW_MS, Limits(), stays=lambda _: False)
