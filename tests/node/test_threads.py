"""Calls side by side: their results in order, and what one of them raises."""

import threading
from functools import partial

import pytest

from tastemesh.node.threads import Threads
from tastemesh.ranking.workers import ONE_WORKER, Workers


def failing() -> int:
    raise ValueError("the second of three")


@pytest.mark.parametrize("workers", [ONE_WORKER, Threads(1), Threads(2), Threads(8)])
def test_results_come_in_the_order_of_the_calls(workers: Workers) -> None:
    assert workers.run([partial(abs, -number) for number in range(5)]) == [0, 1, 2, 3, 4]
    assert workers.run([]) == []
    with pytest.raises(ValueError, match="the second of three"):
        workers.run([lambda: 1, failing, lambda: 3])


def test_calls_run_at_the_same_time_and_leave_no_thread_behind() -> None:
    before = threading.active_count()
    both = threading.Barrier(2, timeout=10)
    assert sorted(Threads(2).run([both.wait, both.wait])) == [0, 1]
    assert threading.active_count() == before
