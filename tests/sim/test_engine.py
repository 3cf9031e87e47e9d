"""Virtual time: fifty real cores over lossy links, and one seed is one trace."""

from functools import partial

import pytest

from tastemesh.errors import UsageError
from tastemesh.gossip import inputs
from tastemesh.gossip.effects import Effect, Send, SetTimer, Subscribe
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Interaction
from tastemesh.gossip.signer import Signer
from tastemesh.node.core import Core
from tastemesh.sim.engine import Simulation
from tastemesh.sim.links import LinkPolicy
from tastemesh.sim.measures import coverage
from tastemesh.sim.peer import Peer
from tests.hash_seeds import printed

LOSSY = LinkPolicy(loss=0.2, duplication=0.05)


def secret(*parts: int) -> bytes:
    return b"".join(part.to_bytes(8, "big") for part in parts).ljust(32, b"\x01")


def core_of(seed: int, number: int, person: Signer) -> Core:
    return Core(
        node=Signer(secret(seed, number, 3), secret(seed, number, 4)),
        signers=(person,),
        network="sim",
        limits=Limits(sync_period_ms=5_000, presence_period_ms=10_000, peer_age_ms=60_000),
        seed=secret(seed, number, 5),
    )


def network(count: int, seed: int, links: LinkPolicy = LOSSY) -> tuple[Simulation, list[Signer]]:
    """Nodes that each record three items in their first half minute."""
    simulation = Simulation(seed, links)
    people = []
    for number in range(count):
        person = Signer(secret(seed, number, 1), secret(seed, number, 2))
        people.append(person)
        simulation.add(f"n{number}", core_of(seed, number, person))
        for turn in range(3):
            said = (Interaction(f"item:{(number * 7 + turn) % 40}", "listen", 10_000),)
            recorded = partial(inputs.Recorded, person.id, said)
            simulation.tell(f"n{number}", recorded, after_ms=1_000 + 10_000 * turn + 37 * number)
    return simulation, people


def run_digest(seed: int) -> str:
    simulation, _ = network(50, seed)
    simulation.run(for_ms=40_000)
    return simulation.digest


@pytest.mark.slow
def test_one_seed_is_one_trace_under_any_hash_seed() -> None:
    program = "import runpy, sys; m = runpy.run_path(sys.argv[1]); print(m['run_digest'](7))"
    digests = [printed(program, __file__, hash_seed=hash_seed) for hash_seed in ("1", "2", "3")]
    assert len(set(digests)) == 1
    assert digests[0].strip() == run_digest(7)
    assert digests[0].strip() != run_digest(8)


@pytest.mark.slow
def test_fifty_nodes_converge_over_lossy_links() -> None:
    simulation, _ = network(50, seed=1)
    simulation.run(for_ms=32_000)
    assert coverage(simulation).whole < 1.0  # pushing alone loses a third
    simulation.run(for_ms=180_000)
    assert coverage(simulation).whole == 1.0


def test_what_one_node_records_is_recommended_on_another() -> None:
    simulation, people = network(0, seed=3, links=LinkPolicy())
    ana, ben = (Signer(secret(n, 1), secret(n, 2)) for n in (1, 2))
    for number, person in enumerate((ana, ben)):
        core = Core(
            node=Signer(secret(number, 3), secret(number, 4)),
            signers=(person,),
            network="sim",
            limits=Limits(),
            seed=bytes(32),
        )
        simulation.add(f"n{number}", core)

    likes = tuple(Interaction(item, "like", 10_000) for item in ("a", "b", "c"))
    simulation.tell("n0", lambda wall_ms: inputs.Recorded(ana.id, likes, wall_ms), after_ms=100)
    simulation.tell("n1", lambda wall_ms: inputs.Recorded(ben.id, likes[:1], wall_ms), after_ms=150)
    trusts = (Endorsement(ana.id, 10_000),)
    simulation.tell("n1", lambda wall_ms: inputs.Recorded(ben.id, trusts, wall_ms), after_ms=200)
    simulation.run(for_ms=2_000)
    listed = simulation.peers["n1"].core.recommend(ben.id, 10, wall_ms=1_767_225_602_000)
    assert {line.item for line in listed} == {"b", "c"}
    (reason,) = listed[0].reasons
    assert reason.contact == ana.id.hex()
    assert reason.share == pytest.approx(1.0)
    held = simulation.peers["n0"].core.records_of(ana.id)
    assert bytes.fromhex(reason.record_ids[0]) in held
    assert not people


def test_time_in_one_piece_and_in_many_is_the_same() -> None:
    whole, _ = network(4, seed=6)
    whole.run(for_ms=30_000)
    pieces, _ = network(4, seed=6)
    for piece_ms in (1, 5, 0, 12, 982, 9_000, 17, 19_983):
        pieces.run(for_ms=piece_ms)
    assert pieces.now_ms == whole.now_ms
    assert pieces.digest == whole.digest
    assert pieces.event_count == whole.event_count > 200


