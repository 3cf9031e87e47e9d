"""Each attack on the protocol, through the real codec, with the figure that it leaves."""

import msgspec
import pytest

from tastemesh.gossip import codec, effects, inputs
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.envelope import RECORD_DOMAIN, open_public, record_id
from tastemesh.gossip.itemset import ItemSet
from tastemesh.gossip.limits import DAY_MS, Limits, RejectReason
from tastemesh.gossip.presence import sign_presence
from tastemesh.gossip.ranges import END, FrameWriter, Listing, Part
from tastemesh.gossip.reconcile import initiate
from tastemesh.gossip.record import Forget, Interaction, Record
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import (
    ALL_SHARDS,
    control_topic,
    inbox_topic,
    presence_topic,
    records_topic,
    shard_of,
)
from tests.gossip.cores import NETWORK, WALL_MS, Cores, introduce, listen, person, secret

LIMITS = Limits()
ANA, BEN, EVE = person("ana"), person("ben"), person("eve")


def written(
    author: Signer, seq: int, *said: Interaction | Forget, created_ms: int = WALL_MS
) -> Record:
    said = said or (listen(f"item {seq}"),)
    return codec.sign_record(author, NETWORK, 0, seq, b"", created_ms, said, LIMITS)


def push(cores: Cores, node: int, *records: Record | bytes) -> list[Effect]:
    envelopes = [r if isinstance(r, bytes) else r.envelope for r in records]
    author = codec.parse(envelopes[0], NETWORK, LIMITS).author
    done: list[Effect] = []
    for bundle in pack_bundles(envelopes, LIMITS):
        done += cores.hear(node, records_topic(NETWORK, shard_of(author)), bundle)
    return done


def meet(cores: Cores, node: int, stranger: Signer) -> None:
    """Have a node hear of a peer that is none of the wired ones."""
    topic = presence_topic(NETWORK, shard_of(stranger.id))
    cores.hear(node, topic, sign_presence(stranger, NETWORK, cores.wall_ms))


def message(sender: Signer, tag: int, content: bytes, mask: int = 0) -> bytes:
    return msgspec.msgpack.encode([tag, sender.id, content, mask])


def count(done: list[Effect], kind: type[Effect]) -> int:
    return sum(isinstance(effect, kind) for effect in done)


def test_forged_author_none_of_1000_gets_in() -> None:
    cores = Cores([ANA])
    theirs = written(BEN, 1)
    accepted = 0
    for n in range(250):
        forger = person(f"forger {n}")
        body = msgspec.msgpack.encode(
            [1, NETWORK, BEN.id, 0, n + 1, b"", WALL_MS, [[1, "song", "listen", 10_000, 0]]]
        )
        signature = forger.sign(RECORD_DOMAIN + body)
        public, real = forger.public, open_public(theirs.envelope, LIMITS)
        stolen = rotated_by(forger)
        for envelope in (
            [body, public.key, public.next_digest, signature, None],
            [body, real.key, real.next_digest, signature, None],
            [body, real.key, public.next_digest, signature, None],
            [body, stolen.public.key, stolen.public.next_digest, signature, stolen.lineage],
        ):
            accepted += count(push(cores, 0, msgspec.msgpack.encode(envelope)), effects.Accepted)
    assert accepted == 0
    assert not cores.held(0)


def rotated_by(forger: Signer) -> Signer:
    name = next(n for n in range(250) if person(f"forger {n}").id == forger.id)
    return forger.rotated(secret(f"forger {name} next"), secret("x"), (0, 0))


def test_altered_record_no_flipped_bit_gets_in() -> None:
    cores = Cores([ANA])
    genuine = written(BEN, 1)
    topic = records_topic(NETWORK, shard_of(BEN.id))
    for at in range(len(genuine.envelope)):
        altered = bytearray(genuine.envelope)
        altered[at] ^= 1 << (at % 8)
        bundle = msgspec.msgpack.encode([bytes(altered)])
        assert not count(cores.hear(0, topic, bundle), effects.Accepted), at


