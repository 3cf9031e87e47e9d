"""Rotation: who may sign what, and what a stolen key is worth."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import RemoteProtocolError, UsageError
from tastemesh.gossip import codec, effects, inputs
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.effects import EvictReason
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.lineage import Lineage, Lineages, StoredLineage, check_lineage
from tastemesh.gossip.pen import EPOCH_LANES
from tastemesh.gossip.proofs import encode_proof
from tastemesh.gossip.record import Endorsement, Forget, Record, Rotation, Said
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.statements import MAX_EPOCH
from tastemesh.gossip.topics import control_topic, records_topic, shard_of
from tests.gossip.cores import NETWORK, WALL_MS, Cores, listen, person, remembered, renewals, secret

LIMITS = Limits()
ANA = person("ana")
NEXT = secret("ana next")


def rotated(cut: tuple[int, int] = (0, 5), then: str = "third") -> Signer:
    return ANA.rotated(NEXT, secret(then), cut)


def lineage_of(signer: Signer) -> Lineage:
    assert signer.lineage is not None
    return signer.lineage


def written(signer: Signer, epoch: int, seq: int, *said: Said) -> Record:
    said = said or (listen("a"),)
    return codec.sign_record(signer, NETWORK, epoch, seq, b"", WALL_MS, said, LIMITS)


def push(cores: Cores, node: int, *records: Record) -> list[effects.Effect]:
    """Have a node hear records on their author's shard; return what it did."""
    topic = records_topic(NETWORK, shard_of(records[0].author))
    (bundle,) = pack_bundles([record.envelope for record in records], LIMITS)
    return cores.hear(node, topic, bundle)


def accepted(cores: Cores, record: Record) -> list[effects.Effect]:
    return [
        effects.Persist(record, cores.wall_ms),
        effects.Accepted(record, cores.wall_ms),
    ]


REVOKED = effects.Misbehaved(
    RejectReason.REVOKED_KEY, b"", "signed by a key of this author that no longer holds"
)


def test_an_identity_keeps_its_id_through_rotations() -> None:
    once = rotated()
    twice = once.rotated(secret("third"), secret("fourth"), (1, 3))
    assert ANA.id == once.id == twice.id
    for signer, slot in ((ANA, (0, 5)), (once, (0, 6)), (once, (1, 3)), (twice, (1, 4))):
        assert codec.decode(written(signer, *slot).envelope, NETWORK, LIMITS).author == ANA.id


def test_only_the_committed_key_can_follow() -> None:
    with pytest.raises(UsageError, match="not the key that this identity committed to"):
        ANA.rotated(secret("mallory"), secret("x"), (0, 5))
    with pytest.raises(UsageError, match="below the last"):
        rotated().rotated(secret("third"), secret("fourth"), (0, 4))


@given(st.integers(0, 4), st.data())
def test_no_part_of_a_step_can_be_changed(field: int, data: st.DataObject) -> None:
    lineage = rotated().lineage
    assert lineage is not None
    parts = list(msgspec.to_builtins(lineage.steps[0], builtin_types=(bytes,)))
    if isinstance(parts[field], int):
        parts[field] += data.draw(st.integers(1, 100))
    else:
        at = data.draw(st.integers(0, len(parts[field]) - 1))
        parts[field] = parts[field][:at] + bytes([parts[field][at] ^ 1]) + parts[field][at + 1 :]
    forged = msgspec.convert(
        [lineage.key, lineage.next_digest, [parts]], Lineage, builtin_types=(bytes,)
    )
    with pytest.raises(RemoteProtocolError):
        check_lineage(forged, ANA.id, LIMITS)


def test_a_slot_belongs_to_one_key() -> None:
    lineages = Lineages(LIMITS)
    signer = rotated()
    lineages.check(ANA.id, None, (0, 9))  # nobody has told us
    assert lineages.is_news(ANA.id, signer.lineage)
    lineages.learn(ANA.id, lineage_of(signer), frozenset())
    assert not lineages.is_news(ANA.id, signer.lineage)
    lineages.check(ANA.id, None, (0, 5))
    lineages.check(ANA.id, signer.lineage, (0, 6))
    for lineage, slot in ((None, (0, 6)), (None, (1, 1)), (signer.lineage, (0, 5))):
        with pytest.raises(RemoteProtocolError) as caught:
            lineages.check(ANA.id, lineage, slot)
        assert caught.value.reason is RejectReason.REVOKED_KEY


