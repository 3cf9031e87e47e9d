"""Every system by the name that commands and reports use. To add one is to add a line."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from tastemesh.errors import UsageError
from tastemesh.sim.systems.als import Als
from tastemesh.sim.systems.ease import Ease
from tastemesh.sim.systems.friends import Friends
from tastemesh.sim.systems.neighbours import ItemKNN, UserKNN
from tastemesh.sim.systems.popularity import Popularity
from tastemesh.sim.systems.rp3beta import RP3Beta
from tastemesh.sim.systems.salsa import Salsa
from tastemesh.sim.systems.system import System
from tastemesh.sim.systems.tastemesh import Tastemesh
from tastemesh.sim.systems.tastemesh_similarity import TastemeshSimilarity
from tastemesh.sim.systems.variants import variant_systems
from tastemesh.sim.systems.web3recommend import Web3Recommend

Maker: TypeAlias = Callable[[int], System]
"""Makes a system from the seed of its randomness, which some ignore."""

SYSTEMS: Mapping[str, Maker] = {
    "tastemesh": lambda seed: Tastemesh(seed),
    "tastemesh-similarity": lambda seed: TastemeshSimilarity(seed),
    "popularity": lambda seed: Popularity(),
    "friends": lambda seed: Friends(),
    "userknn": lambda seed: UserKNN(),
    "itemknn": lambda seed: ItemKNN(),
    "rp3beta": lambda seed: RP3Beta(),
    "ease": lambda seed: Ease(),
    "als": lambda seed: Als(seed),
    "salsa": lambda seed: Salsa(),
    "web3recommend": lambda seed: Web3Recommend(seed),
}

VARIANTS: Mapping[str, Maker] = variant_systems()
"""Ours with one deviation undone each: for an ablation, not among the systems that are compared."""


SOCIAL = frozenset({"friends"})
"""Systems that rank nothing at all without endorsements."""

INVERTING = frozenset({"ease", "tastemesh-similarity"})
"""Systems that hold the inverse of a matrix of the smaller side (`tastemesh.sim.systems.ridge`)."""

LAZY = frozenset({"salsa", "userknn"})
"""Systems that learn in no time and work when they are asked, on blocks of `users_at_once`."""

KEPT_BY: Mapping[str, tuple[str, ...]] = {
    "tastemesh-similarity": ("lambda", "weights"),
    "itemknn": ("shrink",),
    "web3recommend": (),
}
"""Systems that keep most of a fit for the next on the same data, if these parameters agree."""

_NO_MORE: Mapping[str, Maker] = {}


def check_methods(
    methods: Sequence[str], *, has_endorsements: bool, own: Mapping[str, Maker] = _NO_MORE
) -> None:
    """Refuse methods that cannot be measured, before there are data.

    Args:
        methods: as somebody has named them.
        has_endorsements: they will be given some.
        own: systems beside those that are shipped.

    Raises:
        UsageError: there is none of that name, one comes twice, or one needs endorsements.
    """
    for name in methods:
        _maker(name, own)
        if name in SOCIAL and not has_endorsements:
            raise UsageError(f"{name} needs --endorsements: it ranks what endorsed people hold")
    if len(set(methods)) < len(methods):
        raise UsageError(f"--methods {','.join(methods)}: expected each once")


def make_system(name: str, seed: int = 0, own: Mapping[str, Maker] = _NO_MORE) -> System:
    """Return a fresh system.

    Args:
        name: a key of `SYSTEMS`, `VARIANTS` or `own`.
        seed: of its randomness; the same seed and data give the same lists.
        own: systems beside those that are shipped.

    Raises:
        UsageError: there is no system of that name, or what one of `own` makes is none.
    """
    system = _maker(name, own)(seed)
    members = ("grid", "fit", "rank")
    if isinstance(system, type) or not all(callable(getattr(system, m, None)) for m in members):
        raise UsageError(f"{name} is made as {system!r}; expected a system: grid, fit and rank")
    return system


def _maker(name: str, own: Mapping[str, Maker]) -> Maker:
    make = SYSTEMS.get(name) or VARIANTS.get(name) or own.get(name)
    if make is None:
        raise UsageError(
            f"unknown method {name!r}; expected one of {', '.join((*SYSTEMS, *own))}; "
            f"or, with one deviation undone, {', '.join(VARIANTS)}"
        )
    return make