def test_an_author_of_no_bytes_costs_nobody_elses_record_in_the_bundle() -> None:
    cores = Cores([ANA])
    genuine = written(BEN, 1)
    said = [[1, "a song with a long name", "listen", 1, 0]]
    body = msgspec.msgpack.encode([1, NETWORK, b"", 0, 1, b"", WALL_MS, said])
    public = BEN.public
    unowned = [body, public.key, public.next_digest, bytes(64), None]
    first, second, refused = push(cores, 0, genuine, msgspec.msgpack.encode(unowned))
    assert first == effects.Persist(genuine, WALL_MS)
    assert second == effects.Accepted(genuine, WALL_MS)
    assert isinstance(refused, effects.Misbehaved)
    assert refused.reason is RejectReason.MALFORMED
    assert genuine.id in cores.engines[0].window


def test_replay_of_old_records_changes_nothing_and_a_forgotten_one_stays_forgotten() -> None:
    cores = Cores([ANA], Limits(window_age_ms=DAY_MS))
    first = written(BEN, 1)
    push(cores, 0, first)
    assert push(cores, 0, *[first] * 50) == []
    push(cores, 0, written(BEN, 2, Forget(0, 1, 1)))
    replayed = push(cores, 0, first)
    assert count(replayed, effects.Accepted) == 0
    assert len(cores.held(0)) == 1
    cores.pass_time(DAY_MS + 60_000)
    assert count(push(cores, 0, first), effects.Accepted) == 0
    assert cores.engines[0].rejected[RejectReason.TOO_OLD] == 1


def test_back_dating_and_post_dating_move_nothing_but_the_liars_own_records() -> None:
    limits = Limits(window_statement_count=100, reserved_share=0.0)
    cores = Cores([ANA], limits)
    cores.now_ms = 40 * DAY_MS
    honest = [written(person(f"p{n}"), 1, created_ms=cores.wall_ms - n * 1_000) for n in range(50)]
    for record in honest:
        push(cores, 0, record)
    ahead = cores.wall_ms + LIMITS.skew_ms
    assert count(push(cores, 0, written(EVE, 1, created_ms=ahead + 1)), effects.Accepted) == 0
    for n in range(80):  # as far ahead as the skew allows: first seen now all the same
        push(cores, 0, written(EVE, n + 2, created_ms=ahead - n))
    cores.now_ms += 60_000
    for n in range(50):  # honest newcomers are newer than what was post-dated
        push(cores, 0, written(person(f"q{n}"), 1, created_ms=cores.wall_ms - 1))
    left = sum(person(f"q{n}").id in _authors(cores) for n in range(50))
    assert left == 50
    old = written(EVE, 500, created_ms=cores.wall_ms - LIMITS.window_age_ms - 1)
    assert count(push(cores, 0, old), effects.Accepted) == 0


def _authors(cores: Cores) -> set[bytes]:
    return {codec.parse(e, NETWORK, LIMITS).author for e in cores.stores[0].values()}


def test_flooding_by_one_author_gets_his_own_quota_and_his_rate() -> None:
    cores = Cores([ANA])
    push(cores, 0, written(BEN, 1))
    for n in range(1, 2_001):
        push(cores, 0, written(EVE, n))
    assert written(BEN, 1).id in cores.held(0)
    assert len(cores.held(0)) - 1 == LIMITS.author_burst_count
    assert cores.engines[0].rejected[RejectReason.RATE] == 2_000 - LIMITS.author_burst_count


