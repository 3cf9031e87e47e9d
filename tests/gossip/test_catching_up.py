"""What reconciliation may bring: bounded, of the shards that are read, the last minutes always."""

import msgspec

from tastemesh.gossip import effects
from tastemesh.gossip.inbox import Message
from tastemesh.gossip.inputs import Received
from tastemesh.gossip.interest import mask_of
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.presence import sign_presence
from tastemesh.gossip.rates import Bucket
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.reconcile import ItemSet, initiate, since_ms_of
from tastemesh.gossip.sampling import Peers
from tastemesh.gossip.sync import Sync
from tastemesh.gossip.topics import ALL_SHARDS, inbox_topic
from tests.gossip.cores import NETWORK, WALL_MS, Cores, listen, person, secret

ANA, BEN = person("ana"), person("ben")
READER = Reader(NETWORK, Limits())
EVENT = Received("broker", inbox_topic(NETWORK, ANA.id), b"", WALL_MS)


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


def test_who_is_asked_for_other_shards_than_both_read_begins_anew_with_those() -> None:
    cores = Cores([ANA])
    read = mask_of([3, 9])
    cores.engines[0].interest.mask = read
    since_ms = WALL_MS - 300_000
    frame = initiate(ItemSet(), b"s" * 16, cores.limits, since_ms)
    shown = sign_presence(cores.nodes[0], NETWORK, cores.wall_ms, read)
    for reads, asked, common in (
        (ALL_SHARDS, ALL_SHARDS, read),
        (mask_of([9, 10]), mask_of([9, 10]), mask_of([9])),
        (ALL_SHARDS, mask_of([9]), read),
        (1, 1, 0),
    ):
        said = sign_presence(BEN, NETWORK, cores.wall_ms, reads)
        content = msgspec.msgpack.encode([said, frame])
        payload = msgspec.msgpack.encode([3, BEN.id, content, asked])
        done = cores.hear(0, inbox_topic(NETWORK, cores.nodes[0].id), payload)
        answers = [msgspec.msgpack.decode(e.payload) for e in done if isinstance(e, effects.Send)]
        ((tag, _, said, mask),) = answers
        assert (tag, mask) == (3, common)
        presence, again = msgspec.msgpack.decode(said)
        assert presence == shown
        assert since_ms_of(again, cores.limits) == since_ms
        assert again[:20] != frame[:20]  # a salt that the other did not choose


def test_who_asked_for_too_much_learns_what_is_read_and_asks_for_no_more_of_it() -> None:
    cores = Cores([ANA, BEN])
    cores.say(1, listen("x"))
    ana, ben = cores.engines
    there = cores.nodes[1].id
    ben.interest.mask = mask_of([3, 9])
    assert ana.peers.mask(there) == ALL_SHARDS
    cores.pass_time(cores.limits.sync_period_ms)
    assert ana.peers.mask(there) == mask_of([3, 9])
    asked: list[int] = []

    def note(sender: int, reader: int, message: effects.Send, broker: str) -> bool:
        if "/n/" in message.topic and not sender:
            asked.append(msgspec.msgpack.decode(message.payload)[3])
        return True

    cores.carry = note
    cores.pass_time(cores.limits.sync_period_ms)
    assert set(asked) == {mask_of([3, 9])}


def test_what_a_peer_reads_is_taken_from_what_he_signed() -> None:
    cores = Cores([ANA, BEN])
    ana, node = cores.engines[0], cores.nodes[1]
    inbox = inbox_topic(NETWORK, cores.nodes[0].id)
    frame = initiate(ItemSet(), b"s" * 16, cores.limits)
    cores.carry = lambda *_: False  # or he would say at once that he reads all
    now_ms = cores.wall_ms
    forged = bytearray(sign_presence(node, NETWORK, now_ms, 1 << 5))
    forged[-1] ^= 1
    for presence, mask in (
        (bytes(forged), ALL_SHARDS),
        (sign_presence(node, NETWORK, now_ms - 600_000, 1 << 5), ALL_SHARDS),
        (sign_presence(BEN, NETWORK, now_ms, 1 << 5), ALL_SHARDS),
        (sign_presence(node, NETWORK, now_ms, 1 << 5), 1 << 5),
    ):
        content = msgspec.msgpack.encode([presence, frame])
        cores.hear(0, inbox, msgspec.msgpack.encode([3, node.id, content, 1]))
        assert ana.peers.mask(node.id) == mask


def test_each_shard_has_its_turn_where_every_partner_reads_another() -> None:
    limits = Limits()
    peers = Peers(limits, b"seed")
    for shard in range(8):
        peers.hear(secret(f"{shard}"), 0, 1 << shard)
    sync = Sync(ANA.id, NETWORK, limits, peers, b"seed", lambda wall_ms, mask: b"presence")
    mask = mask_of(range(8))
    frame = initiate(ItemSet(), b"s" * 16, limits)
    turns: list[int] = []
    for _ in range(40):
        for order in sync.initiate(mask, ("broker",), 0, WALL_MS):
            assert isinstance(order, effects.Send)
            node = bytes.fromhex(order.topic.rsplit("/", 1)[1])
            read = peers.mask(node)
            sync.answer(Message(0, node, frame, read), mask, READER, EVENT, 0)
            turns.append(read)
    calm = turns[-24:]  # one partner a period: each of eight three times
    assert sorted(calm) == sorted(3 * [1 << shard for shard in range(8)])


