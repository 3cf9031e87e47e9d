"""What a core does with dates that its view has no number for."""

import pytest

from tastemesh.gossip import inputs
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement
from tastemesh.node.core import Core
from tests.gossip.cores import NETWORK, listen, person

ANA, BEN = person("ana"), person("ben")
PAST_2038_MS = 2_200_000_000_000


@pytest.mark.parametrize("private", [False, True])
def test_a_clock_past_2038_keeps_nobody_from_a_list(private: bool) -> None:
    """A clock that was set wrong is enough; what is held and what is ranked stay in step."""
    core = Core(
        node=person("node"), signers=(ANA, BEN), network=NETWORK, limits=Limits(), seed=b"seed"
    )
    for author, said, is_private in (
        (BEN, (listen("a"), listen("b")), False),
        (ANA, (listen("a"),), private),
        (ANA, (Endorsement(BEN.id, 10_000),), False),
    ):
        core.handle(inputs.Recorded(author.id, said, PAST_2038_MS, private=is_private), 0)
    assert len(core.view) == 3
    assert [line.item for line in core.recommend(ANA.id, 5, PAST_2038_MS)] == ["b"]
