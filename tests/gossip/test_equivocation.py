"""Two records under one number, wherever the copies went."""

import pytest

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip import codec, effects, inbox, inputs
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.effects import EvictReason
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.lineage import Lineages
from tastemesh.gossip.proofs import Proofs, encode_proof, open_proof
from tastemesh.gossip.record import Forget, Record, Rotation
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import control_topic, inbox_topic, records_topic, shard_of
from tests.gossip.cores import NETWORK, WALL_MS, Cores, listen, person, remembered, secret

LIMITS = Limits()
EVE = person("eve")
TOPIC = records_topic(NETWORK, shard_of(EVE.id))


def written(item: str, seq: int = 1) -> Record:
    return codec.sign_record(EVE, NETWORK, 0, seq, b"", WALL_MS, (listen(item),), LIMITS)


def push(cores: Cores, node: int, *records: Record) -> list[effects.Effect]:
    (bundle,) = pack_bundles([record.envelope for record in records], LIMITS)
    return cores.hear(node, TOPIC, bundle)


def signed(signer: Signer, epoch: int, seq: int, item: str = "a") -> Record:
    return codec.sign_record(signer, NETWORK, epoch, seq, b"", WALL_MS, (listen(item),), LIMITS)


def rotated(signer: Signer, cut: tuple[int, int], then: str = "third") -> Signer:
    steps = len(signer.lineage.steps) if signer.lineage else 0
    following = ("eve next", "third", "fourth")[steps]
    return signer.rotated(secret(following), secret(then), cut)


def hear(cores: Cores, node: int, proof: bytes) -> list[effects.Effect]:
    return cores.hear(node, control_topic(NETWORK, shard_of(EVE.id)), proof)


def pair(signer: Signer, epoch: int, seq: int) -> bytes:
    """Return what would prove that this key signed a slot twice."""
    return encode_proof(signed(signer, epoch, seq, "x"), signed(signer, epoch, seq, "y"))


REVOKED = effects.Misbehaved(
    RejectReason.REVOKED_KEY, b"", "signed by a key of this author that no longer holds"
)


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


@pytest.mark.parametrize("second", ["right", "right {}"], ids=["one", "another for each node"])
def test_one_teller_is_enough_where_everybody_could_tell(second: str) -> None:
    cores = Cores([person(f"p{n}") for n in range(8)])
    for n in range(8):
        push(cores, n, written("left"))
        push(cores, n, written(second.format(n)))
    cores.pass_time(20_000)
    topic = control_topic(NETWORK, shard_of(EVE.id))
    tellers = [
        n
        for n, done in enumerate(cores.done)
        if any(isinstance(e, effects.Send) and e.topic == topic for e in done)
    ]
    assert len(tellers) == 1
    assert all(EVE.id in engine.intake.proofs for engine in cores.engines)


def test_who_is_shown_a_proof_in_his_inbox_tells_others_all_the_same() -> None:
    cores = Cores([person("p0"), person("p1")])
    cores.carry = lambda s, r, m, b: False
    cores.pass_time(40_000)  # they have begun an exchange
    push(cores, 0, written("left"))
    push(cores, 0, written("right"))
    proof = cores.engines[0].intake.proofs.proof(EVE.id)
    assert proof is not None
    message = inbox.Message(inbox.PROOF, cores.nodes[1].id, proof, 0)
    assert cores.hear(0, inbox_topic(NETWORK, cores.nodes[0].id), inbox.written(message)) == []
    cores.pass_time(20_000)
    topic = control_topic(NETWORK, shard_of(EVE.id))
    assert effects.Send(topic, proof) in cores.done[0]


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