def test_flooding_by_1000_fresh_identities_leaves_friends_and_a_bounded_cost() -> None:
    limits = Limits(
        window_statement_count=1_000, stranger_rate_per_s=10.0, stranger_burst_count=600
    )
    cores = Cores([ANA], limits)
    friends = [written(BEN, n) for n in range(1, 301)]
    cores.tell(0, inputs.TrustChanged(tuple(sorted((ANA.id, BEN.id)))))
    push(cores, 0, *friends[:200])
    for n in range(1_000):
        push(cores, 0, written(person(f"fresh {n}"), 1), written(person(f"fresh {n}"), 2))
    push(cores, 0, *friends[200:250])  # the flood's cost is not a friend's
    held = cores.held(0)
    assert {record.id for record in friends[:250]} <= held
    strangers = len(held) - 250
    assert strangers == 600  # checked signatures: the burst, as no time passed
    cores.pass_time(60_000)
    for n in range(1_000, 2_000):
        push(cores, 0, written(person(f"fresh {n}"), 1))
    assert cores.engines[0].window.statement_count <= 1_000
    assert {record.id for record in friends[:250]} <= cores.held(0)


def proof_by(signer: Signer, author: bytes, seq: int, *, is_signed: bool) -> bytes:
    """Return two records in one slot of an author, in the form of a proof."""
    found: dict[bytes, bytes] = {}
    for item in ("left", "right"):
        body = msgspec.msgpack.encode(
            [1, NETWORK, author, 0, seq, b"", WALL_MS, [[1, item, "listen", 1, 0]]]
        )
        signature = signer.sign(RECORD_DOMAIN + body) if is_signed else bytes(63) + b"\1"
        envelope = [body, signer.public.key, signer.public.next_digest, signature, None]
        found[record_id(body)] = msgspec.msgpack.encode(envelope)
    return msgspec.msgpack.encode([found[each] for each in sorted(found)])


