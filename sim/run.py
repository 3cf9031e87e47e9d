"""Runs a scenario: builds the network, lets it live, and measures it."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tastemesh.errors import UsageError
from tastemesh.gossip import inputs
from tastemesh.node.collection import uncollected
from tastemesh.sim.adversaries.deployment import check_strategies, deploy, draw_plans
from tastemesh.sim.adversaries.plans import Plan
from tastemesh.sim.adversaries.strategies import varying
from tastemesh.sim.company import Company, gathered
from tastemesh.sim.engine import Simulation
from tastemesh.sim.faults import schedule_faults
from tastemesh.sim.listing import ask, exposure
from tastemesh.sim.measures import coverage, named_authors
from tastemesh.sim.own import NOTHING, Own
from tastemesh.sim.population import Population
from tastemesh.sim.residents import Residents, settle
from tastemesh.sim.scenario import Adversary, Scenario
from tastemesh.sim.series import Observer, counted_so_far
from tastemesh.sim.trace import End, Header, TraceWriter

_SMALL = 200  # nodes; up to there it is looked every second whether they converged (guess)

LAST_SEED = (1 << 63) - 1
"""The largest that a trace can hold."""

CONVERGED = 0.999
"""Mean share of the records of the shards that they read which nodes hold once they converged."""

Told = Callable[[str, int, int], None]
"""Is told (stage, done, total) in virtual seconds."""


class Task(msgspec.Struct, frozen=True):
    """What the further processes of a simulation are to take part in.

    Attributes:
        scenario: what happens.
        seed: of everything random.
        own: a file of strategies beside those that are shipped.
    """

    scenario: Scenario
    seed: int
    own: Own = NOTHING


def run_scenario(
    scenario: Scenario,
    seed: int,
    progress: Told,
    record: Path | None = None,
    processes: int = 1,
    own: Own = NOTHING,
) -> dict[str, Any]:
    """Run a scenario to its end.

    Args:
        scenario: what happens.
        seed: of everything random; 0 to 2^63 - 1, as a trace holds it.
        progress: told how far it is.
        record: a file to write the trace to, if any.
        processes: how many share the nodes, 1 or more; the result is the same for any number.
        own: a file of strategies beside those that are shipped.

    Returns:
        The result as the command contract has it, without what only a clock can tell.

    Raises:
        UsageError: the seed is out of range, a strategy is unknown or one of `own` fails, the trace
            cannot be written, or it is to be written by several processes.
        ProcessError: one of the processes ended before its work did.
    """
    if not 0 <= seed <= LAST_SEED:
        raise UsageError(f"seed is {seed}; expected 0 to {LAST_SEED}")
    if processes < 1:
        raise UsageError(f"processes is {processes}; expected 1 or more")
    if processes > scenario.nodes:
        raise UsageError(f"processes is {processes}; expected at most one a node: {scenario.nodes}")
    if record is not None and processes > 1:
        raise UsageError(f"processes is {processes}; a trace is written by one")
    check_strategies(scenario.adversaries, own)
    task = Task(scenario, seed, own)
    with gathered(processes, msgspec.msgpack.encode(task)) as company, uncollected():
        return _run(task, progress, record, company)


def take_part(task: bytes, company: Company) -> dict[str, Any]:
    """Simulate one's share of a scenario.

    Args:
        task: a `Task`, as MessagePack.
        company: all processes.

    Returns:
        What `run_scenario` does; what adversaries sent is known to the first process alone.

    Raises:
        ProcessError: another process has ended.
    """
    what = msgspec.msgpack.decode(task, type=Task)
    with uncollected():
        return _run(what, lambda *_: None, None, company)


def _run(task: Task, progress: Told, record: Path | None, company: Company) -> dict[str, Any]:
    scenario, seed = task.scenario, task.seed
    population = Population(scenario, seed, shared=company.size > 1)
    residents = settle(scenario, seed)
    plans = draw_plans(population, residents, scenario, seed, task.own)
    _agree(scenario.adversaries, plans, company)
    writing = TraceWriter(record, Header(scenario, seed)) if record else nullcontext()
    with writing as trace:
        simulation = Simulation(
            seed,
            scenario.links,
            population.brokers(scenario),
            record=trace,
            company=company,
            signatures=population.signatures,
        )
        rng = np.random.default_rng(np.random.SeedSequence([seed, 6]))
        for number, skew_ms in enumerate(population.skews_ms):
            core = population.core(number) if company.has(number) else None
            after_ms = int(residents.starts_ms[number])
            simulation.add(f"n{number}", core, skew_ms, after_ms=after_ms)
        _speak(simulation, population, residents)
        phases = schedule_faults(simulation, population, scenario, rng)
        deployed = deploy(simulation, population, residents, scenario, seed, plans)
        # What they say need not reach everybody: some of it is refused here and not there.
        hostile = frozenset(author for each in deployed for author in each.authors)
        simulation.holdings.ignore(hostile)
        observer = Observer(simulation, round(scenario.seconds * 1000))
        converged_s, hourly_bytes = _live(simulation, scenario, observer, progress)
        lists = ask(simulation, population, scenario.asked, seed, trace)
        digest = simulation.digest
        if trace is not None:
            trace.put(End(digest))
    simulation.end()
    return {
        **_result(simulation, population, scenario, converged_s, hourly_bytes),
        "recommendations": lists.summary(),
        "adversaries": exposure(simulation, lists, deployed),
        "phases": msgspec.to_builtins(phases),
        "series": msgspec.to_builtins(observer.series()),
        "scenario": msgspec.to_builtins(scenario),
        "seed": seed,
    }


def _agree(
    adversaries: Sequence[Adversary], plans: Sequence[Plan | None], company: Company
) -> None:
    """See that all processes have the same plans: what a set is gone through by is each one's own.

    Raises:
        UsageError: a strategy of somebody's own differs.
    """
    for policy, plan in zip(adversaries, plans, strict=True):
        said = blake2b(repr(plan).encode(), digest_size=16).digest()
        if len(set(company.gather(said, bytes))) > 1:
            raise UsageError(varying(policy.strategy))


def _result(
    simulation: Simulation,
    population: Population,
    scenario: Scenario,
    converged_s: float | None,
    hourly_bytes: dict[str, int],
) -> dict[str, Any]:
    _, rejected = counted_so_far(simulation)
    covered = coverage(simulation)
    nodes = list(simulation.nodes.values())
    moved_bytes = sum(node.sent_bytes + node.received_bytes for node in nodes)
    return {
        "digest": simulation.digest,
        "nodes": scenario.nodes,
        "virtual_seconds": scenario.seconds,
        "events": simulation.event_count,
        "coverage": covered.whole,
        "coverage_subscribed": covered.subscribed,
        "coverage_subscribed_least": covered.subscribed_least,
        "censorship": named_authors(simulation, [person.id for person in population.people]),
        "converged_s": converged_s,
        "bytes_per_node_hour": round(moved_bytes / len(nodes) / (scenario.seconds / 3600)),
        "hourly_bytes_by_channel": hourly_bytes,
        "rejected": dict(sorted(rejected.items())),
    }


def _live(
    simulation: Simulation, scenario: Scenario, observer: Observer, progress: Told
) -> tuple[float | None, dict[str, int]]:
    """Let the scenario pass.

    Returns:
        How long after the last fault and record they converged, None if never; and what moved,
        bytes a node and hour by channel, in the second half of the time before, without the crowd
        and the catching up of the start.
    """
    total_ms = round(scenario.seconds * 1000)
    quiet_ms = round((scenario.seconds - scenario.quiet_s) * 1000)

    def run(until_ms: int) -> None:
        while simulation.now_ms < until_ms:
            simulation.run(min(observer.due_ms, until_ms) - simulation.now_ms)
            observer.look()
            progress("simulating", simulation.now_ms // 1000, total_ms // 1000)

    run(quiet_ms // 2)
    at_half = simulation.moved_bytes.copy()
    run(quiet_ms)
    node_hours = scenario.nodes * max(1, quiet_ms - quiet_ms // 2) / 3_600_000
    moved = {c: round((n - at_half[c]) / node_hours) for c, n in simulation.moved_bytes.items()}
    simulation.end_faults()
    look_ms = 1_000 if scenario.nodes <= _SMALL else 15_000
    converged_s: float | None = None
    while simulation.now_ms < total_ms:
        run(min(simulation.now_ms + look_ms, total_ms))
        if converged_s is None and coverage(simulation).subscribed >= CONVERGED:
            converged_s = (simulation.now_ms - quiet_ms) / 1000
    return converged_s, moved


def _speak(simulation: Simulation, population: Population, residents: Residents) -> None:
    """Everybody says whom he endorses, publishes what he has, and goes on one by one."""
    ids = [person.id for person in population.people]
    for number, author in enumerate(ids):
        vouched = residents.endorsements_of(number, ids)
        if vouched:
            recorded = partial(inputs.Recorded, author, vouched)
            after_ms = int(residents.starts_ms[number]) + 1_000
            simulation.tell(f"n{number}", recorded, after_ms=after_ms)
        for at_ms, said in residents.said_by(number):
            simulation.tell(f"n{number}", partial(inputs.Recorded, author, said), after_ms=at_ms)
