"""Who lives in a scenario: the nodes, their users and their clocks, all from one seed.

A node is made from nothing but its keys, so it can be made again after a crash, and in a replay.
"""

from hashlib import sha256

import numpy as np

from tastemesh.gossip.limits import Limits
from tastemesh.gossip.signer import Signer
from tastemesh.node.core import Core
from tastemesh.sim.brokers import Broker
from tastemesh.sim.reading import NotedSigner, SharedReader, Signatures
from tastemesh.sim.scenario import Scenario

NETWORK = "sim"


class Population:
    """The nodes of a scenario, and how each is made again after a crash.

    Args:
        scenario: its size, periods and bounds.
        seed: every key follows from it; 0 or more.
        shared: some of the nodes live in other processes.
    """

    def __init__(self, scenario: Scenario, seed: int, *, shared: bool = False) -> None:
        self._seed = seed
        self.limits = Limits(
            sync_period_ms=round(scenario.sync_period_s * 1000),
            window_statement_count=scenario.bounds.window_statements,
            inbound_bytes_per_s=scenario.bounds.inbound_bytes_per_s,
            presence_bytes_per_s=scenario.bounds.presence_bytes_per_s,
            interest_period_ms=round(scenario.bounds.interest_period_s * 1000),
        )
        self.signatures = Signatures(shared=shared)
        self._reader = SharedReader(NETWORK, self.limits, self.signatures.fits)
        self.people = [self.signer(number, b"person") for number in range(scenario.nodes)]
        rng = np.random.default_rng(np.random.SeedSequence([seed, 7]))
        most_ms = scenario.skew_ms
        self.skews_ms: list[int] = rng.integers(-most_ms, most_ms + 1, scenario.nodes).tolist()

    def core(self, number: int) -> Core:
        """Make a node's core from nothing but its keys."""
        return Core(
            node=self.signer(number, b"node"),
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

    def signer(self, number: int, purpose: bytes) -> Signer:
        """Return keys: one pair for each number and purpose."""
        secret, next_secret = (self._secret(number, purpose + s) for s in (b"", b" next"))
        return NotedSigner(secret, next_secret, self.signatures)

    def _secret(self, number: int, purpose: bytes) -> bytes:
        return sha256(b"%d %d %s" % (self._seed, number, purpose)).digest()