def test_a_key_that_was_rotated_out_proves_nothing_above_the_cut() -> None:
    new = rotated(EVE, (0, 5))
    theirs, hers = signed(EVE, 1, 1, "a thief's"), signed(new, 1, 1)
    mixed = encode_proof(theirs, hers)  # it brings the lineage that voids it
    for proof in (mixed, encode_proof(hers, theirs)):
        cores = Cores([person("p0")])
        assert hear(cores, 0, proof) == [REVOKED]
        push(cores, 0, hers)
        assert hear(cores, 0, proof) == [REVOKED]
        assert hear(cores, 0, pair(EVE, 1, 2)) == [REVOKED]
        assert cores.held(0) == {hers.id}
        # Below the cut it still holds.
        assert effects.Convicted(EVE.id, own=False) in hear(cores, 0, pair(EVE, 0, 5))


def test_a_rotation_lets_its_author_off_for_what_a_thief_signed_twice() -> None:
    proof = pair(EVE, 0, 6)
    cores = Cores([person("p0"), person("p1"), person("p2")])
    cores.carry = lambda s, r, m, b: r != 2
    assert hear(cores, 0, proof)[-1] == effects.Convicted(EVE.id, own=False)
    hear(cores, 1, proof)
    hers = signed(rotated(EVE, (0, 5)), 1, 1)
    for node in (0, 1):
        assert push(cores, node, hers) == [
            remembered(hers),
            effects.DropProof(EVE.id),
            effects.Persist(hers, WALL_MS),
            effects.Accepted(hers, WALL_MS),
        ]
        assert hear(cores, node, proof) == [REVOKED]
    # After a restart the proof, should it be on the disk still, falls with the record.
    kept = inputs.Stored(hers.envelope, WALL_MS, hers.id)
    cores.done[2].clear()
    cores.tell(2, inputs.Restored((kept,), (), (), WALL_MS, (proof,)))
    assert cores.done[2] == [
        effects.Convicted(EVE.id, own=False),
        remembered(hers),
        effects.DropProof(EVE.id),
        effects.Accepted(hers, WALL_MS),
    ]


def test_who_equivocates_is_not_let_off_but_by_a_longer_lineage_that_voids_it() -> None:
    once = rotated(EVE, (0, 5))
    forks = [rotated(EVE, (2, n)) for n in range(1, 9)]
    cores = Cores([person("p0")])
    push(cores, 0, signed(once, 1, 1))
    hear(cores, 0, pair(once, 1, 7))
    for fork in forks:  # as long: the slots are the first key's there
        assert not [e for e in push(cores, 0, signed(fork, 9, 1)) if e == effects.DropProof(EVE.id)]
    assert EVE.id in cores.engines[0].intake.proofs
    below = signed(rotated(once, (1, 7), "fourth"), 2, 1)
    push(cores, 0, below)
    assert EVE.id in cores.engines[0].intake.proofs
    assert not cores.held(0)
    again = Cores([person("p0")])
    hear(again, 0, pair(once, 1, 7))
    above = signed(rotated(once, (1, 6), "fourth"), 2, 1)
    push(again, 0, above)
    assert EVE.id not in again.engines[0].intake.proofs
    assert again.held(0) == {above.id}


def test_no_fork_lets_off_who_was_convicted_before_a_restart_or_by_a_forgotten_lineage() -> None:
    once = rotated(EVE, (0, 5))
    proof = pair(once, 1, 7)
    fork = signed(rotated(EVE, (2, 1)), 9, 1)
    above = signed(rotated(once, (1, 6), "fourth"), 2, 1)
    cores = Cores([person("p0"), person("p1")])
    cores.tell(0, inputs.Restored((), (), (), WALL_MS, (proof,)))
    hear(cores, 1, proof)
    cores.engines[1].intake.lineages = Lineages(LIMITS)  # others' have taken the room
    for n in range(2):
        push(cores, n, fork)
        assert EVE.id in cores.engines[n].intake.proofs, n
        assert not cores.held(n)
    push(cores, 0, above)  # what continues hers still does
    assert cores.held(0) == {above.id}


