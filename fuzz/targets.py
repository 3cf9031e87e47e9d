"""What is fuzzed: every decoder of the wire, and a whole protocol core fed a script of inputs.

A target takes bytes and returns, or raises what it should not. Nothing here needs a fuzzer: the
test suite runs the same targets on Hypothesis' inputs.
"""

from contextlib import suppress
from hashlib import sha256

import msgspec

from tastemesh.errors import RemoteProtocolError, UsageError
from tastemesh.gossip import codec, effects, inputs, reconcile
from tastemesh.gossip.bundles import pack_bundles, unpack_bundle
from tastemesh.gossip.echoes import PAYLOAD_COUNT
from tastemesh.gossip.engine import GossipEngine
from tastemesh.gossip.envelope import RECORD_DOMAIN
from tastemesh.gossip.greetings import HEARD_COUNT
from tastemesh.gossip.inbox import INTRODUCED, Message, introduction, read_message
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.lineage import StoredLineage
from tastemesh.gossip.presence import authenticate_presence, parse_presence, sign_presence
from tastemesh.gossip.proofs import encode_proof, open_proof
from tastemesh.gossip.ranges import decode_frame, salt_of
from tastemesh.gossip.record import Endorsement, Forget, Interaction, Record, Rotation, Said
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import (
    ALL_SHARDS,
    control_topic,
    inbox_topic,
    presence_topic,
    records_topic,
    shard_of,
)

NETWORK = "main"
WALL_MS = 1_790_000_000_000
WIRE = Limits()

# Small enough for a script to run into each of them.
TIGHT = Limits(
    window_statement_count=64,
    author_interaction_count=16,
    author_endorsement_count=8,
    author_notice_count=4,
    author_bucket_count=4,
    author_burst_count=32,
    stranger_burst_count=64,
    lineage_count=4,
    proof_count=2,
    passed_count=8,
    sighting_count=8,
    peer_count=4,
    sync_reply_count=4,
)

_BROKERS = ("one", "two")
_TIMERS = ("presence", "greeting", "sync", "expire", "interest", "relay")


def _secret(name: str) -> bytes:
    return sha256(b"fuzz " + name.encode()).digest()


def _signer(name: str) -> Signer:
    return Signer(_secret(name), _secret(name + "'"))


NODE, EGO = _signer("node"), _signer("ego")
_FIRST = [_signer(f"author {n}") for n in range(6)]
AUTHORS = [
    *_FIRST,
    *(
        signer.rotated(_secret(f"author {n}'"), _secret(f"author {n}''"), (0, 3))
        for n, signer in enumerate(_FIRST[:3])
    ),
]
NODES = [_signer(f"peer {n}") for n in range(8)]

_ITEMS = reconcile.ItemSet()
for _number in range(40):
    _ITEMS.insert(WALL_MS + _number, _secret(str(_number)), _number)


def decoders(data: bytes) -> None:
    """Give the bytes to each decoder; each may refuse them, and do nothing else."""
    attempts = (
        lambda: codec.decode(data, NETWORK, WIRE),
        lambda: shard_of(codec.parse(data, NETWORK, WIRE).author),  # what comes before who signed
        lambda: read_message(data, WIRE).introduction,
        lambda: unpack_bundle(data, WIRE),
        lambda: parse_presence(data, NETWORK),
        lambda: authenticate_presence(data),
        lambda: open_proof(data, NETWORK, WIRE),
        lambda: decode_frame(data, WIRE),
        lambda: salt_of(data, WIRE),
        lambda: reconcile.respond(_ITEMS, data, WIRE),
    )
    for attempt in attempts:
        try:
            attempt()
        except RemoteProtocolError as error:
            assert error.reason


