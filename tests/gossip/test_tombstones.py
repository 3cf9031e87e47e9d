"""What a record of forgets takes back, and what it costs to find that out."""

from hypothesis import given
from hypothesis import strategies as st

from tastemesh.gossip import codec
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.record import Endorsement, Forget, Said
from tastemesh.gossip.tombstones import covering, uncovered
from tastemesh.gossip.topics import records_topic, shard_of
from tests.gossip.cores import NETWORK, Cores, listen, person
from tests.gossip.counting import calls_of

EVE = person("eve")
LIMITS = Limits()

numbers = st.integers(1, 30)
ranges = st.tuples(st.integers(0, 2), numbers, numbers).map(
    lambda drawn: Forget(drawn[0], *sorted(drawn[1:]))
)


@given(st.lists(ranges, max_size=8))
def test_what_any_of_them_covers_is_covered(forgets: list[Forget]) -> None:
    covers = covering(forgets)
    for epoch in range(4):
        for seq in range(32):
            assert covers(epoch, seq) == any(each.covers(epoch, seq) for each in forgets)


@given(st.lists(ranges, max_size=8), st.lists(ranges, max_size=8))
def test_what_others_leave_something_of_is_uncovered(
    forgets: list[Forget], inforce: list[Forget]
) -> None:
    covers = covering(inforce)
    left = [
        each
        for each in forgets
        if not all(covers(each.epoch, seq) for seq in range(each.first_seq, each.last_seq + 1))
    ]
    assert uncovered(forgets, inforce) == left


def test_a_record_that_pushes_out_a_users_forgets_is_not_asked_for_each_beside_each() -> None:
    """It took 6 ms, and 80 where three quotas of them had been pushed out before."""
    cores = Cores([EVE])
    count = LIMITS.author_notice_count
    for n in range(count):
        cores.say(0, Forget(0, 2 * n + 1, 2 * n + 1))
    cores.now_ms += 1_000
    with calls_of() as calls:
        push(cores, 1, *[Forget(1, 2 * n + 1, 2 * n + 1) for n in range(count)], epoch=1)
    lost = cores.engines[0].authorship.lost_forgets(EVE.id)
    assert len(lost) == count
    assert calls.count < 60 * count


def test_a_record_full_of_forgets_is_not_asked_for_each_of_its_authors_others() -> None:
    """It took 80 ms for 1.6 KB: one identity, 256 records at once, held a node up for 20 s."""
    cores = Cores([person("ana")])
    said: list[Said] = [listen(f"item {n}") for n in range(LIMITS.author_interaction_count)]
    said += [Endorsement(bytes([n]) * 32, 1) for n in range(LIMITS.author_endorsement_count)]
    for seq, each in enumerate(said, start=1):
        if not seq % LIMITS.author_burst_count:
            cores.pass_time(LIMITS.author_burst_count * 1000)
        push(cores, seq, each)
    assert len(cores.held(0)) == len(said)
    forgets = [Forget(1, n, n) for n in range(1, LIMITS.statement_count + 1)]
    with calls_of() as calls:
        push(cores, len(said) + 1, *forgets)
    assert cores.engines[0].rejected == {RejectReason.AUTHOR_QUOTA: 1}
    assert calls.count < 10 * (len(said) + len(forgets))


def push(cores: Cores, seq: int, *said: Said, epoch: int = 0) -> None:
    record = codec.sign_record(EVE, NETWORK, epoch, seq, b"", cores.wall_ms, said, LIMITS)
    (bundle,) = pack_bundles([record.envelope], LIMITS)
    cores.hear(0, records_topic(NETWORK, shard_of(EVE.id)), bundle)