def test_known_lineages_are_bounded_and_strangers_go_first() -> None:
    lineages = Lineages(Limits(lineage_count=3))
    kept = lineage_of(rotated())
    lineages.learn(ANA.id, kept, frozenset())
    for n in range(10):
        lineages.learn(secret(f"{n}"), kept, frozenset({ANA.id}))
    assert len(lineages) == 3
    with pytest.raises(RemoteProtocolError):
        lineages.check(ANA.id, None, (0, 6))


def test_a_rotation_voids_what_a_thief_signed_and_the_thief_cannot_undo_it() -> None:
    cores = Cores([ANA, person("ben")])
    cores.say(0, listen("hers"))
    theft = written(ANA, 0, 70, listen("stolen"))
    push(cores, 1, theft)
    assert theft.id in cores.held(1)
    # She disowns what lies above her own last number.
    cores.tell(0, inputs.Rotated(rotated((0, 64)), cores.wall_ms))
    assert effects.Evict((theft.id,), EvictReason.REVOKED) in cores.done[1]
    assert len(cores.held(1)) == 2  # hers, and the announcement
    assert push(cores, 1, written(ANA, 0, 71, listen("stolen"))) == [REVOKED]
    cores.say(0, listen("after"))
    assert len(cores.held(1)) == 3


def test_disowning_everything_leaves_only_what_the_new_key_says() -> None:
    cores = Cores([ANA, person("ben")])
    cores.say(0, listen("a"))
    cores.say(0, listen("b"))
    cores.tell(0, inputs.Rotated(rotated((0, 0)), cores.wall_ms))
    cores.say(0, listen("a"))
    assert cores.held(0) == cores.held(1)
    assert len(cores.held(1)) == 2


def test_a_thiefs_forgets_go_with_the_rest_and_his_slots_are_free() -> None:
    """Tombstones and endorsements in high slots: neither may outlive the key that signed them."""
    cores = Cores([person("ben")])
    forget = written(ANA, 0, 70, *[Forget(epoch, 1, 2**63 - 1) for epoch in range(1, 64)])
    praise = written(ANA, 99, 1, Endorsement(secret("mallory"), 10_000))
    notice = written(ANA, 1, 1, Forget(0, 77, 77))  # where the owner will go on
    push(cores, 0, forget, praise, notice)
    new = rotated((0, 5))
    covered = written(new, 1, 1)
    # What the thief took back, the owner says: the lineage is heard first. And what is void leaves
    # before the record comes: of two endorsements the one in the higher slot would count.
    evicted = effects.Evict((forget.id, praise.id, notice.id), EvictReason.REVOKED)
    assert push(cores, 0, covered) == [remembered(covered), evicted, *accepted(cores, covered)]
    for seq, said in ((2, Rotation(1)), (3, Endorsement(secret("mallory"), -10_000))):
        record = written(new, 1, seq, said)
        assert push(cores, 0, record) == accepted(cores, record)
    assert push(cores, 0, forget) == [REVOKED]
    own = written(new, 1, 4, Forget(1, 1, 2))
    assert push(cores, 0, own)[-1] == effects.Evict((covered.id,), EvictReason.FORGOTTEN)
    (refused,) = push(cores, 0, covered)
    assert isinstance(refused, effects.Misbehaved)
    assert refused.reason is RejectReason.FORGOTTEN


def test_a_key_that_was_stolen_at_once_has_no_slot_at_all() -> None:
    """The second rotation cuts where the first one did, and the key between is worth nothing."""
    once = rotated((0, 5))
    twice = once.rotated(secret("third"), secret("fourth"), (0, 5))
    cores = Cores([person("ben")])
    stolen, hers = written(once, 0, 6), written(twice, 1, 1)
    push(cores, 0, stolen)
    voided = effects.Evict((stolen.id,), EvictReason.REVOKED)
    assert push(cores, 0, hers) == [remembered(hers), voided, *accepted(cores, hers)]
    for slot in ((0, 5), (0, 6), (1, 1), (9, 9)):
        assert push(cores, 0, written(once, *slot, listen("b"))) == [REVOKED]


@given(st.permutations(range(4)))
def test_a_node_follows_the_first_lineage_and_what_continues_it(order: list[int]) -> None:
    forks = [rotated((epoch, 1)) for epoch in range(3)]
    longer = forks[0].rotated(secret("third"), secret("fourth"), (5, 5))
    said = [written(fork, 7 + n, 9) for n, fork in enumerate((*forks, longer))]
    lineages = [lineage_of(fork) for fork in (*forks, longer)]
    followed = lineages[order[0]]
    kept = {said[order[0]].id}
    cores = Cores([person("ben")])
    for n in order:
        push(cores, 0, said[n])
        if followed.agrees_with(lineages[n]):
            kept.add(said[n].id)
            followed = lineages[n] if lineages[n].continues(followed) else followed
    if followed == lineages[3]:  # the older key has no slot above the newer cut
        kept.discard(said[0].id)
    assert cores.held(0) == kept


