"""Runs a scenario: builds the network, lets it live, and measures it."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np

from tastemesh.gossip import inputs
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import WEIGHT_SCALE, Endorsement, Interaction
from tastemesh.gossip.signer import Signer
from tastemesh.node.core import Core
from tastemesh.sim.brokers import Broker
from tastemesh.sim.engine import Simulation
from tastemesh.sim.graphs import small_world
from tastemesh.sim.measures import named_authors, subscribed_coverage
from tastemesh.sim.reading import SharedReader
from tastemesh.sim.scenario import Scenario

NETWORK = "sim"
_ITEMS_PER_NODE = 4  # size of the catalogue, so that tastes overlap (guess)
_PROGRESS_STEPS = 50
_SMALL = 200
_TALKATIVE = 10  # times as many records

CONVERGED = 0.999
"""Share of the records of the shards that they read which all nodes hold once they converged."""


class Population:
    """The nodes of a scenario, and how each is made again after a crash.

    Args:
        scenario: its size and periods.
        seed: every key follows from it.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._seed = seed
        self.limits = Limits(sync_period_ms=round(scenario.sync_period_s * 1000))
        self._reader = SharedReader(NETWORK, self.limits)
        self.people = [
            Signer(self._secret(n, b"person"), self._secret(n, b"person next"))
            for n in range(scenario.nodes)
        ]

    def core(self, number: int) -> Core:
        """Make a node's core from nothing but its keys."""
        return Core(
            node=Signer(self._secret(number, b"node"), self._secret(number, b"node next")),
            signers=(self.people[number],),
            network=NETWORK,
            limits=self.limits,
            seed=self._secret(number, b"draws"),
            reader=self._reader,
        )

    def brokers(self, scenario: Scenario) -> tuple[Broker, ...]:
        """Make the brokers, who know the people that they withhold."""
        return tuple(
            Broker(policy, tuple(self.people[number].id for number in policy.withhold))
            for policy in scenario.brokers
        )

    def _secret(self, number: int, purpose: bytes) -> bytes:
        return sha256(b"%d %d %s" % (self._seed, number, purpose)).digest()


def run_scenario(
    scenario: Scenario, seed: int, progress: Callable[[str, int, int], None]
) -> dict[str, Any]:
    """Run a scenario to its end.

    Args:
        scenario: what happens.
        seed: of everything random; 0 or more.
        progress: told (stage, done, total) in virtual seconds.

    Returns:
        The result as the command contract has it, without what only a clock can tell.
    """
    population = Population(scenario, seed)
    simulation = Simulation(seed, scenario.links, population.brokers(scenario))
    rng = np.random.default_rng(np.random.SeedSequence([seed, 5]))
    names = [f"n{number}" for number in range(scenario.nodes)]
    for number, name in enumerate(names):
        skew_ms = int(rng.integers(-scenario.skew_ms, scenario.skew_ms + 1))
        simulation.add(name, population.core(number), skew_ms)
    _endorse(simulation, population, scenario, seed)
    _speak(simulation, population, scenario, rng)
    _break(simulation, population, scenario, rng)
    converged_s = _live(simulation, scenario, progress)
    hours = scenario.seconds / 3600
    peers = list(simulation.peers.values())
    rejected: Counter[str] = Counter()
    for peer in peers:
        rejected.update(peer.core.engine.rejected)
    moved_bytes = sum(peer.sent_bytes + peer.received_bytes for peer in peers)
    return {
        "digest": simulation.digest,
        "nodes": scenario.nodes,
        "virtual_seconds": scenario.seconds,
        "events": simulation.event_count,
        "coverage": simulation.coverage(),
        "coverage_subscribed": subscribed_coverage(simulation),
        "censorship": named_authors(simulation, [person.id for person in population.people]),
        "converged_s": converged_s,
        "bytes_per_node_hour": round(moved_bytes / len(peers) / hours),
        "rejected": dict(sorted(rejected.items())),
        "scenario": msgspec.to_builtins(scenario),
        "seed": seed,
    }


