"""A hostile client: it reads everything, and forges, alters, replays, back-dates and floods.

It speaks MQTT through the same transport as a node and holds an identity of its own, so each attack
reaches the codec and the limits in the form that fits them best.
"""

import asyncio
from collections import Counter

import msgspec
import numpy as np

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip import codec
from tastemesh.gossip.bundles import pack_bundles, unpack_bundle
from tastemesh.gossip.envelope import RECORD_DOMAIN, open_public
from tastemesh.gossip.limits import DAY_MS, Limits
from tastemesh.gossip.record import Interaction, Record
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import PREFIX, records_topic, shard_of
from tastemesh.node.clock import Clock
from tastemesh.node.mqtt import MqttTransport
from tastemesh.node.transport import Message, Transport

ATTACKS = ("forge", "alter", "replay", "back-date", "flood")

TARGET_ITEM = "spam:buy-this"

# Genuine records that are kept to be abused, newest first; and messages a round of each attack. The
# flood is 200 a second, a hundred times the rate that an author may push for long; every node of
# the demonstration shares one processor with it.
_CAPTURED_COUNT = 256
_ROUND_COUNT = 8
_FLOOD_COUNT = 100
_PAUSE_S = 0.5


class HostileClient:
    """One attacker on the broker.

    Args:
        broker: its URL.
        network: whose records it abuses.
        attacks: a subset of `ATTACKS`.
        clock: for dates that look right.
        rng: what it alters, and whom it impersonates.
    """

    def __init__(
        self,
        broker: str,
        network: str,
        attacks: tuple[str, ...],
        clock: Clock,
        rng: np.random.Generator,
    ) -> None:
        self._broker = broker
        self._network = network
        self._attacks = attacks
        self._clock = clock
        self._rng = rng
        self._limits = Limits()
        self._signer = Signer(rng.bytes(32), rng.bytes(32))
        self._captured: list[Record] = []
        self._flood_seq = 0
        self.sent: Counter[str] = Counter()
        self._rounds = asyncio.Semaphore(0)

    @property
    def author(self) -> bytes:
        """Id of the identity that floods under its own name."""
        return self._signer.id

    async def run(self) -> None:
        """Attack until cancelled."""
        client_id = f"hostile-{self._signer.id.hex()[:16]}"
        async with MqttTransport((self._broker,), client_id=client_id) as transport:
            transport.subscribe((f"{PREFIX}/{self._network}/r/+",))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._capture(transport))
                tasks.create_task(self._attack(transport))

    async def struck(self, count: int) -> None:
        """Wait until every attack has had so many turns with genuine records to abuse."""
        for _ in range(count):
            await self._rounds.acquire()

    async def _capture(self, transport: Transport) -> None:
        while True:
            for event in await transport.events():
                if isinstance(event, Message):
                    self._keep(unpack_bundle(event.payload, self._limits))
                    transport.acknowledge(event)  # or the broker holds back what follows

    def _keep(self, envelopes: list[bytes]) -> None:
        """Remember genuine records of others; our own rubbish comes back too."""
        for envelope in envelopes:
            try:
                record = codec.decode(envelope, self._network, self._limits)
            except RemoteProtocolError:
                continue
            if record.author != self.author:
                self._captured = [record, *self._captured[: _CAPTURED_COUNT - 1]]

    async def _attack(self, transport: Transport) -> None:
        attacks = {
            "forge": self._forge,
            "alter": self._alter,
            "replay": self._replay,
            "back-date": self._back_date,
            "flood": self._flood,
        }
        while True:
            for name in self._attacks:
                envelopes = attacks[name]()
                for author, envelope in envelopes:
                    topic = records_topic(self._network, shard_of(author))
                    (payload,) = pack_bundles([envelope], self._limits)
                    if transport.publish(topic, payload):
                        self.sent[name] += 1
            await transport.drain()
            if self._captured:
                self._rounds.release()
            await asyncio.sleep(_PAUSE_S)

    def _victims(self) -> list[Record]:
        """Return a handful of captured records."""
        if not self._captured:
            return []
        picked = self._rng.integers(0, len(self._captured), _ROUND_COUNT)
        return [self._captured[n] for n in picked.tolist()]

    def _praise(self) -> Interaction:
        return Interaction(TARGET_ITEM, "like", 10_000)

    def _forge(self) -> list[tuple[bytes, bytes]]:
        """Say in a victim's name that he likes the target, signed with our key."""
        forged = []
        for victim in self._victims():
            body = msgspec.msgpack.encode(
                [
                    1,
                    self._network,
                    victim.author,
                    0,
                    int(self._rng.integers(1000, 2**31)),
                    b"",
                    self._clock.wall_ms(),
                    [self._praise()],
                ]
            )
            own = self._signer.public
            theirs = open_public(victim.envelope, self._limits)
            # With the victim's own key in the envelope, and with ours in its place.
            for public in (theirs, own):
                signature = self._signer.sign(RECORD_DOMAIN + body)
                forged.append(
                    (
                        victim.author,
                        msgspec.msgpack.encode(
                            [body, public.key, public.next_digest, signature, None]
                        ),
                    )
                )
        return forged

    def _alter(self) -> list[tuple[bytes, bytes]]:
        """Change one byte of a genuine record."""
        altered = []
        for victim in self._victims():
            changed = bytearray(victim.envelope)
            changed[int(self._rng.integers(0, len(changed)))] ^= int(self._rng.integers(1, 256))
            altered.append((victim.author, bytes(changed)))
        return altered

    def _replay(self) -> list[tuple[bytes, bytes]]:
        """Send genuine records again, as they are."""
        return [(victim.author, victim.envelope) for victim in self._victims()]

    def _back_date(self) -> list[tuple[bytes, bytes]]:
        """Claim, under our own name, to have liked the target long ago, or tomorrow."""
        now_ms = self._clock.wall_ms()
        return [
            (self.author, self._own(now_ms + offset_ms))
            for offset_ms in (-60 * DAY_MS, -400 * DAY_MS, DAY_MS)
        ]

    def _flood(self) -> list[tuple[bytes, bytes]]:
        """Push validly signed praise as fast as the broker takes it."""
        now_ms = self._clock.wall_ms()
        return [(self.author, self._own(now_ms)) for _ in range(_FLOOD_COUNT)]

    def _own(self, created_ms: int) -> bytes:
        self._flood_seq += 1
        return codec.sign_record(
            self._signer,
            self._network,
            0,
            self._flood_seq,
            b"",
            created_ms,
            (self._praise(),),
            self._limits,
        ).envelope
