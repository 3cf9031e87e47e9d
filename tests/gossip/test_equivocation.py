"""Two records under one number, wherever the copies went."""

import pytest

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip import codec, effects, inputs
from tastemesh.gossip.effects import EvictReason
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.proofs import Proofs, encode_proof, open_proof
from tastemesh.gossip.record import Record
from tastemesh.gossip.topics import control_topic, records_topic, shard_of
from tests.gossip.cores import NETWORK, WALL_MS, Cores, listen, person, secret

LIMITS = Limits()
EVE = person("eve")
TOPIC = records_topic(NETWORK, shard_of(EVE.id))


def written(item: str, seq: int = 1) -> Record:
    return codec.sign_record(EVE, NETWORK, 0, seq, b"", WALL_MS, (listen(item),), LIMITS)


def push(cores: Cores, node: int, *records: Record) -> None:
    (bundle,) = codec.pack_bundles([record.envelope for record in records], LIMITS)
    cores.hear(node, TOPIC, bundle)


def test_copies_spread_to_different_halves_convict_their_author_everywhere() -> None:
    cores = Cores([person(f"p{n}") for n in range(6)])
    left, right = written("left"), written("right")
    more = written("more", seq=2)
    for n in range(6):
        push(cores, n, left if n < 3 else right, more)
    cores.pass_time(60_000)
    for n in range(6):
        assert EVE.id in cores.engines[n].intake.proofs, n
        assert not cores.held(n)
        assert effects.Convicted(EVE.id, own=False) in cores.done[n]
    push(cores, 0, written("later", seq=3))
    assert not cores.held(0)
    assert cores.engines[0].rejected[RejectReason.CONVICTED] == 1


def test_one_teller_is_enough_where_everybody_could_tell() -> None:
    cores = Cores([person(f"p{n}") for n in range(8)])
    for n in range(8):
        push(cores, n, written("left"))
        push(cores, n, written("right"))
    cores.pass_time(20_000)
    topic = control_topic(NETWORK, shard_of(EVE.id))
    tellers = [
        n
        for n, done in enumerate(cores.done)
        if any(isinstance(e, effects.Send) and e.topic == topic for e in done)
    ]
    assert len(tellers) == 1
    assert all(EVE.id in engine.intake.proofs for engine in cores.engines)


def test_a_newcomer_who_offers_a_convicts_records_is_shown_the_proof() -> None:
    cores = Cores([person("p0"), person("p1")])
    lost = True
    cores.carry = lambda s, r, m, b: "/c/" not in m.topic or not lost
    push(cores, 0, written("left"))
    push(cores, 0, written("right"))
    cores.pass_time(20_000)
    push(cores, 1, written("left"))
    assert EVE.id not in cores.engines[1].intake.proofs
    cores.pass_time(90_000)
    assert EVE.id in cores.engines[1].intake.proofs
    assert not cores.held(1)


def test_a_proof_is_portable_and_cannot_be_made_up() -> None:
    proof = encode_proof(written("left"), written("right"))
    assert proof == encode_proof(written("right"), written("left"))
    cores = Cores([person("p0")])
    topic = control_topic(NETWORK, shard_of(EVE.id))
    persisted, convicted = cores.hear(0, topic, proof)
    assert persisted == effects.PersistProof(EVE.id, proof)
    assert convicted == effects.Convicted(EVE.id, own=False)
    for wrong in (
        b"",
        proof[:-1],
        encode_proof(written("left"), written("right", seq=2)),
        encode_proof(written("left"), written("left")),
    ):
        with pytest.raises(RemoteProtocolError):
            open_proof(wrong, NETWORK, LIMITS)
    altered = bytearray(encode_proof(written("a", seq=9), written("b", seq=9)))
    altered[-5] ^= 1  # in a signature
    (refused,) = cores.hear(0, topic, bytes(altered))
    assert isinstance(refused, effects.Misbehaved)


def test_a_conviction_survives_a_restart() -> None:
    proof = encode_proof(written("left"), written("right"))
    cores = Cores([person("p0")])
    left = written("left")
    kept = inputs.Stored(left.envelope, WALL_MS, left.id)
    cores.tell(0, inputs.Restored((kept,), (), (), WALL_MS, (proof,)))
    assert cores.done[0][-2:] == [
        effects.Convicted(EVE.id, own=False),
        effects.Evict((written("left").id,), EvictReason.CONVICTED),
    ]


def test_our_own_copy_elsewhere_is_told_to_the_app_and_our_records_stay() -> None:
    cores = Cores([EVE])
    cores.say(0, listen("mine"))
    push(cores, 0, written("the copy's"))
    assert effects.Convicted(EVE.id, own=True) in cores.done[0]
    assert len(cores.held(0)) == 1
    cores.pass_time(20_000)
    assert not any(isinstance(e, effects.Send) and "/c/" in e.topic for e in cores.done[0])


def test_proofs_are_bounded_and_strangers_are_let_off_first() -> None:
    proofs = Proofs(Limits(proof_count=3))
    friend = secret("friend")
    proofs.add(friend, b"p", frozenset())
    let_off = [proofs.add(secret(f"{n}"), b"p", frozenset({friend})) for n in range(5)]
    assert let_off == [None, None, secret("0"), secret("1"), secret("2")]
    assert friend in proofs
    assert len(proofs) == 3
