"""What holds for every system alike."""

import numpy as np
import pytest

from tastemesh.errors import UsageError
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.answers import GRID_MOST
from tastemesh.sim.systems.registry import SYSTEMS, make_system

EVERYBODY = np.arange(30, dtype=np.int32)


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("endorsed", [True, False])
def test_lists_are_of_unowned_items_once_each_and_padded_at_the_end(
    name: str, endorsed: bool, community: Interactions, endorsements: Endorsements
) -> None:
    system = make_system(name)
    system.fit(community, endorsements if endorsed else None, system.grid(endorsed)[0])
    ranked = system.rank(EVERYBODY, 40)
    assert ranked.dtype == np.int32
    assert ranked.shape == (30, 40)
    owned = set(zip(community.user.tolist(), community.item.tolist(), strict=True))
    for user in EVERYBODY.tolist():
        listed = [item for item in ranked[user].tolist() if item >= 0]
        assert ranked[user].tolist() == listed + [-1] * (40 - len(listed))
        assert len(set(listed)) == len(listed)
        assert not {(user, item) for item in listed} & owned
        assert 25 not in listed  # an item that nobody holds cannot be known to anybody


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_same_seed_gives_the_same_lists_and_a_refit_forgets(
    name: str, community: Interactions, endorsements: Endorsements
) -> None:
    first, other = make_system(name, seed=4), make_system(name, seed=4)
    parameters = first.grid(True)[0]
    other.fit(community.rows(community.user > 9), None, other.grid(False)[-1])
    other.rank(EVERYBODY[12:14], 3)
    lists = []
    for system in (first, other):
        system.fit(community, endorsements, parameters)
        lists.append(system.rank(EVERYBODY, 10))
    assert np.array_equal(lists[0], lists[1])


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name != "popularity"])
def test_everything_personal_finds_the_users_circle(
    name: str, community: Interactions, endorsements: Endorsements
) -> None:
    system = make_system(name)
    system.fit(community, endorsements, system.grid(True)[0])
    ranked = system.rank(EVERYBODY, 3)
    in_circle = (ranked // 12 == (EVERYBODY % 2)[:, None]) & (ranked >= 0)
    assert in_circle.mean() > 0.75  # by chance about a quarter


@pytest.mark.parametrize("name", SYSTEMS)
def test_no_system_tries_more_settings_than_the_others_may(name: str) -> None:
    for endorsed in (True, False):
        grid = make_system(name).grid(endorsed)
        assert 1 <= len(grid) <= GRID_MOST
        assert len({tuple(sorted(setting.items())) for setting in grid}) == len(grid)
        assert all(setting.keys() == grid[0].keys() for setting in grid)


def test_an_unknown_system_is_named() -> None:
    with pytest.raises(UsageError, match=r"unknown method 'svd'; expected one of .*userknn"):
        make_system("svd")
