"""What an attack experiment tries, checked, and what its results depend on."""

from hashlib import sha256

import msgspec
import numpy as np

import tastemesh
from tastemesh.errors import UsageError
from tastemesh.sim.adversaries.strategies import STRATEGIES
from tastemesh.sim.adversaries.white_box import WHITE_BOX
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.own import NOTHING, Own, brought_by
from tastemesh.sim.systems.registry import SOCIAL, VARIANTS
from tastemesh.sim.systems.registry import SYSTEMS as COMPARED

SYSTEMS = ("tastemesh", "web3recommend", "salsa", "userknn", "popularity")
ATTACK_EDGES = (0, 1, 5)  # without endorsements nobody can be deceived: then 0 alone


class AttackOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to try.

    Attributes:
        strategies: keys of `STRATEGIES` or names of `own`, or `white-box`.
        systems: names of systems.
        identities: numbers of hostile identities.
        attack_edges: numbers of deceived honest users; without endorsements only 0 makes sense.
        seeds: how many, from 0.
        egos: asked users who have endorsed somebody (or all, without endorsements).
        egos_without_endorsements: asked users who have endorsed nobody, reported apart.
        own: a file of strategies and systems beside those that are shipped.
    """

    strategies: tuple[str, ...] = tuple(STRATEGIES)
    systems: tuple[str, ...] = SYSTEMS
    identities: tuple[int, ...] = (1, 10, 100)
    attack_edges: tuple[int, ...] = ATTACK_EDGES
    seeds: int = 5
    egos: int = 100
    egos_without_endorsements: int = 0
    own: Own = NOTHING


def check_options(options: AttackOptions, *, has_endorsements: bool) -> None:
    """Refuse what cannot be run.

    Args:
        options: to look at.
        has_endorsements: they will be run with some.

    Raises:
        UsageError: an option is unknown or out of range.
    """
    # Above these nothing fits into memory any more: a row for each identity, a cell for each seed.
    # More egos than there are people just means all of them.
    for name, values, low, high in (
        ("identities", options.identities, 1, 1_000_000),
        ("attack-edges", options.attack_edges, 0, 1_000_000),
        ("seeds", (options.seeds,), 1, 1_000),
        ("egos", (options.egos,), 1, 1_000_000_000),
        ("egos-without-endorsements", (options.egos_without_endorsements,), 0, 1_000_000_000),
    ):
        if not values or not low <= min(values) <= max(values) <= high:
            found = ", ".join(map(str, values))
            raise UsageError(f"{name} is {found}; expected {low} to {high:,}")
    if not has_endorsements and max(options.attack_edges) > 0:
        raise UsageError("attack-edges above 0 need --endorsements: nobody can be deceived without")
    if not has_endorsements and options.egos_without_endorsements:
        raise UsageError("egos-without-endorsements needs --endorsements: without, all egos are")
    own = brought_by(options.own)
    strategies = (*STRATEGIES, *own.strategies, WHITE_BOX)
    systems = (*COMPARED, *own.systems, *VARIANTS)
    for name in options.strategies:
        if name == WHITE_BOX and not has_endorsements:
            raise UsageError(f"{WHITE_BOX} needs --endorsements: there is nothing else to plan")
        if name not in strategies:
            known = ", ".join(strategies)
            raise UsageError(f"unknown strategy {name!r}; expected one of {known}")
    for name in options.systems:
        if name not in systems:
            raise UsageError(f"unknown system {name!r}; expected one of {', '.join(systems)}")
        if name in SOCIAL and not has_endorsements:
            raise UsageError(f"{name} needs --endorsements: it ranks what endorsed people hold")
    for named, given in (
        ("strategies", options.strategies),
        ("systems", options.systems),
        ("identities", options.identities),
        ("attack-edges", options.attack_edges),
    ):
        if len(set(given)) < len(given):  # seeds are what is averaged over; the same is no more
            raise UsageError(f"{named} is {', '.join(map(str, given))}; expected each once")


def fingerprint(
    interactions: Interactions, endorsements: Endorsements | None, options: AttackOptions
) -> str:
    """Return a digest of all that a cell depends on beside its own place in the grid.

    Args:
        interactions: the data.
        endorsements: the data.
        options: who is asked, and the own file; what is tried is not in it, so that a grid can
            grow.

    Returns:
        32 hexadecimal digits; how the work is spread over machines is not in it.
    """
    shared = [options.egos, options.egos_without_endorsements, options.own.text]
    digest = sha256(tastemesh.__version__.encode() + msgspec.json.encode(shared))
    for names, arrays in (
        (
            (interactions.user_ids, interactions.item_ids),
            (interactions.user, interactions.item, interactions.weight, interactions.time_s),
        ),
        (
            () if endorsements is None else (endorsements.ids,),
            ()
            if endorsements is None
            else (
                endorsements.source,
                endorsements.subject,
                endorsements.weight,
                endorsements.time_s,
            ),
        ),
    ):
        for table in names:
            digest.update(msgspec.msgpack.encode(table))
        for array in arrays:
            data = b"" if array is None else np.ascontiguousarray(array).tobytes()
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]
