"""Rotation: who may sign what, and what a stolen key is worth."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import RemoteProtocolError, UsageError
from tastemesh.gossip import codec, effects, inputs
from tastemesh.gossip.effects import EvictReason
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.lineage import Lineage, Lineages, check_lineage
from tastemesh.gossip.record import Record
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import records_topic, shard_of
from tests.gossip.cores import NETWORK, WALL_MS, Cores, listen, person, secret

LIMITS = Limits()
ANA = person("ana")
NEXT = secret("ana next")


def rotated(cut: tuple[int, int] = (0, 5), then: str = "third") -> Signer:
    return ANA.rotated(NEXT, secret(then), cut)


def written(signer: Signer, epoch: int, seq: int, item: str = "a") -> Record:
    return codec.sign_record(signer, NETWORK, epoch, seq, b"", WALL_MS, (listen(item),), LIMITS)


def test_an_identity_keeps_its_id_through_rotations() -> None:
    once = rotated()
    twice = once.rotated(secret("third"), secret("fourth"), (1, 3))
    assert ANA.id == once.id == twice.id
    for signer, slot in ((ANA, (0, 5)), (once, (0, 6)), (once, (1, 3)), (twice, (1, 4))):
        assert codec.decode(written(signer, *slot).envelope, NETWORK, LIMITS).author == ANA.id


def test_only_the_committed_key_can_follow() -> None:
    with pytest.raises(UsageError, match="not the key that this identity committed to"):
        ANA.rotated(secret("mallory"), secret("x"), (0, 5))
    with pytest.raises(UsageError, match="above the last"):
        rotated().rotated(secret("third"), secret("fourth"), (0, 5))


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
    assert lineages.learn(ANA.id, signer.lineage, frozenset()) == (0, 5)
    lineages.check(ANA.id, None, (0, 5))
    lineages.check(ANA.id, signer.lineage, (0, 6))
    for lineage, slot in ((None, (0, 6)), (None, (1, 1)), (signer.lineage, (0, 5))):
        with pytest.raises(RemoteProtocolError) as caught:
            lineages.check(ANA.id, lineage, slot)
        assert caught.value.reason is RejectReason.REVOKED_KEY


def test_known_lineages_are_bounded_and_strangers_go_first() -> None:
    lineages = Lineages(Limits(lineage_count=3))
    kept = rotated().lineage
    lineages.learn(ANA.id, kept, frozenset())
    for n in range(10):
        lineages.learn(secret(f"{n}"), kept, frozenset({ANA.id}))
    assert len(lineages) == 3
    with pytest.raises(RemoteProtocolError):
        lineages.check(ANA.id, None, (0, 6))


def test_a_rotation_voids_what_a_thief_signed_and_the_thief_cannot_undo_it() -> None:
    cores = Cores([ANA, person("ben")])
    cores.say(0, listen("hers"))
    topic = records_topic(NETWORK, shard_of(ANA.id))
    theft = written(ANA, 0, 70, "stolen")
    cores.hear(1, topic, codec.pack_bundles([theft.envelope], LIMITS)[0])
    assert theft.id in cores.held(1)
    # She disowns what lies above her own last number.
    cores.tell(0, inputs.Rotated(rotated((0, 64)), cores.wall_ms))
    assert effects.Evict((theft.id,), EvictReason.REVOKED) in cores.done[1]
    assert len(cores.held(1)) == 2  # hers, and the announcement
    again = written(ANA, 0, 71, "stolen").envelope
    done = cores.hear(1, topic, codec.pack_bundles([again], LIMITS)[0])
    assert done == [
        effects.Misbehaved(
            RejectReason.REVOKED_KEY,
            b"",
            "signed by a key of this author that no longer holds",
        )
    ]
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