def test_who_steals_the_key_in_force_makes_no_longer_lineage_than_the_owners() -> None:
    once = rotated((0, 5))
    stolen = ANA.rotated(secret("ana next"), secret("mine"), (0, 5))
    longer = stolen.rotated(secret("mine"), secret("mine 2"), (0, 5))
    longer = longer.rotated(secret("mine 2"), secret("mine 3"), (0, 5))
    twice = once.rotated(secret("third"), secret("fourth"), (0, 5))
    cores = Cores([person("ben")])
    first, hers = written(once, 1, 1), written(twice, 1, 3)
    push(cores, 0, first)
    for thiefs in (written(stolen, 1, 2), written(longer, 1, 2)):
        assert push(cores, 0, thiefs) == [REVOKED]
    push(cores, 0, hers)
    assert push(cores, 0, written(longer, 1, 4)) == [REVOKED]
    assert cores.held(0) == {hers.id}


def test_what_two_nodes_will_not_agree_on_goes_between_them_once_an_hour() -> None:
    """The lineage is known where no record has it any more, and unknown where the voided are."""
    cores = Cores([person("ben"), person("cid")])
    new = rotated((0, 1))
    aged_ms = WALL_MS - LIMITS.window_age_ms + 30_000
    old = codec.sign_record(new, NETWORK, 1, 1, b"", aged_ms, (Rotation(1),), LIMITS)
    cores.carry = lambda s, r, m, b: "/n/" not in m.topic
    push(cores, 0, old)
    cores.pass_time(180_000)
    assert not cores.held(0)
    cores.carry = lambda *_: True
    void = [written(ANA, 1, seq) for seq in range(1, 20)]
    push(cores, 1, *void)
    refused = cores.engines[0].rejected
    cores.pass_time(40 * 60_000)
    assert refused[RejectReason.REVOKED_KEY] == len(void)
    cores.pass_time(60 * 60_000)
    assert refused[RejectReason.REVOKED_KEY] == 2 * len(void)
    # A thief may have put them round bodies of hers, so hers must come in some time.
    cores.carry = lambda s, r, m, b: "/n/" not in m.topic
    cores.pass_time(60 * 60_000)
    hers = [written(new, 1, seq) for seq in range(1, 20)]
    assert [record.id for record in hers] == [record.id for record in void]
    push(cores, 0, *hers)
    assert len(cores.held(0)) == len(hers)


def test_whoever_has_the_key_cannot_use_up_the_numbers() -> None:
    """Neither of the identity nor of what the owner's node goes on with."""
    cores = Cores([ANA])
    cores.say(0, listen("a"))
    push(cores, 0, written(ANA, MAX_EPOCH, 2**63 - 1), written(ANA, 7, 2**63 - 1))
    cores.say(0, listen("b"))
    assert cores.engines[0].authorship.last_slot(ANA.id) == (0, 64)
    cores.tell(0, inputs.Rotated(rotated((0, 0)), cores.wall_ms))
    cores.say(0, listen("c"))
    epoch, seq = cores.engines[0].authorship.last_slot(ANA.id)
    assert 1 <= epoch <= EPOCH_LANES
    assert seq == 64
    assert len(cores.held(0)) == 2


def test_a_rotation_that_leaves_no_epoch_changes_nothing() -> None:
    with pytest.raises(UsageError, match="expected an epoch below 9007199254740991"):
        rotated((MAX_EPOCH, 5))
    cores = Cores([ANA])
    step = lineage_of(rotated()).steps[0]
    last = msgspec.structs.replace(step, cut_epoch=MAX_EPOCH)
    lineage = msgspec.structs.replace(lineage_of(rotated()), steps=(last,))
    signer = Signer(NEXT, secret("third"), lineage)
    with pytest.raises(UsageError, match="expected an epoch below 9007199254740991"):
        cores.tell(0, inputs.Rotated(signer, cores.wall_ms))
    cores.say(0, listen("a"))
    assert len(cores.held(0)) == 1


