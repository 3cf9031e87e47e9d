"""What reconciliation may bring: bounded, of the shards that are read, the last minutes always."""

import msgspec

from tastemesh.gossip import effects
from tastemesh.gossip.inbox import FRAME, INTRODUCED, Message, read_message
from tastemesh.gossip.inputs import Received
from tastemesh.gossip.interest import mask_of
from tastemesh.gossip.itemset import key_of
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.presence import sign_presence
from tastemesh.gossip.rates import Bucket
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.reconcile import ItemSet, extent_of, initiate, salt_of
from tastemesh.gossip.sampling import Peers
from tastemesh.gossip.sync import Sync
from tastemesh.gossip.topics import ALL_SHARDS, inbox_topic
from tests.gossip.cores import NETWORK, WALL_MS, Cores, introduce, listen, person, secret

ANA, BEN = person("ana"), person("ben")
LIMITS = Limits()
READER = Reader(NETWORK, LIMITS)
EVENT = Received("broker", inbox_topic(NETWORK, ANA.id), b"", WALL_MS)


def asked_with(order: effects.Effect) -> tuple[bytes, bytes]:
    """Return whom an order to send a frame goes to, and the frame's salt."""
    assert isinstance(order, effects.Send)
    message = read_message(order.payload, LIMITS)
    introduction = message.introduction
    frame = introduction.frame if introduction else message.content
    return bytes.fromhex(order.topic.rsplit("/", 1)[1]), salt_of(frame, LIMITS)


def answered(node: bytes, salt: bytes, mask: int) -> Message:
    """Return a frame with which somebody who was asked ends the exchange."""
    return Message(FRAME, node, msgspec.msgpack.encode([salt, []]), mask)


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
    since_ms, salt, node = WALL_MS - 300_000, b"s" * 16, cores.nodes[0]
    below = key_of(WALL_MS, BEN.id)[:11]
    frame = initiate(ItemSet(), salt, cores.limits, since_ms, below=below)
    shown = sign_presence(node, NETWORK, cores.wall_ms, read, BEN.id + salt)
    for reads, asked, common in (
        (ALL_SHARDS, ALL_SHARDS, read),
        (mask_of([9, 10]), mask_of([9, 10]), mask_of([9])),
        (ALL_SHARDS, mask_of([9]), read),
        (1, 1, 0),
    ):
        payload = introduce(BEN, node.id, frame, cores.wall_ms, reads, asked)
        done = cores.hear(0, inbox_topic(NETWORK, node.id), payload)
        answers = [msgspec.msgpack.decode(e.payload) for e in done if isinstance(e, effects.Send)]
        ((tag, _, said, mask),) = answers
        assert (tag, mask) == (3, common)
        presence, again = msgspec.msgpack.decode(said)
        assert presence == shown
        assert extent_of(again, cores.limits) == (since_ms, below)
        assert salt_of(again, cores.limits) == salt  # by it he knows that he is answered


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
            tag, _, _, mask = msgspec.msgpack.decode(message.payload)
            asked.extend([mask] if tag == INTRODUCED else [])
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
    now_ms, context = cores.wall_ms, cores.nodes[0].id + b"s" * 16
    forged = bytearray(sign_presence(node, NETWORK, now_ms, 1 << 5, context))
    forged[-1] ^= 1
    for presence, mask in (
        (bytes(forged), ALL_SHARDS),
        (sign_presence(node, NETWORK, now_ms, 1 << 5), ALL_SHARDS),  # said in public
        (sign_presence(node, NETWORK, now_ms, 1 << 5, BEN.id + b"s" * 16), ALL_SHARDS),
        (sign_presence(node, NETWORK, now_ms, 1 << 5, context[:-1] + b"t"), ALL_SHARDS),
        (sign_presence(node, NETWORK, now_ms - 600_000, 1 << 5, context), ALL_SHARDS),
        (sign_presence(BEN, NETWORK, now_ms, 1 << 5, context), ALL_SHARDS),
        (sign_presence(node, NETWORK, now_ms, 1 << 5, context), 1 << 5),
    ):
        content = msgspec.msgpack.encode([presence, frame])
        cores.hear(0, inbox, msgspec.msgpack.encode([3, node.id, content, 1]))
        assert ana.peers.mask(node.id) == mask


