"""How often a node announces itself, and how frames reach those who never heard of their sender."""

from itertools import pairwise

import msgspec
import pytest

from tastemesh.gossip import effects, inputs
from tastemesh.gossip.announcements import PRESENCE_BYTES, Announcements
from tastemesh.gossip.greetings import Greetings
from tastemesh.gossip.interest import Interest
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.presence import sign_presence
from tastemesh.gossip.reconcile import ItemSet, initiate
from tastemesh.gossip.sampling import Peers
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import ALL_SHARDS, SHARD_COUNT, inbox_topic, presence_topic, shard_of
from tests.gossip.cores import BROKER, NETWORK, Cores, introduce, listen, person, secret

LIMITS = Limits()
MINUTE_MS = 60_000
AIM = LIMITS.presence_bytes_per_s / 2
ANA, BEN = person("ana"), person("ben")


def period_s(nodes: int, read: int = SHARD_COUNT, brokers: int = 1) -> float:
    """Return the period of a node that heard so many, evenly on the shards that it reads."""
    peers = Peers(LIMITS, b"seed")
    for number in range(nodes * read // SHARD_COUNT):
        peers.hear(bytes([number % read]) + secret(f"{number}")[1:], 0)
    interest = Interest(64, MINUTE_MS, b"seed")
    interest.mask = (1 << read) - 1
    announcements = Announcements(LIMITS, b"seed")
    announcements.reconsider(peers, interest, brokers, MINUTE_MS)
    return announcements.period_ms / 1000


def test_the_period_grows_until_enough_are_heard_of_and_again_where_one_shard_is_too_much() -> None:
    assert [period_s(nodes) for nodes in (0, 1, 9)] == [60.0] * 3
    assert period_s(50) == pytest.approx(50 * PRESENCE_BYTES / AIM)
    assert period_s(64) == period_s(1_000) == period_s(4_096, read=1) == 400.0
    assert period_s(16_384, read=1) == 1_600.0
    assert period_s(50, brokers=3) == pytest.approx(3 * period_s(50))


def test_no_number_of_fakes_stretches_the_period_beyond_what_the_table_holds() -> None:
    longest_s = LIMITS.peer_count * PRESENCE_BYTES / AIM
    assert period_s(70_000, read=1) == period_s(130_000, read=1) == longest_s == 6_400.0
    assert period_s(2_000) == 400.0  # as long as all shards are read, fewer still


def test_what_is_heard_in_an_hour_does_not_grow_with_the_network() -> None:
    """Each of N nodes at its period, those shards read that the budget allows: bytes a second."""
    for nodes, read in ((10, 64), (64, 64), (1_000, 8), (4_096, 2), (50_000, 1)):
        rate = nodes * read / SHARD_COUNT * PRESENCE_BYTES / period_s(nodes, read)
        assert rate <= 65


def test_announcements_are_spread_and_a_crowd_does_not_speak_at_once() -> None:
    slow = Limits(sync_period_ms=3_600_000, relay_spread_ms=600_000, presence_bytes_per_s=16)
    cores = Cores([person(f"p{n}") for n in range(12)], slow)
    said: list[int] = []

    def note(sender: int, reader: int, message: effects.Send, broker: str) -> bool:
        if sender == 3 and reader == 0 and "/h/" in message.topic:
            said.append(cores.now_ms)
        return True

    cores.carry = note
    cores.pass_time(30 * MINUTE_MS)
    gaps_s = [(after - before) / 1000 for before, after in pairwise(said)]
    expected_s = 11 * PRESENCE_BYTES / 8
    assert len({at % 1_000 for at in said}) > 5
    assert 0.4 * expected_s < min(gaps_s) < max(gaps_s) < 1.6 * expected_s
    assert all(len(engine.peers) == 11 for engine in cores.engines)


def introduction_of(cores: Cores, who: Signer, wall_ms: int) -> bytes:
    context = cores.nodes[0].id + b"s" * 16
    return sign_presence(who, NETWORK, wall_ms, context=context)


def introduced(cores: Cores, sender: object, presence: bytes, frame: bytes) -> list[object]:
    content = msgspec.msgpack.encode([presence, frame])
    payload = msgspec.msgpack.encode([3, sender, content, ALL_SHARDS])
    return list(cores.hear(0, inbox_topic(NETWORK, cores.nodes[0].id), payload))


def test_a_stranger_who_introduces_himself_is_answered_and_stays_out_of_the_table() -> None:
    cores = Cores([ANA])
    cores.say(0, listen("x"))
    frame = initiate(ItemSet(), b"s" * 16, LIMITS)
    hello = introduction_of(cores, BEN, cores.wall_ms)
    bare = msgspec.msgpack.encode([0, BEN.id, frame, ALL_SHARDS])
    inbox = inbox_topic(NETWORK, cores.nodes[0].id)
    (refused,) = cores.hear(0, inbox, bare)
    assert isinstance(refused, effects.Misbehaved)
    sent = [e for e in introduced(cores, BEN.id, hello, frame) if isinstance(e, effects.Send)]
    assert {e.topic for e in sent} == {inbox_topic(NETWORK, BEN.id)}
    assert any(isinstance(e, effects.Send) for e in cores.hear(0, inbox, bare))
    assert BEN.id not in cores.engines[0].peers
    other = initiate(ItemSet(), b"t" * 16, LIMITS)
    bare = msgspec.msgpack.encode([0, BEN.id, other, ALL_SHARDS])
    (refused,) = cores.hear(0, inbox, bare)
    assert isinstance(refused, effects.Misbehaved)


def test_an_introduction_must_be_fresh_signed_and_the_senders_and_there_are_not_too_many() -> None:
    cores = Cores([ANA])
    frame = initiate(ItemSet(), b"s" * 16, LIMITS)
    now = cores.wall_ms
    good = introduction_of(cores, BEN, now)
    for presence, reason in (
        (introduction_of(cores, person("eve"), now), RejectReason.WRONG_AUTHOR),
        (introduction_of(cores, BEN, now - 181_000), RejectReason.TOO_OLD),
        (sign_presence(BEN, "other", now), RejectReason.WRONG_NETWORK),
        (sign_presence(BEN, NETWORK, now), RejectReason.BAD_SIGNATURE),
        (good[:-1] + bytes([good[-1] ^ 1]), RejectReason.BAD_SIGNATURE),
        (b"", RejectReason.MALFORMED),
    ):
        (refused,) = introduced(cores, BEN.id, presence, frame)
        assert isinstance(refused, effects.Misbehaved)
        assert refused.reason == reason
    assert strangers_answered(cores, frame) == 16


def strangers_answered(cores: Cores, frame: bytes) -> int:
    answered = 0
    for number in range(30):
        fake = person(f"fake {number}")
        hello = introduction_of(cores, fake, cores.wall_ms)
        done = introduced(cores, fake.id, hello, frame)
        answered += any(isinstance(e, effects.Send) for e in done)
    return answered


def test_introductions_that_do_not_hold_keep_strangers_out_only_by_the_thousand() -> None:
    cores = Cores([ANA])
    frame = initiate(ItemSet(), b"s" * 16, LIMITS)
    hello = introduction_of(cores, BEN, cores.wall_ms)
    forged = hello[:-1] + bytes([hello[-1] ^ 1])
    for count, reason, answered in (
        (1_024, RejectReason.BAD_SIGNATURE, 0),
        (1_000, RejectReason.BAD_SIGNATURE, 16),
    ):
        cores.pass_time(LIMITS.sync_period_ms)
        for _ in range(count):
            (refused,) = introduced(cores, BEN.id, forged, frame)
            assert isinstance(refused, effects.Misbehaved)
            assert refused.reason == reason
        assert strangers_answered(cores, frame) == answered


def test_whom_we_asked_is_heard_out_however_many_others_write() -> None:
    cores = Cores([ANA, BEN])
    cores.carry = lambda s, r, m, b: "/r/" not in m.topic
    for n in range(40):
        cores.say(1, listen(f"{n}"))
    cores.pass_time(2_000)
    frame = initiate(ItemSet(), b"s" * 16, LIMITS)
    node = cores.nodes[0].id
    inbox = inbox_topic(NETWORK, node)
    fakes = [person(f"fake {n}") for n in range(20)]
    for fake in fakes:
        topic = presence_topic(NETWORK, shard_of(fake.id))
        cores.hear(0, topic, sign_presence(fake, NETWORK, cores.wall_ms))
    held: set[bytes] = set()
    while not held and cores.now_ms < 20 * MINUTE_MS:
        for n in range(200):
            flood = introduce(fakes[n % 20], node, frame, cores.wall_ms)
            cores.tell(0, inputs.Received(BROKER, inbox, flood, cores.wall_ms))
        cores.pass_time(LIMITS.sync_period_ms)
        held = cores.held(0)
    assert len(held) == 40


def test_two_nodes_that_never_heard_of_each_other_agree_through_one_that_was_heard() -> None:
    """Presence goes one way only: ben hears of ana, ana of nobody."""
    cores = Cores([ANA, BEN])
    cores.carry = lambda s, r, m, b: "/r/" not in m.topic and not ("/h/" in m.topic and r == 0)
    topic = presence_topic(NETWORK, shard_of(cores.nodes[0].id))
    cores.hear(1, topic, sign_presence(cores.nodes[0], NETWORK, cores.wall_ms))
    cores.engines[0].peers.forget_silent(1)
    for n in range(20):
        cores.say(n % 2, listen(f"{n}"))
    cores.pass_time(3 * LIMITS.sync_period_ms)
    assert len(cores.engines[0].peers) == 0
    assert len(cores.held(0)) == len(cores.held(1)) == 20


def test_a_broker_that_comes_and_goes_keeps_the_others_from_no_announcement() -> None:
    cores = Cores([ANA, BEN], brokers=("steady", "fickle"))
    cores.carry = lambda s, r, m, broker: broker == "steady"
    for _ in range(24):
        cores.pass_time(25_000)
        for node in range(2):
            cores.tell(node, inputs.BrokerDown("fickle"))
            cores.tell(node, inputs.BrokerUp("fickle", cores.wall_ms))
    assert [len(engine.peers) for engine in cores.engines] == [1, 1]


def test_of_a_crowd_that_comes_at_once_those_who_know_enough_greet_nobody() -> None:
    greetings = Greetings(ANA.id)
    greetings.begin(1_000)
    newcomers = [person(f"newcomer {n}").id for n in range(200)]
    assert all(greetings.is_up_to_us(each, 12, 1_000) for each in newcomers)
    assert not any(greetings.is_up_to_us(each, 24, 5_999) for each in newcomers)
    assert 60 < sum(greetings.is_up_to_us(each, 24, 6_000) for each in newcomers) < 140