def test_endorsements_that_a_rotation_voids_are_not_renewed() -> None:
    cores = Cores([ANA])
    cores.say(0, Endorsement(secret("ben"), 10_000))
    push(cores, 0, written(ANA, 3, 1, Endorsement(secret("mallory"), 10_000)))
    cores.tell(0, inputs.Rotated(rotated((0, 64)), cores.wall_ms))
    assert renewals(cores) == [(ANA.id, (Endorsement(secret("ben"), 10_000),))]


def test_what_a_rotation_lets_stand_again_is_renewed() -> None:
    cores = Cores([ANA])
    cores.say(0, Endorsement(secret("ben"), 10_000))
    push(cores, 0, written(ANA, 3, 1, Endorsement(secret("ben"), 0)))  # so the thief
    assert renewals(cores) == []
    cores.tell(0, inputs.Rotated(rotated((0, 64)), cores.wall_ms))
    assert renewals(cores) == [(ANA.id, (Endorsement(secret("ben"), 10_000),))]


def test_what_a_rotation_voids_does_not_come_back_from_the_disk() -> None:
    new = written(rotated((0, 5)), 1, 1)
    void = written(ANA, 0, 9, Forget(1, 1, 9))
    stored = tuple(inputs.Stored(r.envelope, WALL_MS, r.id) for r in (void, new, void))
    cores = Cores([person("ben")])
    cores.done[0].clear()
    cores.tell(0, inputs.Restored(stored, (), (), WALL_MS))
    gone = effects.Evict((void.id,), EvictReason.REVOKED)
    assert cores.done[0] == [
        effects.Accepted(void, WALL_MS),
        remembered(new),
        gone,
        effects.Accepted(new, WALL_MS),
        gone,
    ]
    # Read by an inspection before it was deleted, it is no sign of a bad disk.
    cores.done[0].clear()
    cores.tell(0, inputs.Inspected((stored[0],)))
    assert cores.done[0] == [gone]


def kept_of(cores: Cores, node: int) -> tuple[StoredLineage, ...]:
    return tuple(e.known for e in cores.done[node] if isinstance(e, effects.PersistLineage))


def test_a_rotation_outlasts_a_restart_and_the_record_that_brought_it() -> None:
    """What the owner said has aged meanwhile; the thief of the older key says something new."""
    before = Cores([person("ben")])
    new = written(rotated((0, 5)), 1, 1)
    assert push(before, 0, new)[0] == remembered(new)
    cores = Cores([person("ben")])
    cores.tell(0, inputs.Restored((), (), (), WALL_MS, lineages=kept_of(before, 0)))
    assert push(cores, 0, written(ANA, 0, 6)) == [REVOKED]
    fork = written(ANA.rotated(NEXT, secret("the thief's"), (0, 9)), 1, 2)
    assert push(cores, 0, fork) == [REVOKED]
    assert push(cores, 0, written(rotated((0, 5)), 1, 3))  # and nothing is stored anew
    assert not kept_of(cores, 0)


def test_no_fork_lets_off_after_a_restart_whom_his_newest_lineage_does_not() -> None:
    once = rotated((0, 5))
    first, second = sorted((written(once, 1, 1, listen(x)) for x in "ab"), key=lambda r: r.id)
    twice = once.rotated(secret("third"), secret("fourth"), (1, 7))
    cores = Cores([person("ben"), person("eve")])
    proof = encode_proof(first, second)
    cores.hear(0, control_topic(NETWORK, shard_of(ANA.id)), proof)
    push(cores, 0, written(twice, 2, 1))
    restored = inputs.Restored((), (), (), WALL_MS, (proof,), lineages=kept_of(cores, 0)[-1:])
    cores.tell(1, restored)
    fork = once.rotated(secret("third"), secret("a fork's"), (1, 0))
    push(cores, 1, written(fork, 2, 2))
    assert ANA.id in cores.engines[1].intake.proofs


def test_a_lineage_that_the_disk_has_altered_is_counted_and_not_believed() -> None:
    before = Cores([person("ben")])
    push(before, 0, written(rotated((0, 5)), 1, 1))
    (kept,) = kept_of(before, 0)
    altered = bytearray(kept.lineage)
    altered[-80] ^= 1  # in a signature, which nobody checks again
    for damaged in (
        msgspec.structs.replace(kept, lineage=bytes(altered)),
        msgspec.structs.replace(kept, lineage=kept.lineage[:-1]),
        msgspec.structs.replace(kept, author=secret("another")),
    ):
        cores = Cores([person("ben")])
        cores.done[0].clear()
        cores.tell(0, inputs.Restored((), (), (), WALL_MS, lineages=(damaged,)))
        assert effects.DropLineage(damaged.author) in cores.done[0]
        assert cores.engines[0].rejected[RejectReason.DAMAGED] == 1
        again = written(rotated((0, 5)), 1, 2)
        assert push(cores, 0, again) == [remembered(again), *accepted(cores, again)]


