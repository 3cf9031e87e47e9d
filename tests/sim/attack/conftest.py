"""A small community under a small attack, filled once."""

import pytest

from tastemesh.sim.attack.cells import Cell
from tastemesh.sim.attack.options import AttackOptions
from tastemesh.sim.attack.runner import run_attacks
from tastemesh.sim.community import synthetic_community
from tastemesh.sim.interactions import Endorsements, Interactions


@pytest.fixture(scope="session")
def community() -> tuple[Interactions, Endorsements]:
    interactions, endorsements = synthetic_community(60, seed=2)
    return interactions, endorsements.aligned(interactions.user_ids)


@pytest.fixture(scope="session")
def small() -> AttackOptions:
    return AttackOptions(
        strategies=("copycat", "early-spam", "two-edge"),
        systems=("tastemesh", "userknn", "popularity"),
        identities=(1, 40),
        attack_edges=(0, 1),
        seeds=2,
        egos=20,
    )


@pytest.fixture(scope="session")
def cells(community: tuple[Interactions, Endorsements], small: AttackOptions) -> list[Cell]:
    return run_attacks(*community, small)
