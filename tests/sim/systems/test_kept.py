"""What a system keeps of one fit for the next changes no list."""

import msgspec
import numpy as np
import pytest

from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems import neighbours
from tastemesh.sim.systems.registry import KEPT_BY, make_system


@pytest.mark.parametrize("name", KEPT_BY)
def test_lists_are_those_of_a_system_that_has_kept_nothing(
    name: str, community: Interactions, endorsements: Endorsements
) -> None:
    users = np.arange(len(community.user_ids), dtype=np.int32)
    less = community.rows(np.arange(len(community)) % 3 > 0)
    kept = make_system(name)
    for parameters in kept.grid(True):
        for data in (community, less, less):
            fresh = make_system(name)
            for system in (kept, fresh):
                system.fit(data, endorsements, parameters)
            assert (kept.rank(users, 9) == fresh.rank(users, 9)).all()


def test_fewer_neighbours_of_an_item_are_the_first_of_more(
    community: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of those that are equally near."""
    monkeypatch.setattr(neighbours, "_ITEM_NEIGHBOURS", 1)  # who has kept none finds just k
    users = np.arange(len(community.user_ids), dtype=np.int32)
    many = msgspec.structs.replace(
        community,
        item_ids=tuple(f"{name} {copy}" for copy in range(30) for name in community.item_ids),
        user=np.tile(community.user, 30),
        item=np.concatenate(
            [community.item + copy * len(community.item_ids) for copy in range(30)]
        ).astype(np.int32),
        weight=np.tile(community.weight, 30),
    )
    system = make_system("itemknn")
    for k in (500, 200, 50, 10):
        alone = make_system("itemknn")
        for each in (system, alone):
            each.fit(many, None, {"k": k, "shrink": 10.0})
        assert (system.rank(users, 20) == alone.rank(users, 20)).all()
