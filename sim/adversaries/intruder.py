"""A hostile program at a station: hears and says what any client could, within a budget.

Everything it publishes goes through the brokers as anybody's messages do, and is a message of the
real protocol or rubbish; nodes are never touched otherwise.
"""

from typing import Any

import msgspec
import numpy as np

from tastemesh.gossip import inputs
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.effects import Effect, Send, SetTimer, Subscribe
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import records_topic, shard_of
from tastemesh.sim.scenario import Adversary

_ACT = "act"
_ACT_MS = 1_000
_BUNDLE_RECORDS = 16  # in one message of an attacker's: one author's, and below every size limit


class Means(msgspec.Struct, frozen=True):
    """What an attacker has.

    Attributes:
        policy: what he is to do, and his budget.
        signers: his identities.
        network: network id.
        limits: the wire limits, which he knows.
        rng: his choices.
        target: the item that he wants on people's lists.
    """

    policy: Adversary
    signers: tuple[Signer, ...]
    network: str
    limits: Limits
    rng: np.random.Generator
    target: str


class Intruder:
    """Base of all attackers: what it orders is cut to its budget of messages.

    Args:
        means: what it has.
    """

    listens: tuple[str, ...] = ()
    """Channels that it subscribes to: `r`, `h`, `c`; all shards of each."""

    def __init__(self, means: Means) -> None:
        self.means = means
        self.sent_count = 0
        self._start_ms = round(means.policy.start_s * 1000)
        self._tokens = 0.0

    def handle(self, event: inputs.Input, now_ms: int) -> list[Effect]:
        """Take one input and return what is to be done, as a node's core does."""
        match event:
            case inputs.Started():
                topics = tuple(f"tastemesh/1/{self.means.network}/{c}/+" for c in self.listens)
                return [Subscribe((), (*topics, *self.inboxes())), SetTimer(_ACT, _ACT_MS)]
            case inputs.Received():
                self.hear(event, now_ms)
                return []
            case inputs.TimerFired():
                again: list[Effect] = [SetTimer(_ACT, _ACT_MS)]
                if self.sent_count >= self.means.policy.messages:
                    return []
                per_s = self.means.policy.messages_per_s
                self._tokens = min(max(1.0, per_s), self._tokens + per_s * _ACT_MS / 1000)
                room = min(int(self._tokens), self.means.policy.messages - self.sent_count)
                said = self.act(now_ms, event.wall_ms, now_ms >= self._start_ms, room)[:room]
                self._tokens -= len(said)
                self.sent_count += len(said)
                return [*said, *again]
        return []

    def inboxes(self) -> tuple[str, ...]:
        """Return inbox topics that it reads."""
        return ()

    def hear(self, event: inputs.Received, now_ms: int) -> None:
        """Take note of a message."""

    def act(self, now_ms: int, wall_ms: int, begun: bool, room: int) -> list[Send]:
        """Return what to publish now.

        Args:
            now_ms: virtual time.
            wall_ms: wall clock.
            begun: whether its time has come.
            room: messages that the budget has room for; more are dropped.
        """
        raise NotImplementedError

    def findings(self) -> dict[str, Any]:
        """Return what else is to be reported of it."""
        return {}

    def bundles(self, author: bytes, envelopes: list[bytes]) -> list[Send]:
        """Return messages that push one author's records to his shard."""
        topic = records_topic(self.means.network, shard_of(author))
        return [
            Send(topic, bundle)
            for at in range(0, len(envelopes), _BUNDLE_RECORDS)
            for bundle in pack_bundles(envelopes[at : at + _BUNDLE_RECORDS], self.means.limits)
        ]
