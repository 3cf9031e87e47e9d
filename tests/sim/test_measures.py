"""Coverage is counted as records come and go; here every node is looked through."""

from functools import partial

import pytest

from tastemesh.gossip import inputs
from tastemesh.gossip.record import Interaction
from tastemesh.gossip.topics import shard_of
from tastemesh.sim.engine import Simulation
from tastemesh.sim.links import LinkPolicy
from tastemesh.sim.measures import Coverage, coverage
from tastemesh.sim.population import Population
from tastemesh.sim.scenario import Bounds, Scenario

LOSSY = LinkPolicy(loss=0.2, duplication=0.1)
COUNT = 8


def network(bounds: Bounds, seed: int) -> tuple[Simulation, Population]:
    """Nodes whose users record something every two seconds, of whom one crashes."""
    scenario = Scenario(
        description="x", nodes=COUNT, seconds=60.0, quiet_s=0.0, sync_period_s=5.0, bounds=bounds
    )
    population = Population(scenario, seed)
    simulation = Simulation(seed, LOSSY)
    for number, person in enumerate(population.people):
        simulation.add(f"n{number}", population.core(number), after_ms=400 * number)
        for turn in range(20):
            said = (Interaction(f"item:{turn}", "listen", 10_000),)
            recorded = partial(inputs.Recorded, person.id, said)
            simulation.tell(f"n{number}", recorded, after_ms=4_000 + 2_000 * turn + 37 * number)
    simulation.crash("n3", partial(population.core, 3), after_ms=20_000, away_ms=9_000)
    return simulation, population


def looked_through(simulation: Simulation, people: list[bytes]) -> Coverage:
    held = [
        {person: set(peer.core.records_of(person)) for person in people}
        for peer in simulation.peers.values()
    ]
    known = {person: set().union(*(each[person] for each in held)) for person in people}
    whole = sum(len(each[person]) for each in held for person in people)
    pairs = len(held) * sum(map(len, known.values()))
    due: list[tuple[int, int]] = []
    for periods in (3, 0):
        due = []
        for peer, each in zip(simulation.peers.values(), held, strict=True):
            interest = peer.core.engine.interest
            since_ms = simulation.now_ms - periods * 5_000
            counts = [
                person
                for person in people
                if interest.reads(shard_of(person))
                and interest.read_since_ms(shard_of(person)) <= since_ms
            ]
            his = sum(len(known[person]) for person in counts)
            due.append((sum(len(each[person]) for person in counts), his))
        if sum(his for _, his in due):
            break
    return Coverage(
        whole / pairs if pairs else 1.0,
        sum(has for has, _ in due) / max(1, sum(his for _, his in due)) if pairs else 1.0,
        min((has / his for has, his in due if his), default=1.0),
    )


@pytest.mark.parametrize(
    ("bounds", "least_of_all"),
    [
        (Bounds(), 0.5),
        (Bounds(window_statements=40), 0.0),  # records are let go of
        (Bounds(inbound_bytes_per_s=32, interest_period_s=5.0), 0.0),  # few shards are read
    ],
)
def test_what_is_counted_is_what_is_there(bounds: Bounds, least_of_all: float) -> None:
    simulation, population = network(bounds, seed=4)
    people = [person.id for person in population.people]
    seen = []
    for _ in range(26):
        simulation.run(for_ms=2_300)
        now = looked_through(simulation, people)
        if simulation.peers["n3"].alive:  # a core that has crashed shows no disk
            assert coverage(simulation) == now
        seen.append(now)
    assert len({each.whole for each in seen}) > 10
    assert seen[-1].whole > least_of_all
    assert (len(simulation.peers["n0"].store) < 80) == (bounds.window_statements == 40)
    if bounds.inbound_bytes_per_s == 32:
        assert any(each.subscribed != each.whole for each in seen)


def test_records_of_those_who_are_ignored_do_not_count() -> None:
    simulation, population = network(Bounds(), seed=4)
    people = [person.id for person in population.people]
    simulation.holdings.ignore(frozenset(people[:3]))
    simulation.run(for_ms=30_000)
    assert coverage(simulation) == looked_through(simulation, people[3:])
    assert coverage(simulation) != looked_through(simulation, people)
