"""Protocol cores wired together without a network: what one sends, the others hear."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from tastemesh.gossip import effects, inputs
from tastemesh.gossip.effects import Effect, EvictReason
from tastemesh.gossip.engine import GossipEngine
from tastemesh.gossip.inbox import INTRODUCED, Message, introduction, written
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.lineage import StoredLineage
from tastemesh.gossip.presence import sign_presence
from tastemesh.gossip.reconcile import salt_of
from tastemesh.gossip.record import Endorsement, Interaction, Record, Said
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import ALL_SHARDS

WALL_MS = 1_700_000_000_000
NETWORK = "main"
BROKER = "broker"


def secret(name: str) -> bytes:
    return sha256(name.encode()).digest()


def person(name: str) -> Signer:
    return Signer(secret(name), secret(name + " next"))


def listen(item: str) -> Interaction:
    return Interaction(item, "listen", 10_000)


def remembered(record: Record) -> Effect:
    """Return the order to keep a record's lineage beyond the record."""
    assert record.lineage is not None
    return effects.PersistLineage(StoredLineage.of(record.lineage))


def introduce(
    who: Signer,
    to: bytes,
    frame: bytes,
    wall_ms: int = WALL_MS,
    reads: int = ALL_SHARDS,
    mask: int = ALL_SHARDS,
) -> bytes:
    """Return an inbox message that begins an exchange, as an honest node would."""
    context = to + salt_of(frame, Limits())
    presence = sign_presence(who, NETWORK, wall_ms, reads, context)
    return written(Message(INTRODUCED, who.id, introduction(presence, frame), mask))


def renewals(cores: "Cores", node: int = 0) -> list[tuple[bytes, tuple[Endorsement, ...]]]:
    """Return what a node would say again if all that it says of others were old."""
    engine, at_ms = cores.engines[node], cores.wall_ms + 1
    return engine.authorship.renewals(at_ms, at_ms, engine.window.date_ms)


class Cores:
    """A few protocol cores on brokers that lose nothing unless `carry` says so.

    Args:
        people: one local identity for each node.
        limits: of all, or of each.
        brokers: names of the brokers, all of which everybody is connected to.
    """

    def __init__(
        self,
        people: Sequence[Signer],
        limits: Limits | Sequence[Limits] | None = None,
        brokers: Iterable[str] = (BROKER,),
    ) -> None:
        given = limits or Limits()
        each = [given] * len(people) if isinstance(given, Limits) else given
        self.limits = each[0]
        self.brokers = tuple(brokers)
        self.nodes = [person(f"node {n}") for n in range(len(people))]
        self.engines = [
            GossipEngine(node, (who,), NETWORK, each[n], secret(f"seed {n}"))
            for n, (node, who) in enumerate(zip(self.nodes, people, strict=True))
        ]
        self.stores: list[dict[bytes, bytes]] = [{} for _ in people]
        self.aside: list[dict[bytes, bytes]] = [{} for _ in people]  # and what waits there
        self.done: list[list[Effect]] = [[] for _ in people]
        self.now_ms = 0
        self.carry: Callable[[int, int, effects.Send, str], bool] = lambda *_: True
        self._timers: list[tuple[int, int, str]] = []
        self._queue: deque[tuple[int, inputs.Input]] = deque()
        for n in range(len(people)):
            self.tell(n, inputs.Started(self.wall_ms))
            for broker in self.brokers:
                self.tell(n, inputs.BrokerUp(broker, self.wall_ms))

    @property
    def wall_ms(self) -> int:
        return WALL_MS + self.now_ms

    def tell(self, node: int, event: inputs.Input) -> None:
        """Feed an input in, and everything that follows from it at this moment."""
        self._queue.append((node, event))
        while self._queue:
            number, fact = self._queue.popleft()
            for effect in self.engines[number].handle(fact, self.now_ms):
                self.done[number].append(effect)
                self._carry_out(number, effect)

    def say(self, node: int, *statements: Said) -> None:
        (author,) = self.engines[node].authorship.authors
        self.tell(node, inputs.Recorded(author, statements, self.wall_ms))

    def hear(self, node: int, topic: str, payload: bytes, broker: str = BROKER) -> list[Effect]:
        """Have a node receive a message; return all that it did about it."""
        before = len(self.done[node])
        self.tell(node, inputs.Received(broker, topic, payload, self.wall_ms))
        return self.done[node][before:]

    def pass_time(self, for_ms: int) -> None:
        until_ms = self.now_ms + for_ms
        while self._timers and min(self._timers)[0] <= until_ms:
            first = min(self._timers)
            self._timers.remove(first)
            self.now_ms = first[0]
            self.tell(first[1], inputs.TimerFired(first[2], self.wall_ms))
        self.now_ms = until_ms

    def held(self, node: int) -> set[bytes]:
        return set(self.stores[node])

    def _carry_out(self, number: int, effect: Effect) -> None:
        match effect:
            case effects.Persist(record=record):
                is_held = record.id in self.engines[number].window
                (self.stores if is_held else self.aside)[number][record.id] = record.envelope
            case effects.Evict():
                store, aside = self.stores[number], self.aside[number]
                for record_id in effect.record_ids:
                    envelope = store.pop(record_id, None) or aside.pop(record_id, b"")
                    if effect.reason is EvictReason.SET_ASIDE:
                        aside[record_id] = envelope
            case effects.SetTimer():
                self._timers.append((self.now_ms + effect.delay_ms, number, effect.timer))
            case effects.Fetch():
                store = self.stores[number]
                found = tuple(store[i] for i in effect.record_ids if i in store)
                fetched = inputs.Fetched(found, effect.topic, effect.broker)
                self._queue.append((number, fetched))
            case effects.Send():
                for broker in (effect.broker,) if effect.broker else self.brokers:
                    self._publish(number, effect, broker)

    def _publish(self, sender: int, message: effects.Send, broker: str) -> None:
        for reader in range(len(self.engines)):
            to_inbox = "/n/" in message.topic
            meant = message.topic.endswith(self.nodes[reader].id.hex()) or not to_inbox
            if reader != sender and meant and self.carry(sender, reader, message, broker):
                received = inputs.Received(broker, message.topic, message.payload, self.wall_ms)
                self._queue.append((reader, received))