def test_a_restart_goes_on_where_it_was() -> None:
    simulation, _ = network(3, seed=5, links=LinkPolicy())
    simulation.run(for_ms=40_000)
    peer = simulation.peers["n0"]
    again = Core(
        node=Signer(secret(5, 0, 3), secret(5, 0, 4)),
        signers=(Signer(secret(5, 0, 1), secret(5, 0, 2)),),
        network="sim",
        limits=Limits(),
        seed=bytes(32),
    )
    restored = Peer("again", again)
    orders = again.handle(peer.store.load(1_767_225_640_000), 0)
    assert len(again.engine.window) == len(peer.core.engine.window) == 9
    assert again.view.digest() == peer.core.view.digest()
    assert all(type(order).__name__ == "Accepted" for order in orders)
    assert len(restored.store) == 0


def test_who_comes_back_from_a_crash_has_his_disk_before_anything_else_reaches_him() -> None:
    simulation, people = network(2, seed=9, links=LinkPolicy(latency_ms=0, jitter=0.0))
    heard_ms = 11_000  # when n0's second record reaches n1: the moment at which he is back
    returned = partial(core_of, 9, 1, people[1])
    simulation.crash("n1", returned, after_ms=5_000, away_ms=heard_ms - 5_000)
    simulation.run(for_ms=heard_ms)
    peer = simulation.peers["n1"]
    assert peer.life == 1
    # His own at 1,037 ms and n0's at 1,000 from the disk, and what came in just now.
    assert len(peer.store) == len(peer.core.engine.window) == 3


class Noting(Core):
    """A core that notes what it is told of its connections."""

    told: list[str]

    def handle(self, event: inputs.Input, now_ms: int) -> list[Effect]:
        kind = type(event).__name__
        if kind in ("Restored", "Started", "BrokerUp", "BrokerDown"):
            self.told.append(kind)
        return super().handle(event, now_ms)


def noting() -> Noting:
    core = Noting(
        node=Signer(secret(3), secret(4)),
        signers=(Signer(secret(1), secret(2)),),
        network="sim",
        limits=Limits(),
        seed=bytes(32),
    )
    core.told = []
    return core


def test_a_node_that_has_not_started_is_told_of_no_connection() -> None:
    simulation = Simulation(1)
    core = noting()
    simulation.add("late", core, after_ms=5_000)
    simulation.stop_broker("broker", after_ms=1_000, length_ms=1_000)
    simulation.cut_off("late", after_ms=3_000, length_ms=1_000)
    simulation.run(for_ms=6_000)
    assert core.told == ["Restored", "Started", "BrokerUp"]


def test_who_starts_or_comes_back_while_cut_off_is_connected_when_that_ends() -> None:
    simulation = Simulation(1)
    first, second = noting(), noting()
    simulation.add("n0", first, after_ms=2_000)
    simulation.cut_off("n0", after_ms=1_000, length_ms=9_000)
    simulation.crash("n0", lambda: second, after_ms=5_000, away_ms=1_000)
    simulation.run(for_ms=9_000)
    assert first.told == second.told == ["Restored", "Started"]
    simulation.run(for_ms=2_000)
    assert second.told == ["Restored", "Started", "BrokerUp"]


class Loud:
    """Hears all records, and publishes rubbish every second."""

    def handle(self, event: inputs.Input, now_ms: int) -> list[Effect]:
        again = SetTimer("again", 1_000)
        match event:
            case inputs.Started():
                return [Subscribe((), ("tastemesh/1/sim/r/+",)), again]
            case inputs.TimerFired():
                return [Send("tastemesh/1/sim/r/7", bytes(500)), again]
        return []


def test_bytes_by_channel_are_those_of_nodes() -> None:
    simulation, _ = network(4, seed=2)
    loud = simulation.intrude("loud", Loud())
    simulation.run(for_ms=30_000)
    assert loud.sent_bytes > 10_000
    assert loud.received_bytes > 1_000
    nodes = simulation.nodes.values()
    assert sum(simulation.moved_bytes.values()) == sum(
        node.sent_bytes + node.received_bytes for node in nodes
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"loss": 1.5}, "links.loss is 1.5; expected 0 to 1"),
        ({"latency_ms": -1}, "links.latency_ms is -1; expected 0 to 10000000"),
    ],
)
def test_a_link_out_of_range_says_so(values: dict[str, float], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        LinkPolicy(**values)  # type: ignore[arg-type]


def test_a_negative_seed_or_a_name_taken_is_refused() -> None:
    with pytest.raises(UsageError, match="seed is -1"):
        Simulation(-1)
