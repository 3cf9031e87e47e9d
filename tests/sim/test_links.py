"""What becomes of one message on many links, drawn at once."""

from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.sim.links import LinkPolicy

SHARES = st.sampled_from([0.0, 0.2, 0.9, 1.0])


@given(
    count=st.integers(0, 40),
    seed=st.integers(0, 1_000),
    links=st.builds(
        LinkPolicy,
        latency_ms=st.sampled_from([0, 1, 25]),
        jitter=st.sampled_from([0.0, 0.5, 1.0]),
        loss=SHARES,
        duplication=SHARES,
    ),
)
def test_every_copy_arrives_once_and_later_ones_come_later(
    count: int, seed: int, links: LinkPolicy
) -> None:
    found = list(links.deliveries(count, np.random.default_rng(seed)))
    times_ms = [at_ms for at_ms, _ in found]
    reached = list(chain.from_iterable(on for _, on in found))
    assert times_ms == sorted(set(times_ms))
    assert all(links.least_ms <= at_ms <= 2 * links.latency_ms for at_ms in times_ms)
    assert set(reached) <= set(range(count))
    assert all(1 <= reached.count(link) <= 2 for link in reached)
    if not links.loss:
        assert set(reached) == set(range(count))
    if links.loss == 1.0:
        assert not found
    if not links.duplication:
        assert len(set(reached)) == len(reached)