class Script:
    """Bytes read as instructions; what is missing at the end is 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def number(self, below: int) -> int:
        """Return the next byte, modulo `below`."""
        self._at += 1
        return self._data[self._at - 1] % below if self._at <= len(self._data) else 0

    def octets(self) -> bytes:
        """Return as many bytes as the next one says."""
        count = self.number(256)
        self._at += count
        return self._data[self._at - count : self._at]


class Core:
    """A protocol core with the world around it played by a script.

    Args:
        limits: of the core.
    """

    def __init__(self, limits: Limits = TIGHT) -> None:
        self.engine = GossipEngine(NODE, (EGO,), NETWORK, limits, b"seed")
        self.now_ms = 0
        self._clock_off_ms = 0
        self._store: dict[bytes, inputs.Stored] = {}
        self._aside: dict[bytes, inputs.Stored] = {}
        self._lineages: dict[bytes, StoredLineage] = {}
        self._until = (0, 1)  # the last reservation of a sequence
        self._records: list[Record] = []
        self._sent: list[effects.Send] = []
        self._tell(inputs.Started(WALL_MS))

    @property
    def wall_ms(self) -> int:
        """The wall clock."""
        return max(0, WALL_MS + self.now_ms + self._clock_off_ms)

    def step(self, script: Script) -> None:
        """Carry out one instruction, and check every bound after it."""
        (
            self._hear_anything,
            self._hear_record,
            self._hear_records_again,
            self._hear_presence,
            self._hear_inbox,
            self._hear_proof,
            self._hear_altered,
            self._hear_crafted,
            self._pass_time,
            self._turn_broker,
            self._say,
            self._change_trust,
            self._interrupt,
        )[script.number(13)](script)
        for name, (count, most) in self.sizes().items():
            assert count <= most, f"{name}: {count}, at most {most}"
        # What is held and what was ordered to be stored never part.
        assert len(self._store) == len(self.engine.window)
        assert all(record_id in self.engine.window for record_id in self._store)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return (how many, at most) of everything that is keyed by what others send."""
        engine, limits = self.engine, self.engine.limits
        return {
            "statements": (engine.window.statement_count, limits.window_statement_count),
            "peers": (len(engine.peers), limits.peer_count),
            "proofs": (len(engine.intake.proofs), limits.proof_count),
            "lineages": (len(engine.intake.lineages), limits.lineage_count),
            "buckets": (len(engine.intake._pushed._buckets), limits.author_bucket_count),
            "buckets of brought": (
                len(engine.intake._brought._buckets),
                limits.author_bucket_count,
            ),
            "forgeries": (len(engine.intake._forgeries), 2 * len(_BROKERS)),
            "passed over": (len(engine._sync._passed), limits.passed_count),
            "greetings": (len(engine._greetings), HEARD_COUNT),
            "echoes": (len(engine.brokers._echoes), PAYLOAD_COUNT),
            "sightings": (len(engine.brokers._sightings), limits.sighting_count),
        }

    def _hear_anything(self, script: Script) -> None:
        topics = (
            records_topic(NETWORK, script.number(64)),
            presence_topic(NETWORK, script.number(64)),
            control_topic(NETWORK, script.number(64)),
            inbox_topic(NETWORK, NODE.id),
            "elsewhere",
        )
        self._hear(topics[script.number(5)], script.octets())

    def _hear_record(self, script: Script) -> None:
        author = AUTHORS[script.number(len(AUTHORS))]
        said = tuple(self._statement(script) for _ in range(1 + script.number(5)))
        dated_ms = self.wall_ms - (script.number(40) - 1) * 86_400_000 + script.number(3) * 130_000
        try:
            record = codec.sign_record(
                author, NETWORK, script.number(3), 1 + script.number(8), b"", dated_ms, said, WIRE
            )
        except UsageError:
            return
        self._records = [*self._records[-15:], record]
        shard = shard_of(author.id) if script.number(8) else script.number(64)
        (bundle,) = pack_bundles([record.envelope], WIRE)
        self._hear(records_topic(NETWORK, shard), bundle, _BROKERS[script.number(2)])

    def _statement(self, script: Script) -> Said:
        match script.number(6):
            case 0:
                subject = AUTHORS[script.number(len(AUTHORS))].id
                return Endorsement(subject, (script.number(3) - 1) * 10_000)
            case 1:
                first = 1 + script.number(8)
                return Forget(script.number(3), first, first + script.number(4))
            case 2:
                return Rotation(1 + script.number(2))
            case _:
                return Interaction(f"item {script.number(32)}", "listen", 10_000)

    def _hear_records_again(self, script: Script) -> None:
        again = [r.envelope for r in self._records if script.number(2)]
        for bundle in pack_bundles(again, WIRE):
            if script.number(2):
                sender = NODES[script.number(len(NODES))].id
                self._inbox(Message(1, sender, bundle, 0))
            else:
                topic = records_topic(NETWORK, shard_of(self._records[-1].author))
                self._hear(topic, bundle, _BROKERS[script.number(2)])

    def _hear_presence(self, script: Script) -> None:
        node = NODES[script.number(len(NODES))]
        sent_ms = self.wall_ms + (script.number(5) - 2) * 100_000
        mask = ALL_SHARDS if script.number(4) else 1 << script.number(64)
        payload = sign_presence(node, NETWORK, sent_ms, mask)
        self._hear(presence_topic(NETWORK, shard_of(node.id)), payload)

    def _hear_inbox(self, script: Script) -> None:
        sender = NODES[script.number(len(NODES))]
        items = reconcile.ItemSet()
        for record in self._records:
            if script.number(2):
                items.insert(record.created_ms, record.id, shard_of(record.author))
        salt = bytes([script.number(256) % 4]) * 16  # few, so that exchanges go on
        frame = reconcile.initiate(items, salt, WIRE) if script.number(2) else script.octets()
        tag = script.number(4)
        if tag == INTRODUCED:
            context = NODE.id + salt
            shown = sign_presence(sender, NETWORK, self.wall_ms, ALL_SHARDS, context)
            frame = introduction(shown, frame)
        self._inbox(Message(tag, sender.id, frame, ALL_SHARDS))

    def _hear_proof(self, script: Script) -> None:
        author = _FIRST[script.number(len(_FIRST))]
        pair = [
            codec.sign_record(
                author,
                NETWORK,
                script.number(2),
                1 + script.number(8),
                b"",
                self.wall_ms,
                (Interaction(item, "listen", 1),),
                WIRE,
            )
            for item in ("one", "other")
        ]
        proof = encode_proof(*pair)
        if script.number(2):
            self._hear(control_topic(NETWORK, shard_of(author.id)), proof)
        else:
            self._inbox(Message(2, NODES[0].id, proof, 0))

    def _hear_altered(self, script: Script) -> None:
        """Send something that this core said back to it, a byte of it changed."""
        if not self._sent:
            return
        sent = self._sent[script.number(len(self._sent))]
        payload = bytearray(sent.payload)
        payload[script.number(256) * len(payload) // 256] ^= script.number(256)
        topic = sent.topic if script.number(2) else inbox_topic(NETWORK, NODE.id)
        self._hear(topic, bytes(payload))

    def _hear_crafted(self, script: Script) -> None:
        """Send a genuine record, if there is one, and behind it one with a part of some length."""
        author = AUTHORS[script.number(len(AUTHORS))]
        body = [1, NETWORK, author.id, 0, 1 + script.number(64), b"", self.wall_ms, [[9]]]
        lengths = (0, 1, 16, 31, 32, 33, 64, 65)
        if script.number(2):
            body[script.number(len(body))] = bytes(lengths[script.number(8)])
        raw, public = msgspec.msgpack.encode(body), author.public
        signature = author.sign(RECORD_DOMAIN + raw)
        envelope = [raw, public.key, public.next_digest, signature, author.lineage]
        if script.number(2):
            envelope[script.number(len(envelope))] = bytes(lengths[script.number(8)])
        bundle = [each.envelope for each in self._records[-1:]] + [msgspec.msgpack.encode(envelope)]
        self._hear(records_topic(NETWORK, shard_of(author.id)), msgspec.msgpack.encode(bundle))

    def _pass_time(self, script: Script) -> None:
        self.now_ms += (1, 1_000, 60_000, 3_600_000, 86_400_000)[script.number(5)]
        self._tell(inputs.TimerFired(_TIMERS[script.number(len(_TIMERS))], self.wall_ms))

    def _turn_broker(self, script: Script) -> None:
        broker = _BROKERS[script.number(2)]
        match script.number(3):
            case 0:
                self._tell(inputs.BrokerDown(broker))
            case 1:
                self._tell(inputs.Dropped(broker, script.number(256)))
            case _:
                self._tell(inputs.BrokerUp(broker, self.wall_ms))

    def _say(self, script: Script) -> None:
        said = tuple(self._statement(script) for _ in range(1 + script.number(4)))
        private = script.number(4) == 0
        with suppress(UsageError):
            self._tell(inputs.Recorded(EGO.id, said, self.wall_ms, private))

    def _change_trust(self, script: Script) -> None:
        reached = {EGO.id} | {each.id for each in _FIRST if script.number(2)}
        self._tell(inputs.TrustChanged(tuple(sorted(reached))))

    def _interrupt(self, script: Script) -> None:
        """Set the clock wrong or, likelier, right; or restart, seldom, so that all fills."""
        match script.number(16):
            case 0 if script.number(256) == 0:
                self.restart()
            case 1 | 2:  # 1970, an hour or a day beside, or years ahead
                hour_ms = 3_600_000
                off_hours = (1, -1, 24, -24, 9_000, -WALL_MS // hour_ms)[script.number(6)]
                self._clock_off_ms = off_hours * hour_ms
            case _:
                self._clock_off_ms = 0

    def restart(self) -> None:
        """Have another core take over with what was committed: it holds the same, and no more."""
        before, proofs = self.engine, self.engine.intake.proofs
        self.engine = GossipEngine(NODE, (EGO,), NETWORK, before.limits, b"seed")
        said = tuple(proof for each in proofs if (proof := proofs.proof(each)) is not None)
        sequences = ((EGO.id, *self._until),)
        records = tuple(self._store.values())
        kept = tuple(self._lineages.values())
        said_before = inputs.Restored(records, sequences, (), self.wall_ms, said, lineages=kept)
        self._tell(said_before)
        self._tell(inputs.Started(self.wall_ms))
        after = self.engine
        assert len(after.window) == len(before.window) and list(after.intake.proofs) == list(proofs)
        assert after.intake.lineages._known == before.intake.lineages._known
        assert after.authorship.last_slot(EGO.id) >= before.authorship.last_slot(EGO.id)

    def _inbox(self, message: Message) -> None:
        self._hear(inbox_topic(NETWORK, NODE.id), msgspec.msgpack.encode(message))

    def _hear(self, topic: str, payload: bytes, broker: str = "one") -> None:
        self._tell(inputs.Received(broker, topic, payload, self.wall_ms))

    def _tell(self, event: inputs.Input) -> None:
        waiting = [event]
        while waiting:
            for effect in self.engine.handle(waiting.pop(), self.now_ms):
                match effect:
                    case effects.Persist(record=record, first_seen_ms=first_seen_ms):
                        stored = inputs.Stored(record.envelope, first_seen_ms, record.id)
                        is_held = record.id in self.engine.window
                        (self._store if is_held else self._aside)[record.id] = stored
                    case effects.PersistLineage(known=known, let_off=let_off):
                        self._lineages.pop(let_off, None)
                        self._lineages[known.author] = known
                    case effects.DropLineage(author=author):
                        self._lineages.pop(author, None)
                    case effects.ReserveSequence():
                        self._until = effect.epoch, effect.until
                    case effects.Evict(record_ids=ids):
                        for record_id in ids:
                            store = self._store if record_id in self._store else self._aside
                            stored = store.pop(record_id)
                            if effect.reason is effects.EvictReason.SET_ASIDE:
                                self._aside[record_id] = stored
                    case effects.Fetch():
                        found = tuple(
                            self._store[each].envelope
                            for each in effect.record_ids
                            if each in self._store
                        )
                        waiting.append(inputs.Fetched(found, effect.topic, effect.broker))
                    case effects.Send():
                        self._sent = [*self._sent[-15:], effect]


def handle(data: bytes, limits: Limits = TIGHT) -> None:
    """Feed a core the script that the bytes are, and restart it at the end."""
    script, core = Script(data), Core(limits)
    while script:
        core.step(script)
    core.restart()