def test_whose_rotations_are_forgotten_for_others_leaves_the_disk_too() -> None:
    people = [person(f"p{n}") for n in range(3)]
    cores = Cores([person("ben")], Limits(lineage_count=2))
    keys = [p.rotated(secret(f"p{n} next"), secret("x"), (0, 5)) for n, p in enumerate(people)]
    for key in keys:
        push(cores, 0, written(key, 1, 1))
    orders = [e for e in cores.done[0] if isinstance(e, effects.PersistLineage)]
    assert [order.let_off for order in orders] == [b"", b"", people[0].id]
    # So does what a bound that was lowered has no room for.
    smaller = Cores([person("ben")], Limits(lineage_count=1))
    kept = tuple(order.known for order in orders[1:])
    smaller.tell(0, inputs.Restored((), (), (), WALL_MS, lineages=kept))
    assert smaller.done[0][-1] == effects.DropLineage(people[1].id)


def test_a_restart_forgets_nobodys_rotations_for_those_of_strangers_in_the_window() -> None:
    """At runtime they could not push out a friend's; at the start nobody is a friend yet."""
    friend, stranger = (
        person(name).rotated(secret(f"{name} next"), secret("x"), (0, 5)) for name in "fs"
    )
    assert friend.lineage
    kept = StoredLineage.of(friend.lineage)
    held = written(stranger, 1, 1)
    stored = (inputs.Stored(held.envelope, WALL_MS, held.id),)
    cores = Cores([person("ben")], Limits(lineage_count=1))
    cores.tell(0, inputs.Restored(stored, (), (), WALL_MS, lineages=(kept,)))
    assert held.id in cores.engines[0].window
    assert push(cores, 0, written(person("f"), 0, 6)) == [REVOKED]
    assert not kept_of(cores, 0)


def old_device(*said: Said) -> tuple[Cores, Signer]:
    """Ana's older device (0), which says something, and ben's node (1): she rotates elsewhere."""
    cores = Cores([ANA, person("ben")])
    for each in said:
        cores.say(0, each)
    return cores, rotated((0, 5))


def test_what_nobody_would_believe_is_refused_where_it_is_said() -> None:
    cores, elsewhere = old_device()
    assert push(cores, 0, written(elsewhere, 0, 6))[-1].__class__ is effects.Accepted
    held = cores.held(0)
    for said in (listen("a"), Endorsement(secret("somebody"), 10_000), Forget(0, 1, 5)):
        with pytest.raises(UsageError, match=r"rotated on another device.*expected that device's"):
            cores.say(0, said)
    fork = ANA.rotated(NEXT, secret("a fork's"), (0, 6))
    with pytest.raises(UsageError, match="rotated on another device"):
        cores.tell(0, inputs.Rotated(fork, WALL_MS))
    with pytest.raises(UsageError, match="rotated on another device"):
        cores.engines[0].authorship.check_key(ANA.id, rotates=True)
    assert cores.held(0) == held


def test_an_older_key_says_what_its_slots_have_room_for() -> None:
    """Where the newer of two devices rotates, the older one is below its cut and goes on."""
    cores, elsewhere = old_device(listen("a"))
    push(cores, 0, written(elsewhere, 1, 1))
    push(cores, 1, written(elsewhere, 1, 1))
    cores.say(0, *(listen(f"b {number}") for number in range(64 * 4)))
    assert cores.held(0) == cores.held(1)
    assert len(cores.held(0)) == 6
    with pytest.raises(UsageError, match="rotated on another device"):
        cores.say(0, listen("c"))
    assert cores.held(0) == cores.held(1)


def test_an_older_device_renews_nothing_that_nobody_would_believe() -> None:
    cores, elsewhere = old_device(Endorsement(secret("somebody"), 10_000))
    assert renewals(cores)
    push(cores, 0, written(elsewhere, 0, 6))
    assert not renewals(cores)


def test_a_device_knows_after_a_restart_that_its_key_was_rotated() -> None:
    before, elsewhere = old_device()
    push(before, 0, written(elsewhere, 0, 6))
    cores, _ = old_device()
    cores.tell(0, inputs.Restored((), (), (), WALL_MS, copied=True, lineages=kept_of(before, 0)))
    with pytest.raises(UsageError, match="rotated on another device"):
        cores.say(0, listen("a"))
