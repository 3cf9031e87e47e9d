"""A few crashes of the real daemon; `python -m tests.node.crashes` has hundreds."""

from pathlib import Path

import pytest

from tests.node.crashes import crash_series

pytestmark = [pytest.mark.broker, pytest.mark.slow]


async def test_nothing_acknowledged_is_lost_and_no_number_used_twice(tmp_path: Path) -> None:
    tally = await crash_series(tmp_path, kills=5, seed=20261123)
    assert (tally.lost, tally.corrupt, tally.reused) == (0, 0, 0)
    assert tally.acknowledged > 20
    assert tally.foreign > 0
