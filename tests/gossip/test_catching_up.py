"""What reconciliation may bring: bounded, of the shards that are read, the last minutes always."""

import msgspec

from tastemesh.gossip import effects
from tastemesh.gossip.interest import mask_of
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.presence import sign_presence
from tastemesh.gossip.rates import Bucket
from tastemesh.gossip.reconcile import ItemSet, initiate, since_ms_of
from tastemesh.gossip.sampling import Peers
from tastemesh.gossip.sync import Message, Sync
from tastemesh.gossip.topics import ALL_SHARDS, inbox_topic
from tests.gossip.cores import NETWORK, WALL_MS, Cores, listen, person, secret

ANA, BEN = person("ana"), person("ben")


def test_a_bucket_saves_up_to_its_bound_and_owes_down_to_another() -> None:
    bucket = Bucket(rate_per_s=2.0, full=10.0, owed=4.0)
    assert bucket.tokens(0) == 10.0
    bucket.spend(11.0, 0)
    assert bucket.tokens(0) == -1.0
    bucket.spend(1_000.0, 500)
    assert bucket.tokens(500) == -4.0
    assert bucket.tokens(2_500) == 0.0
    assert bucket.tokens(1_000_000) == 10.0


def test_who_was_brought_too_much_compares_the_last_minutes_until_it_is_paid_for() -> None:
    limits = Limits(inbound_bytes_per_s=100, sync_record_count=100)
    cores = Cores([ANA, BEN], limits)
    cores.carry = lambda s, r, message, b: "/h/" in message.topic
    cores.say(1, listen("old"))
    cores.pass_time(11 * limits.sync_period_ms)
    for engine in cores.engines:
        engine._sync.pay(10**9, cores.now_ms)  # as if bundles had come
    cores.carry = lambda s, r, message, b: "/r/" not in message.topic
    cores.say(1, listen("new"))
    old, new = cores.stores[1]
    cores.pass_time(3 * limits.sync_period_ms)
    assert cores.held(0) == {new}
    owed_s = limits.sync_record_count * limits.statement_bytes / 2 / limits.inbound_bytes_per_s
    cores.pass_time(round(owed_s * 1000) + 3 * limits.sync_period_ms)
    assert cores.held(0) == {old, new}


def test_who_is_asked_for_more_shards_than_he_reads_begins_anew_with_those() -> None:
    cores = Cores([ANA])
    read = mask_of([3, 9])
    cores.engines[0].interest.mask = read
    since_ms = WALL_MS - 300_000
    frame = initiate(ItemSet(), b"s" * 16, cores.limits, since_ms)
    for asked, common in ((ALL_SHARDS, read), (mask_of([9, 10]), mask_of([9])), (1, None)):
        content = msgspec.msgpack.encode([sign_presence(BEN, NETWORK, cores.wall_ms), frame])
        payload = msgspec.msgpack.encode([3, BEN.id, content, asked])
        done = cores.hear(0, inbox_topic(NETWORK, cores.nodes[0].id), payload)
        answers = [msgspec.msgpack.decode(e.payload) for e in done if isinstance(e, effects.Send)]
        assert [(tag, mask) for tag, _, _, mask in answers] == ([(0, common)] if common else [])
        for _, _, again, _ in answers:
            assert since_ms_of(again, cores.limits) == since_ms
            assert again[:20] != frame[:20]  # a salt that the other did not choose


def test_who_begins_to_read_a_shard_asks_those_who_read_it_until_one_has_answered() -> None:
    limits = Limits()
    peers = Peers(limits, b"seed")
    for n in range(50):
        peers.hear(secret(f"{n}"), 0, 1 << 20)
    answering, silent = secret("reads 3"), secret("reads 9")
    peers.hear(answering, 0, 1 << 3)
    peers.hear(silent, 0, 1 << 9)
    sync = Sync(ANA.id, NETWORK, limits, peers, b"seed")

    def asked(mask: int) -> set[str]:
        done = sync.initiate(mask, ("broker",), b"presence", 0, WALL_MS)
        return {each.topic for each in done if isinstance(each, effects.Send)}

    first, second = (inbox_topic(NETWORK, node) for node in (answering, silent))
    asked(1 << 20)
    mask = mask_of([3, 9, 20])
    assert {first, second} <= asked(mask)
    frame = initiate(ItemSet(), b"s" * 16, limits, 0)
    sync.answer(Message(0, answering, frame, 1 << 3), frame, mask, "broker", 0)
    rounds = [asked(mask) for _ in range(10)]
    assert all(second in each for each in rounds)  # nobody else reads it
    assert sum(first in each for each in rounds) < 10
    assert sum(second in asked(mask) for _ in range(20)) < 20  # given up