def _live(
    simulation: Simulation, scenario: Scenario, progress: Callable[[str, int, int], None]
) -> float | None:
    """Let the scenario pass; return how long after the last fault and record all was everywhere."""
    total_ms = round(scenario.seconds * 1000)
    quiet_ms = round((scenario.seconds - scenario.quiet_s) * 1000)
    step_ms = max(1_000, total_ms // _PROGRESS_STEPS)
    while simulation.now_ms < quiet_ms:
        simulation.run(min(step_ms, quiet_ms - simulation.now_ms))
        progress("simulating", simulation.now_ms // 1000, total_ms // 1000)
    simulation.end_faults()
    look_ms = 1_000 if scenario.nodes <= _SMALL else 5_000  # looking is O(nodes * records)
    converged_s: float | None = None
    while simulation.now_ms < total_ms:
        simulation.run(min(look_ms, total_ms - simulation.now_ms))
        progress("simulating", simulation.now_ms // 1000, total_ms // 1000)
        if converged_s is None and subscribed_coverage(simulation) >= CONVERGED:
            converged_s = (simulation.now_ms - quiet_ms) / 1000
    return converged_s


def _endorse(simulation: Simulation, population: Population, scenario: Scenario, seed: int) -> None:
    """Friends in a small world: mostly neighbours, some across (Watts and Strogatz 1998)."""
    if not scenario.friends:
        return
    degree = min(scenario.nodes - 1, 2 * scenario.friends)
    graph = small_world(scenario.nodes, degree, 0.1, seed)
    for number in range(scenario.nodes):
        friends = sorted(graph[number])[: scenario.friends]
        said = tuple(Endorsement(population.people[f].id, WEIGHT_SCALE) for f in friends)
        if said:
            recorded = partial(inputs.Recorded, population.people[number].id, said)
            simulation.tell(f"n{number}", recorded, after_ms=1_000)


def _speak(
    simulation: Simulation,
    population: Population,
    scenario: Scenario,
    rng: np.random.Generator,
) -> None:
    """Everybody records at random times until the quiet begins."""
    loud_ms = round((scenario.seconds - scenario.quiet_s) * 1000)
    if loud_ms <= 2_000:
        return
    usual = scenario.records_per_hour * loud_ms / 3_600_000
    for number, person in enumerate(population.people):
        mean = usual * (_TALKATIVE if number < scenario.talkative else 1)
        for at_ms in np.sort(rng.integers(2_000, loud_ms, rng.poisson(mean))).tolist():
            item = f"item:{int(rng.integers(0, _ITEMS_PER_NODE * scenario.nodes))}"
            said = (Interaction(item, "listen", WEIGHT_SCALE),)
            recorded = partial(inputs.Recorded, person.id, said)
            simulation.tell(f"n{number}", recorded, after_ms=at_ms)


def _break(
    simulation: Simulation,
    population: Population,
    scenario: Scenario,
    rng: np.random.Generator,
) -> None:
    """Crashes and partitions, all over before the quiet begins."""
    names = list(simulation.peers)
    loud_ms = round((scenario.seconds - scenario.quiet_s) * 1000)
    away_ms = round(scenario.churn.away_s * 1000)
    for number in rng.permutation(len(names))[: round(scenario.churn.share * len(names))].tolist():
        at_ms = int(rng.integers(1_000, max(1_001, loud_ms - away_ms)))
        simulation.crash(names[number], partial(population.core, number), at_ms, away_ms)
    for broker in scenario.brokers:
        if broker.stop_length_s:
            simulation.stop_broker(
                broker.name, round(broker.stop_start_s * 1000), round(broker.stop_length_s * 1000)
            )
    cut = scenario.partition
    for number in rng.permutation(len(names))[: round(cut.share * len(names))].tolist():
        simulation.cut_off(names[number], round(cut.start_s * 1000), round(cut.length_s * 1000))
