"""Attackers on the network: rubbish, floods, replays, forgeries, false presence."""

from typing import Any

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip import codec, inputs
from tastemesh.gossip.authorship import Authorship
from tastemesh.gossip.bundles import unpack_bundle
from tastemesh.gossip.codec import sign_record
from tastemesh.gossip.effects import Send
from tastemesh.gossip.presence import sign_presence
from tastemesh.gossip.record import WEIGHT_SCALE, Interaction
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import (
    SHARD_COUNT,
    control_topic,
    inbox_topic,
    presence_topic,
    records_topic,
    shard_of,
)
from tastemesh.sim.adversaries.intruder import Intruder, Means

_KEPT_COUNT = 5_000  # messages heard and kept for later
_GARBAGE_BYTES = 2_000
_FLOOD_ITEMS = 50  # beside the target, in each record of a flood


class Garbage(Intruder):
    """Publishes random bytes on every channel."""

    def act(self, now_ms: int, wall_ms: int, begun: bool, room: int) -> list[Send]:
        """See `Intruder.act`."""
        if not begun:
            return []
        rng, network = self.means.rng, self.means.network
        makers = (records_topic, presence_topic, control_topic)
        return [
            Send(
                makers[int(rng.integers(3))](network, int(rng.integers(SHARD_COUNT))),
                rng.bytes(int(rng.integers(1, _GARBAGE_BYTES))),
            )
            for _ in range(room)
        ]


class Flood(Intruder):
    """Its identities take turns and publish valid records as fast as the budget allows."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._pens = Authorship(means.signers, means.network, means.limits)
        self._turn = 0

    def act(self, now_ms: int, wall_ms: int, begun: bool, room: int) -> list[Send]:
        """See `Intruder.act`."""
        said: list[Send] = []
        for _ in range(room if begun else 0):
            author = self.means.signers[self._turn % len(self.means.signers)].id
            filler = self.means.rng.integers(0, 1 << 40, _FLOOD_ITEMS).tolist()
            items = [self.means.target, *(f"flood:{number}" for number in filler)]
            held = tuple(Interaction(item, "listen", WEIGHT_SCALE) for item in items)
            _, records = self._pens.write(author, held, wall_ms)
            said += self.bundles(author, [record.envelope for record in records])
            self._turn += 1
        return said


class Replayer(Intruder):
    """Publishes again, once and again, whatever it heard: records and presence."""

    listens = ("r", "h")

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._heard: dict[bytes, str] = {}

    def hear(self, event: inputs.Received, now_ms: int) -> None:
        """Keep a message."""
        if len(self._heard) < _KEPT_COUNT:
            self._heard[event.payload] = event.topic

    def act(self, now_ms: int, wall_ms: int, begun: bool, room: int) -> list[Send]:
        """See `Intruder.act`."""
        kept = list(self._heard.items())
        if not (begun and kept):
            return []
        picks = self.means.rng.integers(0, len(kept), room).tolist()
        return [Send(kept[pick][1], kept[pick][0]) for pick in picks]


class Forger(Intruder):
    """Alters what others signed, and signs in their names with keys of its own."""

    listens = ("r",)

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._heard: dict[bytes, bytes] = {}  # author by envelope

    def hear(self, event: inputs.Received, now_ms: int) -> None:
        """Keep the records of a bundle."""
        if len(self._heard) >= _KEPT_COUNT:
            return
        try:
            for envelope in unpack_bundle(event.payload, self.means.limits):
                record = codec.parse(envelope, self.means.network, self.means.limits)
                self._heard[envelope] = record.author
        except RemoteProtocolError:
            return

    def act(self, now_ms: int, wall_ms: int, begun: bool, room: int) -> list[Send]:
        """See `Intruder.act`."""
        kept = list(self._heard.items())
        if not (begun and kept):
            return []
        said: list[Send] = []
        for pick in self.means.rng.integers(0, len(kept), room).tolist():
            envelope, author = kept[pick]
            altered = self._altered(envelope) if pick % 2 else self._in_name(author, wall_ms)
            said += self.bundles(author, [altered])
        return said

    def _altered(self, envelope: bytes) -> bytes:
        at = int(self.means.rng.integers(len(envelope)))
        return envelope[:at] + bytes([envelope[at] ^ 1]) + envelope[at + 1 :]

    def _in_name(self, author: bytes, wall_ms: int) -> bytes:
        false = Signer(self.means.rng.bytes(32), self.means.rng.bytes(32))
        false.id = author
        held = (Interaction(self.means.target, "listen", WEIGHT_SCALE),)
        seq = int(self.means.rng.integers(1, 1_000))
        network, limits = self.means.network, self.means.limits
        return sign_record(false, network, 0, seq, b"", wall_ms, held, limits).envelope


class Eclipse(Intruder):
    """Announces each identity as a node that reads everything, and answers nobody's exchanges."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._asked = 0

    def inboxes(self) -> tuple[str, ...]:
        """Return the inboxes of its false nodes."""
        return tuple(inbox_topic(self.means.network, fake.id) for fake in self.means.signers)

    def hear(self, event: inputs.Received, now_ms: int) -> None:
        """Count what is asked in vain."""
        self._asked += 1

    def act(self, now_ms: int, wall_ms: int, begun: bool, room: int) -> list[Send]:
        """See `Intruder.act`."""
        if not begun:
            return []
        network = self.means.network
        chosen = [
            self.means.signers[(self.sent_count + n) % len(self.means.signers)] for n in range(room)
        ]
        return [
            Send(presence_topic(network, shard_of(fake.id)), sign_presence(fake, network, wall_ms))
            for fake in chosen
        ]

    def findings(self) -> dict[str, Any]:
        """Return how often nodes asked a false one."""
        return {"asked_in_vain": self._asked}
