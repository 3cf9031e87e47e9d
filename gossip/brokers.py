"""What our brokers do: which of them are up, what each delivered, what to carry between them.

Composes sightings, relay and meter. With one broker nothing is carried, and the meter still
compares what it pushed with what reconciliation brought.
"""

from collections import defaultdict
from collections.abc import Callable
from hashlib import sha256

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.echoes import Echoes
from tastemesh.gossip.effects import Effect, Fetch, Send, SetTimer
from tastemesh.gossip.envelope import Opened
from tastemesh.gossip.interest import Interest
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.meter import BrokerReport, Meter
from tastemesh.gossip.rates import Bucket
from tastemesh.gossip.record import Record, print_of
from tastemesh.gossip.relay import Relay
from tastemesh.gossip.sightings import Sighting, Sightings
from tastemesh.gossip.topics import records_topic

RELAY_TIMER = "relay"

# How often due records are looked at, as a share of the relay spread: what is due in one turn
# shares bundles. With one broker there is nothing to carry, and judging has time.
_TURN_SHARE = 4

# A record is judged when its relays have long arrived: this many relay spreads after its first
# copy.
_JUDGE_SPREADS = 6

# A copy of a record this much older is a replay and not a slow line: no honest broker queues a
# message for a session that has been connected for as long (guess). What we said ourselves comes
# back at once from a broker without No Local, and is none.
_REPLAY_MS = 600_000

# Copies that are no copies are checked as fast as the smallest envelopes fill the budget of what is
# read: a broker that brings more, so that nobody can say what it delivered, has its shard dropped.
_ENVELOPE_BYTES = 256
_SAVED_S = 60