def test_each_shard_has_its_turn_where_every_partner_reads_another() -> None:
    limits = Limits()
    peers = Peers(limits, b"seed")
    for shard in range(8):
        peers.hear(secret(f"{shard}"), 0, 1 << shard)
    sync = Sync(ANA.id, NETWORK, limits, peers, b"seed", lambda wall_ms, mask, context: b"presence")
    mask = mask_of(range(8))
    turns: list[int] = []
    for _ in range(40):
        for order in sync.initiate(mask, ("broker",), 0, WALL_MS):
            node, salt = asked_with(order)
            read = peers.mask(node)
            sync.answer(answered(node, salt, read), mask, READER, EVENT, 0)
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
    sync = Sync(ANA.id, NETWORK, limits, peers, b"seed", lambda wall_ms, mask, context: b"presence")
    mask = mask_of([3, 9])
    asked: list[bool] = []
    for now_ms in range(0, 60 * limits.sync_period_ms, limits.sync_period_ms):
        for order in sync.initiate(mask, ("broker",), now_ms, WALL_MS):
            node, salt = asked_with(order)
            answer = answered(node, salt, 0 if node == fake else 1 << 3)
            sync.answer(answer, mask, READER, EVENT, now_ms)
            asked.append(node == fake)
    assert sum(asked[-30:]) <= 20


def test_a_claim_to_compare_everything_counts_only_of_whom_was_asked_and_for_what() -> None:
    limits = Limits()
    peers = Peers(limits, b"seed")
    asked, liar = secret("asked"), secret("liar")
    peers.hear(asked, 0, mask_of([3, 4]))
    peers.hear(liar, 0, 1 << 20)
    sync = Sync(ANA.id, NETWORK, limits, peers, b"seed", lambda wall_ms, mask, context: b"presence")
    mask = mask_of([3, 4, 20])
    salts = dict(asked_with(order) for order in sync.initiate(mask, ("broker",), 0, WALL_MS))
    for node, said, left in ((liar, ALL_SHARDS, mask_of([3, 4])), (asked, 1 << 3, 1 << 4)):
        sync.answer(answered(node, salts[node], said), mask, READER, EVENT, 0)
        assert sync._uncompared == left


def test_who_begins_to_read_a_shard_asks_those_who_read_it_until_one_has_answered() -> None:
    limits = Limits()
    peers = Peers(limits, b"seed")
    for n in range(50):
        peers.hear(secret(f"{n}"), 0, 1 << 20)
    answering, silent = secret("reads 3"), secret("reads 9")
    peers.hear(answering, 0, 1 << 3)
    peers.hear(silent, 0, 1 << 9)
    sync = Sync(ANA.id, NETWORK, limits, peers, b"seed", lambda wall_ms, mask, context: b"presence")

    def asked(mask: int) -> dict[bytes, bytes]:
        return dict(asked_with(order) for order in sync.initiate(mask, ("broker",), 0, WALL_MS))

    asked(1 << 20)
    mask = mask_of([3, 9, 20])
    salts = asked(mask)
    assert {answering, silent} <= set(salts)
    sync.answer(answered(answering, salts[answering], 1 << 3), mask, READER, EVENT, 0)
    rounds = [asked(mask) for _ in range(10)]
    assert all(silent in each for each in rounds)  # nobody else reads it
    assert sum(answering in each for each in rounds) < 10
    assert sum(silent in asked(mask) for _ in range(20)) < 20  # given up


def test_who_finds_that_a_peer_left_the_shard_asks_the_next_at_once_up_to_a_bound() -> None:
    limits = Limits()
    peers = Peers(limits, b"seed")
    readers = {node.id: node for node in (person(f"{n}") for n in range(30))}
    for node in readers:
        peers.hear(node, 0, 1 << 3)
    sync = Sync(ANA.id, NETWORK, limits, peers, b"seed", lambda wall_ms, mask, context: b"presence")
    mask = mask_of([3, 9])
    waiting = list(map(asked_with, sync.initiate(mask, ("broker",), 0, WALL_MS)))
    asked = [node for node, _ in waiting]
    while waiting:
        node, salt = waiting.pop()
        frame = initiate(ItemSet(), salt, limits)
        again = introduce(readers[node], ANA.id, frame, WALL_MS, 1 << 20, 0)
        found = sync.answer(read_message(again, limits), mask, READER, EVENT, 0)
        sent = [order for order in found if isinstance(order, effects.Send)]
        others = [each for each in map(asked_with, sent) if each[0] != node]
        assert len(others) <= 1
        waiting += others
        asked += [node for node, _ in others]
    assert len(set(asked)) == len(asked) == 12
