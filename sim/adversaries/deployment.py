"""Puts a scenario's adversaries to work, and deceives whom their budget of attack edges allows."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec
import numpy as np

from tastemesh.errors import UsageError
from tastemesh.gossip import inputs
from tastemesh.gossip.record import WEIGHT_SCALE, Endorsement
from tastemesh.gossip.signer import Signer
from tastemesh.sim.adversaries.double_dealers import Equivocator, Forgetter, PostDater, Rotator
from tastemesh.sim.adversaries.intruder import Intruder, Means
from tastemesh.sim.adversaries.plans import Plan, draw_up
from tastemesh.sim.adversaries.publisher import Adaptive, Publisher
from tastemesh.sim.adversaries.strategies import STRATEGIES, varying
from tastemesh.sim.adversaries.vandals import Eclipse, Flood, Forger, Garbage, Replayer
from tastemesh.sim.engine import Simulation
from tastemesh.sim.own import NOTHING, Own, blamed, brought_by
from tastemesh.sim.peer import Station
from tastemesh.sim.population import NETWORK, Population
from tastemesh.sim.residents import Residents
from tastemesh.sim.scenario import Adversary, Scenario

NETWORK_STRATEGIES: Mapping[str, Callable[[Means], Intruder]] = {
    "garbage": Garbage,
    "flood": Flood,
    "replay": Replayer,
    "forge": Forger,
    "equivocate": Equivocator,
    "post-date": PostDater,
    "forget": Forgetter,
    "rotate": Rotator,
    "eclipse": Eclipse,
}

ADAPTIVE = "adaptive"

_SETTLED_MS = 2_000  # after a node's start, its user has said whom he endorses


class Deployed(msgspec.Struct, frozen=True):
    """One adversary at work.

    Attributes:
        policy: what he was told.
        intruder: his program.
        station: where it sits.
        authors: ids of his identities.
        target: the item that he pushes.
        near: numbers of the nodes whose users were deceived or endorse somebody who was.
    """

    policy: Adversary
    intruder: Intruder
    station: Station
    authors: tuple[bytes, ...]
    target: str
    near: frozenset[int]


def strategies() -> tuple[str, ...]:
    """Return the names of everything that an adversary can do."""
    return (*STRATEGIES, ADAPTIVE, *NETWORK_STRATEGIES)


def check_strategies(adversaries: tuple[Adversary, ...], own: Own = NOTHING) -> None:
    """Refuse adversaries whom nobody knows, before a network is made and a file replaced.

    Args:
        adversaries: of a scenario.
        own: a file of strategies beside those that are shipped.

    Raises:
        UsageError: a strategy is unknown, or the file brings one that is there already.
    """
    brought = brought_by(own).strategies
    for name in brought:
        if name in strategies():
            raise UsageError(f"--with {own.path}: STRATEGIES has {name!r}, which is there already")
    known = (*strategies(), *brought)
    for policy in adversaries:
        if policy.strategy not in known:
            raise UsageError(
                f"adversaries: unknown strategy {policy.strategy!r}; "
                f"expected one of {', '.join(known)}"
            )


def draw_plans(
    population: Population,
    residents: Residents,
    scenario: Scenario,
    seed: int,
    own: Own = NOTHING,
) -> tuple[Plan | None, ...]:
    """Plan what a scenario's adversaries are to say, before a network is made and a file replaced.

    Args:
        population: its people.
        residents: what they do.
        scenario: who attacks, with what budget.
        seed: of everything random.
        own: a file of strategies beside those that are shipped.

    Returns:
        One for each adversary; None for who decides as he goes.

    Raises:
        UsageError: there are fewer people than are to be deceived, or one who looks like people is
            to look like people who do nothing or endorse nobody; or a strategy of the file fails,
            or does something else each time.
    """
    return tuple(
        _draw_plan(population, residents, policy, number, seed, own)
        for number, policy in enumerate(scenario.adversaries)
    )


def _draw_plan(
    population: Population,
    residents: Residents,
    policy: Adversary,
    number: int,
    seed: int,
    own: Own,
) -> Plan | None:
    brought = brought_by(own).strategies
    if policy.strategy not in STRATEGIES and policy.strategy not in brought:
        count = len(residents.starts_ms)
        if policy.attack_edges > count:
            raise UsageError(f"attack_edges is {policy.attack_edges}; there are {count} people")
        return None
    if not len(residents.interactions):
        raise UsageError(
            f"adversaries: {policy.strategy!r} hides among what people take up, and nobody "
            "takes anything up; raise records_per_hour, seconds or community.history"
        )
    if policy.attack_edges and residents.endorsements is None:
        raise UsageError(
            f"adversaries: attack_edges is {policy.attack_edges}, and nobody endorses anybody; "
            "raise friends, or name community.endorsements"
        )
    draw = partial(
        draw_up,
        policy.strategy,
        residents.interactions,
        residents.endorsements,
        [person.id for person in population.people],
        [signer.id for signer in _signers(population, policy, number)],
        target=_target(number),
        attack_edges=policy.attack_edges,
        seed=seed,
        own=brought,
    )
    with blamed(own, policy.strategy, "camouflage"):
        plan = draw()
        if policy.strategy in brought and draw() != plan:
            raise UsageError(varying(policy.strategy))
    return plan


def deploy(
    simulation: Simulation,
    population: Population,
    residents: Residents,
    scenario: Scenario,
    seed: int,
    plans: Sequence[Plan | None],
) -> list[Deployed]:
    """Add a scenario's adversaries to its simulation.

    Args:
        simulation: of the scenario.
        population: its people.
        residents: what they do.
        scenario: who attacks, with what budget.
        seed: of everything random.
        plans: what they are to say; `draw_plans`.
    """
    return [
        _deploy(simulation, population, residents, policy, number, seed, plan)
        for number, (policy, plan) in enumerate(zip(scenario.adversaries, plans, strict=True))
    ]


def _deploy(
    simulation: Simulation,
    population: Population,
    residents: Residents,
    policy: Adversary,
    number: int,
    seed: int,
    plan: Plan | None,
) -> Deployed:
    signers = _signers(population, policy, number)
    target = _target(number)
    rng = np.random.default_rng([seed, 11, number])
    means = Means(policy, signers, NETWORK, population.limits, rng, target)
    if plan is not None:
        intruder: Intruder = Publisher(means, plan)
    elif policy.strategy == ADAPTIVE:
        intruder = Adaptive(means, seed)
    else:
        intruder = NETWORK_STRATEGIES[policy.strategy](means)
    authors = tuple(signer.id for signer in signers)
    if isinstance(intruder, Rotator):
        authors = intruder.authors
    deceived = _deceived(policy, plan, residents, rng)
    entries = authors[: plan.entries if plan else 1]
    for turn, person in enumerate(deceived):
        said = (Endorsement(entries[turn % len(entries)], WEIGHT_SCALE),)
        settled_ms = int(residents.starts_ms[person]) + _SETTLED_MS
        at_ms = max(settled_ms, round(policy.start_s * 1000) - _SETTLED_MS)
        vouch = partial(inputs.Recorded, population.people[person].id, said)
        simulation.tell(f"n{person}", vouch, after_ms=at_ms)
    station = simulation.intrude(f"adversary {number}", intruder)
    near = _near(deceived, residents)
    return Deployed(policy, intruder, station, authors, target, near)


def _signers(population: Population, policy: Adversary, number: int) -> tuple[Signer, ...]:
    purpose = b"adversary %d" % number
    return tuple(population.signer(n, purpose) for n in range(policy.identities))


def _target(number: int) -> str:
    return f"hostile:{number}:target"


def _deceived(
    policy: Adversary, plan: Plan | None, residents: Residents, rng: np.random.Generator
) -> tuple[int, ...]:
    if plan is not None:
        return plan.deceived
    return tuple(rng.choice(len(residents.starts_ms), policy.attack_edges, replace=False).tolist())


def _near(deceived: tuple[int, ...], residents: Residents) -> frozenset[int]:
    people = residents.endorsements
    if people is None or not deceived:
        return frozenset(deceived)
    leads = np.isin(people.subject, deceived) & (people.weight > 0)
    return frozenset([*deceived, *people.source[leads].tolist()])