class Brokers:
    """The brokers of one node; there are as many as it is configured with.

    Args:
        network: network id.
        limits: relay and sighting limits.
        seed: keys the relay's draws.
    """

    __slots__ = (
        "_checks", "_echoes", "_judge_ms", "_limits", "_meters", "_network", "_phase", "_relay",
        "_sightings", "_ticking", "_up_ms",
    )  # fmt: skip

    def __init__(self, network: str, limits: Limits, seed: bytes) -> None:
        self._network = network
        self._limits = limits
        self._judge_ms = _JUDGE_SPREADS * limits.relay_spread_ms
        self._sightings = Sightings(limits.sighting_count, self._judge_ms)
        self._relay = Relay(limits, seed)
        checks_per_s = limits.inbound_bytes_per_s / _ENVELOPE_BYTES
        self._checks = Bucket(checks_per_s, _SAVED_S * checks_per_s)
        self._meters: dict[str, Meter] = {}
        self._up_ms: dict[str, int] = {}  # monotonic
        self._echoes = Echoes()
        self._ticking = False
        self._phase = int.from_bytes(sha256(seed + b"phase").digest()[:4], "big") / 2**32

    @property
    def up(self) -> tuple[str, ...]:
        """Names of the brokers whose connection stands."""
        return tuple(self._up_ms)

    def come_up(self, broker: str, now_ms: int) -> list[Effect]:
        """Note that a connection stands."""
        self._meters.setdefault(broker, Meter())
        self._up_ms[broker] = now_ms
        if self._ticking:
            return []
        self._ticking = True
        # Carriers that look at one moment do not hear each other: those who started together too
        # have turns of their own.
        turn = self._next_turn()
        return [SetTimer(RELAY_TIMER, max(1, round(turn.delay_ms * self._phase)))]

    def go_down(self, broker: str) -> None:
        """Note that a connection is gone; nothing is expected of it now."""
        self._up_ms.pop(broker, None)
        self._relay.forget(broker)

    def push(self, topic: str, envelopes: list[bytes], broker: str = "") -> list[Effect]:
        """Order records to be sent to a topic, and expect them back.

        Args:
            topic: of their authors' shard.
            envelopes: of the records.
            broker: which one, or empty for all.
        """
        bundles = pack_bundles(envelopes, self._limits)
        self._echoes.note(bundles)
        return [Send(topic, bundle, broker) for bundle in bundles]

    def is_echo(self, broker: str, payload: bytes) -> bool:
        """Tell, once, whether a broker only brings back what we pushed."""
        return self._echoes.is_one(broker, payload)

    def note_new(
        self, record: Record, broker: str, now_ms: int, peer_count: Callable[[], int]
    ) -> None:
        """Note a record's first copy.

        Args:
            record: just taken into the window.
            broker: who pushed it, or empty where reconciliation brought it.
            now_ms: monotonic time.
            peer_count: returns among how many nodes the carriers are drawn, where some are.
        """
        carried = bool(broker) and len(self._up_ms) > 1
        delay_ms = self._relay.delay_ms(record.id, peer_count()) if carried else -1
        self._sightings.note_new(record, broker, now_ms, delay_ms)

    def note_again(
        self, opened: Opened, shard: int | None, broker: str, now_ms: int, age_ms: int
    ) -> bool:
        """Note another copy of a record that we hold; tell whether it is one.

        Only the same bytes on the record's own shard are a delivery. An id says nothing of the
        signature, so anybody could else have a broker seem to deliver what it withholds.

        Args:
            opened: the copy, with the id of a record that we hold or passed over.
            shard: of the topic that it was pushed to.
            broker: who pushed it, or empty where reconciliation brought it.
            now_ms: monotonic time.
            age_ms: of the record.

        Returns:
            False where it is another envelope whose signature is to be checked now; if it fits,
            `note_valid` is to be told.

        Raises:
            RemoteProtocolError: it is on another author's shard, or another envelope of which
                there are too many to check.
        """
        sighting = self._sightings.get(opened.record_id)
        if not broker or (sighting is not None and broker in sighting.delivered):
            return True
        if sighting is None:
            up_ms = self._up_ms.get(broker, now_ms)  # a new session may catch us up
            if min(age_ms, now_ms - up_ms) > _REPLAY_MS:
                self._meters[broker].replayed += 1
            return True
        if shard != sighting.shard:
            raise RemoteProtocolError(RejectReason.UNEXPECTED_TOPIC, "another author's shard")
        if print_of(opened.envelope) == sighting.envelope_print:
            sighting.note_delivered(broker, now_ms)
            return True
        if not self._checks.take(1, now_ms):
            sighting.excuse(broker)
            raise RemoteProtocolError(RejectReason.VERIFY_BUDGET, "too many copies that differ")
        return False

    def note_valid(self, record_id: bytes, broker: str, now_ms: int) -> None:
        """Note that another envelope of a record, of which `note_again` told, is valid too.

        Only its author can have made it, who would else have brokers seem to withhold him.
        """
        sighting = self._sightings.get(record_id)
        if sighting is not None:
            sighting.note_delivered(broker, now_ms)

    def turn(self, interest: Interest, now_ms: int, wall_ms: int) -> list[Effect]:
        """Judge what is complete, and carry what is due: order its bytes from the store."""
        complete = self._sightings.complete(now_ms)
        if complete:
            self._judge(complete, interest, now_ms, wall_ms)
        for sighting in self._sightings.due(now_ms):
            self._relay.ask(sighting, list(self._up_ms))
        taken = self._relay.take(now_ms, wall_ms)
        if not taken:
            return [self._next_turn()]
        parcels: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        for broker, sighting in taken:
            parcels[broker, sighting.shard].append(sighting.record_id)
        return [
            *(
                Fetch(tuple(ids), records_topic(self._network, shard), broker)
                for (broker, shard), ids in parcels.items()
            ),
            self._next_turn(),
        ]

    def _next_turn(self) -> SetTimer:
        spread_ms = self._limits.relay_spread_ms
        alone = len(self._meters) < 2
        return SetTimer(RELAY_TIMER, spread_ms if alone else spread_ms // _TURN_SHARE)

    def reports(self) -> dict[str, BrokerReport]:
        """Return what has been seen of each broker, by name."""
        return {
            broker: meter.report(broker in self._up_ms) for broker, meter in self._meters.items()
        }

    def _judge(
        self, complete: list[Sighting], interest: Interest, now_ms: int, wall_ms: int
    ) -> None:
        """Count records for every broker that had to deliver them.

        What obliges a broker is that another one delivered: whoever is withheld elsewhere would
        else stand out here, as nobody carries what no other broker delivers. What we carried there
        ourselves does not count.
        """
        up = [(broker, up_ms, self._meters[broker]) for broker, up_ms in self._up_ms.items()]
        is_alone = len(up) == 1
        # As the clock is now: it may have been set since the connection stands.
        from_monotonic_ms = wall_ms - now_ms
        for sighting in complete:
            if now_ms - interest.read_since_ms(sighting.shard) < self._judge_ms:
                continue
            delivered_by, excused = sighting.delivered, sighting.excused
            count = len(delivered_by)  # of those who did so unasked: ours comes back to us
            for broker in excused:
                count -= broker in delivered_by
            first_ms = sighting.first_ms
            for broker, up_ms, meter in up:
                if broker in excused:
                    continue
                delivered = broker in delivered_by
                if delivered:
                    meter.time(sighting.delivered_ms[delivered_by.index(broker)] - first_ms)
                if up_ms > first_ms:
                    continue
                if count > delivered or (
                    is_alone and (delivered or self._was_owed(sighting, up_ms + from_monotonic_ms))
                ):
                    meter.judge(sighting.author, delivered)

    def _was_owed(self, sighting: Sighting, up_wall_ms: int) -> bool:
        """Tell whether the only broker had to push what reconciliation brought.

        It did so when its author dated it, if at all. He may be off by the skew, and then he is not
        judged by.
        """
        return sighting.created_ms > up_wall_ms + self._limits.skew_ms