def test_proofs_of_nothing_keep_no_record_out_and_too_many_are_not_read() -> None:
    cores = Cores([ANA], Limits(stranger_rate_per_s=1.0, stranger_burst_count=1_000))
    engine, topic = cores.engines[0], control_topic(NETWORK, shard_of(BEN.id))
    for seq in range(1, 201):  # in another's name: no signature is checked, nothing is used up
        cores.hear(0, topic, proof_by(EVE, BEN.id, seq, is_signed=True))
    assert engine.rejected == {RejectReason.WRONG_AUTHOR: 200}
    cid = person("cid")
    convicted = cores.hear(0, topic, proof_by(cid, cid.id, 1, is_signed=True))
    assert count(convicted, effects.Convicted) == 1
    for seq in range(1, 201):  # in one's own, without signatures: what proofs have, and no more
        cores.hear(0, topic, proof_by(EVE, EVE.id, seq, is_signed=False))
    assert engine.rejected[RejectReason.BAD_SIGNATURE] == 1_000 * 0.1 - 2
    assert engine.rejected[RejectReason.VERIFY_BUDGET] == 102
    dans = [written(person(f"dan {n}"), 1) for n in range(500)]
    assert sum(count(push(cores, 0, each), effects.Accepted) for each in dans) == 500
    burst_bytes = 4 * LIMITS.inbound_bytes_per_s * LIMITS.interest_period_ms // 1000
    proof = proof_by(EVE, EVE.id, 1, is_signed=False)
    done: list[Effect] = []
    for _ in range(burst_bytes // len(proof)):
        done += cores.hear(0, topic, proof)
    (subscribed,) = (each for each in done if isinstance(each, effects.Subscribe))
    assert topic not in subscribed.passing


def test_presence_that_nobody_signed_costs_a_bounded_number_of_checks() -> None:
    cores = Cores([ANA], Limits(stranger_rate_per_s=10.0, stranger_burst_count=1_000))
    engine = cores.engines[0]
    for n in range(300):
        node = person(f"fake {n}")
        unsigned = sign_presence(node, NETWORK, WALL_MS)[:-64] + bytes(64)
        cores.hear(0, presence_topic(NETWORK, shard_of(node.id)), unsigned)
    assert engine.rejected == {RejectReason.BAD_SIGNATURE: 100, RejectReason.VERIFY_BUDGET: 200}
    meet(cores, 0, BEN)
    assert len(engine.peers) == 0
    dans = [written(person(f"dan {n}"), 1) for n in range(500)]
    assert sum(count(push(cores, 0, each), effects.Accepted) for each in dans) == 500
    cores.pass_time(1_000)
    meet(cores, 0, BEN)
    assert BEN.id in engine.peers


def test_proofs_in_the_inbox_are_of_an_exchange() -> None:
    cores = Cores([ANA])
    proof = proof_by(EVE, EVE.id, 1, is_signed=True)
    payload, inbox = message(BEN, 2, proof), inbox_topic(NETWORK, cores.nodes[0].id)
    (refused,) = cores.hear(0, inbox, payload)
    assert isinstance(refused, effects.Misbehaved)
    assert refused.reason is RejectReason.SYNC_BUDGET
    meet(cores, 0, BEN)
    cores.pass_time(LIMITS.sync_period_ms)
    assert count(cores.hear(0, inbox, payload), effects.Convicted) == 1


def rotated_often(name: str) -> Signer:
    """Return an identity that has rotated its key as often as it may."""
    signer, following = person(name), secret(f"{name} next")
    for n in range(LIMITS.rotation_count):
        after = secret(f"{name} {n}")
        signer, following = signer.rotated(following, after, (0, n + 1)), after
    return signer


def test_each_signature_that_a_strangers_record_brings_is_paid_for() -> None:
    cores = Cores([ANA], Limits(stranger_rate_per_s=0.0, stranger_burst_count=100))
    rejected = cores.engines[0].rejected
    thief = rotated_often("thief")
    for seq in range(20, 40):
        outer = msgspec.msgpack.decode(written(thief, seq).envelope)
        outer[4][2][-1][4] = bytes(63) + b"\1"  # the last rotation's signature
        push(cores, 0, msgspec.msgpack.encode(outer))
    assert rejected[RejectReason.BAD_SIGNATURE] == 100 // 17
    assert rejected[RejectReason.VERIFY_BUDGET] == 20 - 100 // 17

    cores = Cores([ANA], Limits(stranger_rate_per_s=0.0, stranger_burst_count=100))
    rejected = cores.engines[0].rejected
    for seq in range(20, 70):  # the record's own first: no rotation is looked at
        outer = msgspec.msgpack.decode(written(thief, seq).envelope)
        outer[3] = bytes(63) + b"\1"
        push(cores, 0, msgspec.msgpack.encode(outer))
    assert rejected == {RejectReason.BAD_SIGNATURE: 50}
    honest = rotated_often("honest")  # his rotations are paid for once
    done = [push(cores, 0, written(honest, seq)) for seq in range(20, 60)]
    assert sum(count(each, effects.Accepted) for each in done) == 50 - LIMITS.rotation_count


def test_forgeries_in_a_trusted_name_are_bounded_and_keep_out_what_comes_by_their_way_alone() -> (
    None
):
    limits = Limits(stranger_rate_per_s=10.0, stranger_burst_count=1_000)
    cores = Cores([ANA], limits, ("one", "two"))
    rejected, inbox = cores.engines[0].rejected, inbox_topic(NETWORK, cores.nodes[0].id)
    cores.tell(0, inputs.TrustChanged((BEN.id,)))
    meet(cores, 0, EVE)
    cores.pass_time(limits.sync_period_ms)

    def brought(broker: str, *envelopes: bytes) -> int:
        done: list[Effect] = []
        for bundle in pack_bundles(list(envelopes), Limits(payload_bytes=60_000)):
            done += cores.hear(0, inbox, message(EVE, 1, bundle), broker)
        return count(done, effects.Accepted)

    def forged(seq: int) -> bytes:
        outer = msgspec.msgpack.decode(written(BEN, seq).envelope)
        return msgspec.msgpack.encode([*outer[:3], bytes(63) + b"\1", None])

    assert brought("one", *[forged(seq) for seq in range(1_000, 1_050)]) == 0
    genuine = [written(BEN, seq).envelope for seq in range(1, 400)]
    assert brought("one", *genuine[:200]) == 200  # they cost nothing
    assert brought("one", *[forged(seq) for seq in range(2_000, 4_000)]) == 0
    assert rejected[RejectReason.BAD_SIGNATURE] == 100 + 1_000  # a tenth, and the strangers'
    assert brought("one", genuine[200]) == 0
    assert brought("two", genuine[200]) == 1
    assert count(push(cores, 0, genuine[201]), effects.Accepted) == 1
    cores.pass_time(2_000)
    assert brought("one", genuine[202]) == 1


def test_who_floods_by_reconciliation_gets_a_windows_worth_and_then_his_rate() -> None:
    cores = Cores([ANA])
    inbox = inbox_topic(NETWORK, cores.nodes[0].id)
    cores.tell(0, inputs.TrustChanged((BEN.id,)))
    meet(cores, 0, EVE)
    cores.pass_time(LIMITS.sync_period_ms)
    at_once = 500 + 256 + 64  # interactions, endorsements and notices that a window has of one
    for author in (BEN, person("a stranger")):
        dated = [written(author, n, created_ms=WALL_MS + n) for n in range(1, 2_001)]
        records = [record.envelope for record in dated]
        done: list[Effect] = []
        for bundle in pack_bundles(records, Limits(payload_bytes=60_000)):
            done += cores.hear(0, inbox, message(EVE, 1, bundle))
        assert count(done, effects.Accepted) == at_once
    assert cores.engines[0].rejected == {RejectReason.RATE: 2 * (2_000 - at_once)}
    cores.pass_time(10_000)
    (bundle,) = pack_bundles(records[-50:], LIMITS)
    assert count(cores.hear(0, inbox, message(EVE, 1, bundle)), effects.Accepted) == 20


def test_oversized_and_deeply_nested_bytes_are_refused_in_every_channel() -> None:
    cores = Cores([ANA])
    meet(cores, 0, EVE)
    bad = [
        b"\x91" * 100_000,
        b"\x91" * 60_000 + b"\xc0",
        b"\x82" * 30_000,
        msgspec.msgpack.encode([b"\x91" * 16_000]),
        msgspec.msgpack.encode([b"x" * (LIMITS.record_bytes + 1)]),
        msgspec.msgpack.encode([0, EVE.id, b"\x91" * 15_000, ALL_SHARDS]),
        msgspec.msgpack.encode([2, EVE.id, b"\x91" * 15_000, 0]),
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"",
    ]
    node = cores.nodes[0].id
    for channel in ("r/0", "h/0", "c/0", f"n/{node.hex()}"):
        for payload in bad:
            done = cores.hear(0, f"tastemesh/1/{NETWORK}/{channel}", payload)
            assert count(done, effects.Misbehaved)
            # And where that much comes in, less is read.
            assert count(done, effects.Misbehaved) + count(done, effects.Subscribe) == len(done)


def test_inbox_spam_is_answered_within_the_budget() -> None:
    cores = Cores([ANA])
    push(cores, 0, *[written(BEN, n) for n in range(1, 100)])
    node = cores.nodes[0].id
    inbox = inbox_topic(NETWORK, node)
    frame = initiate(ItemSet(), b"s" * 16, LIMITS)
    answers = refused = 0
    for n in range(300):  # a hundred senders, three frames each, all in one period
        sender = person(f"spammer {n // 3}")
        if n % 3 == 0:
            meet(cores, 0, sender)
        done = cores.hear(0, inbox, introduce(sender, node, frame, cores.wall_ms))
        answers += count(done, effects.Send) > 0
        refused += count(done, effects.Misbehaved)
    assert answers == LIMITS.sync_reply_count * 8
    assert refused == 300 - answers
    unasked = message(person("unheard of"), 1, pack_bundles([written(EVE, 1).envelope], LIMITS)[0])
    assert count(cores.hear(0, inbox, unasked), effects.Accepted) == 0


def test_poisoned_reconciliation_ends_with_the_budget_and_takes_nothing_away() -> None:
    cores = Cores([ANA, BEN])
    for n in range(40):
        cores.say(1, listen(f"{n}"))
    held = cores.held(0)
    meet(cores, 0, EVE)
    node = cores.nodes[0].id
    inbox = inbox_topic(NETWORK, node)
    sent_bytes = 0
    for n in range(500):
        writer = FrameWriter(secret(f"salt {n}")[:16], LIMITS.sync_frame_bytes)
        lie = secret(f"lie {n}")[:8]  # a digest that no set has: the range is always different
        writer.put([Part(END, bytes(8), lie)])
        done = cores.hear(0, inbox, introduce(EVE, node, writer.encoded(), cores.wall_ms))
        sent_bytes += sum(len(e.payload) for e in done if isinstance(e, effects.Send))
    assert cores.held(0) == held
    assert sent_bytes <= LIMITS.sync_reply_count * (LIMITS.sync_frame_bytes + 100)
    # An honest peer is served all the while, out of its own budget.
    cores.carry = lambda s, r, m, b: True
    cores.pass_time(60_000)
    assert cores.held(0) == cores.held(1)


def test_what_a_node_passes_over_hides_nothing_older_from_its_exchanges() -> None:
    """Records that one node alone was sent and refused, more than an exchange has frames for."""
    limits = Limits(sync_frame_bytes=2_048, sync_reply_count=4, author_interaction_count=1)
    cores = Cores([ANA, BEN], limits)
    cores.carry = lambda s, r, m, b: "/r/" not in m.topic
    cores.pass_time(12 * limits.sync_period_ms)
    lost = written(BEN, 1, created_ms=WALL_MS)
    push(cores, 1, lost)
    for n in range(4):
        puppet = person(f"puppet {n}")
        for seq in range(200, 0, -1):
            push(cores, 0, written(puppet, seq, created_ms=cores.wall_ms - 200 + seq))
    assert cores.engines[0].rejected[RejectReason.AUTHOR_QUOTA] == 4 * 199
    cores.pass_time(20 * limits.sync_period_ms)
    assert lost.id in cores.held(0)


def test_frames_in_a_peers_name_cost_nobody_records_and_nobody_an_exchange() -> None:
    people = [person(f"p{n}") for n in range(4)]
    cores = Cores(people)
    replayed: dict[bytes, bytes] = {}

    def carry(sender: int, reader: int, sent: effects.Send, broker: str) -> bool:
        if "/h/" in sent.topic:
            replayed[cores.nodes[sender].id] = sent.payload
        return "/r/" not in sent.topic  # so reconciliation is the only way

    cores.carry = carry
    cores.pass_time(60_000)
    writer = FrameWriter(bytes(16), LIMITS.sync_frame_bytes)
    writer.put([Part(END, bytes(8), Listing(b""))])  # lacks everything
    cores.say(0, listen("song"))
    for _ in range(6):
        for reader, node in enumerate(cores.nodes):
            inbox = inbox_topic(NETWORK, node.id)
            for peer in cores.nodes:
                shown = msgspec.msgpack.encode([replayed[peer.id], writer.encoded()])
                for payload in (
                    message(peer, 0, b""),
                    message(peer, 0, writer.encoded(), ALL_SHARDS),
                    message(peer, 3, shown, ALL_SHARDS),
                ):
                    for _ in range(20 if peer is not node else 0):
                        (refused,) = cores.hear(reader, inbox, payload)
                        assert isinstance(refused, effects.Misbehaved)
        cores.pass_time(LIMITS.sync_period_ms)
    assert all(len(cores.held(n)) == 1 for n in range(4))


def test_what_a_peer_is_sent_is_bounded_in_bytes_and_never_twice_in_a_period() -> None:
    limits = Limits(window_statement_count=100_000)
    cores = Cores([ANA], limits)
    for a in range(30):
        said = [listen(f"{a} {n} {'x' * 230}") for n in range(64)]
        push(cores, 0, *[written(person(f"author {a}"), s, *said) for s in range(1, 8)])
    assert sum(map(len, cores.stores[0].values())) > 3_300_000
    cores.engines[0].interest.mask = ALL_SHARDS  # it read less of such a flood
    node = cores.nodes[0].id
    cores.now_ms += limits.sync_period_ms
    mean_bytes = limits.statement_bytes / 2
    full_bytes = 2 * limits.sync_reply_count * (limits.sync_frame_bytes // 16) * mean_bytes
    assert full_bytes < 12 * 1024 * 1024  # of the outbox's 16
    sent: list[int] = []
    for number in range(9):
        peer = person(f"peer {number}")
        ids: list[bytes] = []
        size = 0
        for _ in range(LIMITS.sync_reply_count):
            writer = FrameWriter(secret(f"{number}")[:16], LIMITS.sync_frame_bytes)
            writer.put([Part(END, bytes(8), Listing(b""))])
            payload = introduce(peer, node, writer.encoded(), cores.wall_ms)
            done = cores.hear(0, inbox_topic(NETWORK, node), payload)
            ids += [i for e in done if isinstance(e, effects.Fetch) for i in e.record_ids]
            bundles = [e.payload for e in done if isinstance(e, effects.Send)]
            size += sum(len(each) for each in bundles if msgspec.msgpack.decode(each)[0] == 1)
        assert len(set(ids)) == len(ids)
        sent.append(size)
    assert sent[0] == max(sent) > 3_300_000  # all that there is
    assert sum(sent) <= 1.01 * full_bytes
    cores.now_ms += limits.sync_period_ms
    assert cores.engines[0]._sync._shipments._spare.tokens(cores.now_ms) == full_bytes


def test_eclipse_of_a_newcomer_by_ten_fakes_to_an_honest_node() -> None:
    cores = Cores([person(f"p{n}") for n in range(6)])
    cores.carry = lambda s, r, m, b: r != 5 or "/r/" not in m.topic  # p5 is not pushed anything
    for n in range(5):
        cores.say(n, listen("x"))
    fakes = [person(f"fake {n}") for n in range(50)]
    periods = 0
    while len(cores.held(5)) < 5 and periods < 40:
        for fake in fakes:  # they announce themselves and never answer
            meet(cores, 5, fake)
        cores.pass_time(LIMITS.sync_period_ms)
        periods += 1
    assert len(cores.held(5)) == 5
    assert periods <= 20


def test_tombstones_for_others_records_are_not_even_sayable() -> None:
    cores = Cores([ANA])
    push(cores, 0, written(BEN, 1))
    push(cores, 0, written(EVE, 7, Forget(0, 1, 2**40)))
    assert written(BEN, 1).id in cores.held(0)
    # And nobody unsays his own forgetting.
    push(cores, 0, written(BEN, 2, Forget(0, 1, 1)))
    push(cores, 0, written(BEN, 3, Forget(0, 2, 2)))
    assert count(push(cores, 0, written(BEN, 1)), effects.Accepted) == 0


def test_rotation_with_a_stolen_key_is_impossible_and_useless_after_the_owners() -> None:
    thief = ANA  # holds the current secret and nothing else
    with pytest.raises(Exception, match="not the key"):
        thief.rotated(secret("made up"), secret("x"), (0, 0))
    owner = ANA.rotated(secret("ana next"), secret("third"), (0, 1))
    cores = Cores([BEN])
    push(cores, 0, written(ANA, 1))
    push(cores, 0, written(owner, 2))
    accepted = sum(count(push(cores, 0, written(thief, n)), effects.Accepted) for n in range(3, 50))
    assert accepted == 0
    assert len(cores.held(0)) == 2