def test_who_alone_reads_a_shard_and_compares_nothing_keeps_nobody_from_the_others() -> None:
    limits = Limits()
    peers = Peers(limits, b"seed")
    for n in range(20):
        peers.hear(secret(f"{n}"), 0, 1 << 3)
    fake = secret("fake")
    peers.hear(fake, 0, 1 << 9)
    sync = Sync(ANA.id, NETWORK, limits, peers, b"seed", lambda wall_ms, mask: b"presence")
    mask = mask_of([3, 9])
    frame, empty = initiate(ItemSet(), b"s" * 16, limits), msgspec.msgpack.encode([b"s" * 16, []])
    asked: list[bool] = []
    for now_ms in range(0, 60 * limits.sync_period_ms, limits.sync_period_ms):
        for order in sync.initiate(mask, ("broker",), now_ms, WALL_MS):
            assert isinstance(order, effects.Send)
            node = bytes.fromhex(order.topic.rsplit("/", 1)[1])
            answer = (empty, 0) if node == fake else (frame, 1 << 3)
            sync.answer(Message(0, node, *answer), mask, READER, EVENT, now_ms)
            asked.append(node == fake)
    assert sum(asked[-30:]) <= 20


def test_a_claim_to_compare_everything_counts_only_of_whom_was_asked_and_for_what() -> None:
    limits = Limits()
    peers = Peers(limits, b"seed")
    asked, liar = secret("asked"), secret("liar")
    peers.hear(asked, 0, mask_of([3, 4]))
    peers.hear(liar, 0, 1 << 20)
    sync = Sync(ANA.id, NETWORK, limits, peers, b"seed", lambda wall_ms, mask: b"presence")
    frame = initiate(ItemSet(), b"s" * 16, limits)
    mask = mask_of([3, 4, 20])
    sync.initiate(mask, ("broker",), 0, WALL_MS)
    for node, said, left in ((liar, ALL_SHARDS, mask_of([3, 4])), (asked, 1 << 3, 1 << 4)):
        sync.answer(Message(0, node, frame, said), mask, READER, EVENT, 0)
        assert sync._uncompared == left


def test_who_begins_to_read_a_shard_asks_those_who_read_it_until_one_has_answered() -> None:
    limits = Limits()
    peers = Peers(limits, b"seed")
    for n in range(50):
        peers.hear(secret(f"{n}"), 0, 1 << 20)
    answering, silent = secret("reads 3"), secret("reads 9")
    peers.hear(answering, 0, 1 << 3)
    peers.hear(silent, 0, 1 << 9)
    sync = Sync(ANA.id, NETWORK, limits, peers, b"seed", lambda wall_ms, mask: b"presence")

    def asked(mask: int) -> set[str]:
        done = sync.initiate(mask, ("broker",), 0, WALL_MS)
        return {each.topic for each in done if isinstance(each, effects.Send)}

    first, second = (inbox_topic(NETWORK, node) for node in (answering, silent))
    asked(1 << 20)
    mask = mask_of([3, 9, 20])
    assert {first, second} <= asked(mask)
    frame = initiate(ItemSet(), b"s" * 16, limits, 0)
    sync.answer(Message(0, answering, frame, 1 << 3), mask, READER, EVENT, 0)
    rounds = [asked(mask) for _ in range(10)]
    assert all(second in each for each in rounds)  # nobody else reads it
    assert sum(first in each for each in rounds) < 10
    assert sum(second in asked(mask) for _ in range(20)) < 20  # given up


def test_who_finds_that_a_peer_left_the_shard_asks_the_next_at_once_up_to_a_bound() -> None:
    limits = Limits()
    peers = Peers(limits, b"seed")
    readers = {node.id: node for node in (person(f"{n}") for n in range(30))}
    for node in readers:
        peers.hear(node, 0, 1 << 3)
    sync = Sync(ANA.id, NETWORK, limits, peers, b"seed", lambda wall_ms, mask: b"presence")
    frame = initiate(ItemSet(), b"s" * 16, limits)
    mask = mask_of([3, 9])

    def nodes_of(orders: list[effects.Effect]) -> list[bytes]:
        topics = [e.topic for e in orders if isinstance(e, effects.Send)]
        return [bytes.fromhex(topic.rsplit("/", 1)[1]) for topic in topics]

    waiting = nodes_of(sync.initiate(mask, ("broker",), 0, WALL_MS))
    asked = list(waiting)
    while waiting:
        node = waiting.pop()
        shown = sign_presence(readers[node], NETWORK, WALL_MS, 1 << 20)
        again = Message(3, node, msgspec.msgpack.encode([shown, frame]), 0)
        found = sync.answer(again, mask, READER, EVENT, 0)
        others = [each for each in nodes_of(found) if each != node]
        assert len(others) <= 1
        waiting += others
        asked += others
    assert len(set(asked)) == len(asked) == 12