def test_a_second_proof_counts_where_the_lineage_that_it_brings_voids_the_first() -> None:
    once = rotated(EVE, (0, 5))
    cores = Cores([person("p0")])
    hear(cores, 0, pair(EVE, 0, 6))
    second = pair(once, 0, 6)
    assert hear(cores, 0, second) == [
        remembered(signed(once, 0, 6)),
        effects.DropProof(EVE.id),
        effects.PersistProof(EVE.id, second),
        effects.Convicted(EVE.id, own=False),
    ]


def test_a_notice_of_a_thief_in_the_next_slot_convicts_nobody() -> None:
    cores = Cores([person("p0")])
    push(cores, 0, written("hers"))
    said = (Forget(0, 77, 77),)
    waiting = codec.sign_record(EVE, NETWORK, 1, 1, b"", WALL_MS, said, LIMITS)
    push(cores, 0, waiting)
    new = rotated(EVE, (0, 5))
    notice = codec.sign_record(new, NETWORK, 1, 1, b"", WALL_MS, (Rotation(1),), LIMITS)
    assert push(cores, 0, notice) == [
        remembered(notice),
        effects.Evict((waiting.id,), EvictReason.REVOKED),
        effects.Persist(notice, WALL_MS),
        effects.Accepted(notice, WALL_MS),
    ]


def test_a_rotation_between_a_dispute_and_its_proof_voids_it() -> None:
    cores = Cores([person("p0")])
    first, second = signed(EVE, 1, 1, "x"), signed(EVE, 1, 1, "y")
    push(cores, 0, first)
    engine = cores.engines[0]
    (bundle,) = pack_bundles([second.envelope], LIMITS)
    done = engine.handle(inputs.Received("broker", TOPIC, bundle, WALL_MS), 0)
    fetch = next(e for e in done if isinstance(e, effects.Fetch))  # the store takes its time
    assert fetch.record_ids == (first.id,)
    hers = signed(rotated(EVE, (0, 5)), 1, 2)
    push(cores, 0, hers)
    cores.tell(0, inputs.Fetched((first.envelope,), fetch.topic))
    assert EVE.id not in engine.intake.proofs
    assert cores.held(0) == {hers.id}


def test_what_a_convict_says_is_not_sent_again_and_again() -> None:
    """The other node knows a lineage under which the proof is void, and has no record of it."""
    cores = Cores([person("p0"), person("p1")])
    cores.carry = lambda s, r, m, b: "/n/" not in m.topic
    hear(cores, 0, pair(EVE, 0, 6))
    cores.pass_time(20_000)
    lineage = rotated(EVE, (0, 5)).lineage
    assert lineage is not None
    engine = cores.engines[1]
    engine.intake.proofs.drop(EVE.id)
    engine.intake.lineages.learn(EVE.id, lineage, frozenset())
    push(cores, 1, *[signed(EVE, 0, seq) for seq in range(1, 5)])
    assert len(cores.held(1)) == 4
    cores.carry = lambda *_: True
    cores.pass_time(50 * 60_000)
    assert cores.engines[0].rejected[RejectReason.CONVICTED] == 4
    assert len(cores.held(1)) == 4


@pytest.mark.parametrize("place", [0, -5], ids=["its form", "its signature"])
def test_a_disputed_record_that_the_disk_has_altered_is_counted_and_proves_nothing(
    place: int,
) -> None:
    cores = Cores([person("p")])
    left = written("left")
    push(cores, 0, left)
    altered = bytearray(left.envelope)
    altered[place] ^= 1
    sound, cores.stores[0][left.id] = cores.stores[0][left.id], bytes(altered)
    push(cores, 0, written("right"))
    assert cores.engines[0].rejected[RejectReason.DAMAGED] == 1
    assert EVE.id not in cores.engines[0].intake.proofs
    cores.stores[0][left.id] = sound
    push(cores, 0, written("right"))
    assert EVE.id in cores.engines[0].intake.proofs
