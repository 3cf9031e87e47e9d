"""What simulated nodes recommend to their users, and what attackers got of it."""

from hashlib import sha256
from typing import Any

import msgspec
import numpy as np

from tastemesh.node.answers import Advice
from tastemesh.sim.adversaries.deployment import Deployed
from tastemesh.sim.engine import Simulation
from tastemesh.sim.population import Population
from tastemesh.sim.replay import advised
from tastemesh.sim.trace import Listed, TraceWriter

_advice = msgspec.msgpack.Decoder(list[Advice])


class Lists(msgspec.Struct, frozen=True):
    """The top ten of the nodes that were asked, by their numbers."""

    by_node: dict[int, list[Advice]]

    def summary(self) -> dict[str, Any]:
        """Return how many were asked and got a list, and a hash of all lists."""
        told = sha256()
        for number, advice in self.by_node.items():
            told.update(msgspec.msgpack.encode((number, advice)))
        return {
            "asked": len(self.by_node),
            "answered": sum(bool(advice) for advice in self.by_node.values()),
            "digest": told.hexdigest(),
        }


def ask(
    simulation: Simulation,
    population: Population,
    count: int,
    seed: int,
    record: TraceWriter | None,
) -> Lists:
    """Ask some nodes, drawn at random, what they recommend to their users.

    Args:
        simulation: at its end.
        population: whose users they are.
        count: how many to ask; all where there are fewer.
        seed: of the draw.
        record: where the lists are written, if anywhere.
    """
    rng = np.random.default_rng([seed, 10])
    asked = set(rng.permutation(len(simulation.nodes))[:count].tolist())
    mine = {
        peer.number: advised(peer, population, simulation.now_ms)
        for peer in simulation.peers.values()
        if peer.number in asked
    }
    told = [
        item for part in simulation.company.gather(mine, dict[int, bytes]) for item in part.items()
    ]
    by_node: dict[int, list[Advice]] = {}
    for number, advice in sorted(told):
        by_node[number] = _advice.decode(advice)
        if record is not None:
            record.put(Listed(simulation.now_ms, number, advice))
    return Lists(by_node)


def exposure(
    simulation: Simulation, lists: Lists, deployed: list[Deployed]
) -> list[dict[str, Any]]:
    """Return what each adversary spent and what he got.

    Exposure is the share of the asked nodes with his target in their top ten, slots marked
    `unverified` included; without those whose users were deceived or endorse somebody who was, and
    of these beside. Where nobody else was asked it is None.

    Args:
        simulation: at its end.
        lists: what the asked nodes recommend.
        deployed: the adversaries.
    """
    return [_one(simulation, lists, each) for each in deployed]


def _one(simulation: Simulation, lists: Lists, adversary: Deployed) -> dict[str, Any]:
    exposed = {
        number: any(line.item == adversary.target for line in advice)
        for number, advice in lists.by_node.items()
    }
    near = {number: hit for number, hit in exposed.items() if number in adversary.near}
    far = {number: hit for number, hit in exposed.items() if number not in adversary.near}
    counts = np.zeros(3, np.int64)
    for peer in simulation.peers.values():
        window, convicts = peer.core.engine.window, peer.core.engine.intake.proofs
        counts += (  # statements, as a window is bounded: one record has room for 256
            window.statement_count,
            sum(window.author_statement_count(author) for author in adversary.authors),
            any(author in convicts for author in adversary.authors),
        )
    parts = simulation.company.gather(counts.tolist(), list[int])
    total, held, convicted = np.sum(parts, axis=0).tolist()
    policy = adversary.policy
    return {
        "strategy": policy.strategy,
        "identities": policy.identities,
        "attack_edges": policy.attack_edges,
        "messages_sent": adversary.intruder.sent_count,
        "bytes_sent": adversary.station.sent_bytes,
        "exposure@10": _share(far),
        "exposure_of_the_deceiveds_friends@10": _share(near),
        "window_share": held / total if total else 0.0,
        "convicted_by": convicted / len(simulation.nodes),
        **adversary.intruder.findings(),
    }


def _share(hits: dict[int, bool]) -> float | None:
    return sum(hits.values()) / len(hits) if hits else None
