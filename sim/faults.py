"""What goes wrong in a scenario and when, all of it over when the quiet begins."""

from functools import partial
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from tastemesh.sim.engine import Simulation
from tastemesh.sim.population import Population
from tastemesh.sim.scenario import Scenario

_What: TypeAlias = Literal["churn", "partition", "broker", "adversary", "quiet"]

_STARTED_MS = 1_000  # after everybody has come, nodes may crash


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a network lives under some condition.

    Attributes:
        what: nodes crash one by one, are cut off together, a broker is down, an adversary is at
            work, or nobody records and nothing is broken.
        name: of the broker, or the adversary's strategy; else empty.
        nodes: how many are crashed or cut off in its course; 0 where it is no matter of nodes.
        start_s: when it begins, virtual seconds; of crashes, the first.
        end_s: when it ends; of crashes, when the last node is back.
    """

    what: _What
    name: str = ""
    nodes: int = 0
    start_s: float
    end_s: float


def schedule_faults(
    simulation: Simulation,
    population: Population,
    scenario: Scenario,
    rng: np.random.Generator,
) -> list[Phase]:
    """Schedule a scenario's crashes, stops and partitions.

    Args:
        simulation: all of whose nodes are there.
        population: makes nodes anew that come back.
        scenario: what is to go wrong.
        rng: draws whom it meets, and when they crash.

    Returns:
        When what happens, adversaries and the quiet included.
    """
    names = list(simulation.nodes)
    loud_ms = round((scenario.seconds - scenario.quiet_s) * 1000)
    phases = _crash(simulation, population, scenario, rng, loud_ms)
    for broker in scenario.brokers:
        at_ms = round(broker.stop_start_s * 1000)
        length_ms = min(round(broker.stop_length_s * 1000), loud_ms - at_ms)
        if length_ms > 0:
            simulation.stop_broker(broker.name, at_ms, length_ms)
            phases.append(_phase("broker", at_ms, at_ms + length_ms, broker.name))
    cut = scenario.partition
    at_ms = round(cut.start_s * 1000)
    length_ms = min(round(cut.length_s * 1000), loud_ms - at_ms)
    chosen = rng.permutation(len(names))[: round(cut.share * len(names))].tolist()
    if chosen and length_ms > 0:
        for number in chosen:
            simulation.cut_off(names[number], at_ms, length_ms)
        phases.append(_phase("partition", at_ms, at_ms + length_ms, nodes=len(chosen)))
    end_ms = round(scenario.seconds * 1000)
    for each in scenario.adversaries:
        start_ms = round(each.start_s * 1000)
        if start_ms < end_ms:
            phases.append(_phase("adversary", start_ms, end_ms, each.strategy))
    if loud_ms < end_ms:
        phases.append(_phase("quiet", loud_ms, end_ms))
    return phases


def _crash(
    simulation: Simulation,
    population: Population,
    scenario: Scenario,
    rng: np.random.Generator,
    loud_ms: int,
) -> list[Phase]:
    names = list(simulation.nodes)
    first_ms = round(scenario.arrive_s * 1000) + _STARTED_MS
    away_ms = round(scenario.churn.away_s * 1000)
    times: list[tuple[int, int]] = []
    for number in rng.permutation(len(names))[: round(scenario.churn.share * len(names))].tolist():
        at_ms = int(rng.integers(first_ms, max(first_ms + 1, loud_ms - away_ms)))
        if at_ms < loud_ms:
            revive = partial(population.core, number)
            length_ms = min(away_ms, loud_ms - at_ms)
            simulation.crash(names[number], revive, at_ms, length_ms)
            times.append((at_ms, at_ms + length_ms))
    if not times:
        return []
    ends = min(start for start, _ in times), max(end for _, end in times)
    return [_phase("churn", *ends, nodes=len(times))]


def _phase(what: _What, start_ms: int, end_ms: int, name: str = "", nodes: int = 0) -> Phase:
    return Phase(what=what, name=name, nodes=nodes, start_s=start_ms / 1000, end_s=end_ms / 1000)
