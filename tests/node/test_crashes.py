"""A few crashes of the real daemon; `python -m tests.node.crashes` has hundreds."""

from pathlib import Path

import pytest

from tests.node.crashes import Age, crash_series, missing


def test_only_what_younger_records_pushed_out_is_not_lost() -> None:
    """A window of 500, 40 of them committed and never acknowledged before the crash."""
    ages = {f"{n:04}": Age(n, bytes([n % 256])) for n in range(600)}
    said = {name: age for name, age in ages.items() if int(name) % 15}
    held = dict(list(ages.items())[100:])
    published = dict(said)
    assert missing(published, held, is_full=True) == []
    assert set(published) == set(said) & set(held)

    published = dict(said)
    assert len(missing(published, held, is_full=False)) == len(set(said) - set(held))
    gap = {name: age for name, age in held.items() if name != "0302"}
    published = dict(said)
    assert missing(published, gap, is_full=True) == ["0302"]
    assert missing(published, gap, is_full=True) == []  # once is enough
    assert missing({"never seen": Age(302, b"")}, held, is_full=True) == ["never seen"]
    assert missing({"pushed out, never seen": Age(99, b"")}, held, is_full=True) == []
    assert missing({"never seen": Age(99, b"")}, held, is_full=False) == ["never seen"]


@pytest.mark.broker
@pytest.mark.slow
async def test_nothing_acknowledged_is_lost_and_no_number_used_twice(tmp_path: Path) -> None:
    tally = await crash_series(tmp_path, kills=5, seed=20261123)
    assert (tally.lost, tally.corrupt, tally.reused) == (0, 0, 0)
    assert tally.acknowledged > 20
    assert tally.foreign > 0
