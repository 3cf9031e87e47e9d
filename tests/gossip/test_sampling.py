"""Peer sampling under floods of fakes."""

from hypothesis import given
from hypothesis import strategies as st

from tastemesh.gossip.limits import Limits
from tastemesh.gossip.sampling import Peers
from tastemesh.gossip.topics import ALL_SHARDS, SHARD_COUNT
from tests.gossip.cores import secret

LIMITS = Limits()


def test_the_table_is_bounded_and_what_is_useful_or_sampled_stays() -> None:
    peers = Peers(Limits(peer_count=100), b"seed")
    friend = secret("friend")
    peers.hear(friend, 0)
    peers.credit(friend)
    for n in range(2_000):
        peers.hear(secret(f"fake {n}"), n)
        assert len(peers) <= 100
    assert friend in peers


def test_announcing_oneself_again_changes_nothing() -> None:
    peers = Peers(LIMITS, b"seed")
    for n in range(10):
        peers.hear(secret(f"honest {n}"), 0)
    for _ in range(1_000):
        peers.hear(secret("fake"), 0)
    picks = [peers.pick(ALL_SHARDS) for _ in range(1_100)]
    assert picks.count(secret("fake")) < 200  # a fair share of 100, and the draw's luck


def test_a_newcomer_among_ten_fakes_to_an_honest_node_meets_honest_ones() -> None:
    """The figure: of 200 newcomers, how many met no honest peer in ten periods of four draws."""
    eclipsed = 0
    for newcomer in range(200):
        peers = Peers(LIMITS, secret(f"{newcomer}"))
        for n in range(50):
            peers.hear(secret(f"honest {n}"), 0)
        for n in range(500):
            peers.hear(secret(f"fake {n}"), 0)
        honest = {secret(f"honest {n}") for n in range(50)}
        eclipsed += not any(peers.pick(ALL_SHARDS) in honest for _ in range(40))
    assert eclipsed <= 0.06 * 200  # (10/11)^40 is .022


def test_silent_peers_go_and_the_samplers_are_filled_again() -> None:
    peers = Peers(LIMITS, b"seed")
    for n in range(50):
        peers.hear(secret(f"{n}"), 0 if n < 40 else 200_000)
    peers.forget_silent(1)
    assert len(peers) == 10
    assert {peers.pick(ALL_SHARDS) for _ in range(400)} == {secret(f"{n}") for n in range(40, 50)}


def test_what_a_peer_said_earlier_does_not_undo_what_it_says_now() -> None:
    peers = Peers(LIMITS, b"seed")
    node = secret("peer")
    assert peers.hear(node, 0, 1, sent_ms=1_000)
    peers.hear(node, 10, 2, sent_ms=2_000)
    peers.hear(node, 20, 1, sent_ms=1_000)  # somebody kept it, and sends it again
    assert peers.mask(node) == 2
    peers.forget_silent(11)
    assert node not in peers  # nor does that keep it in the table
    assert peers.hear(node, 30, 1, sent_ms=1_000)


_HEARD = st.tuples(st.integers(0, 11), st.integers(0, 7), st.booleans())


@given(st.lists(_HEARD, max_size=60))
def test_the_readers_of_a_mask_are_those_of_the_table(said: list[tuple[int, int, bool]]) -> None:
    peers = Peers(Limits(peer_count=8), b"seed")
    for now_ms, (number, mask, is_late) in enumerate(said):
        peers.hear(secret(f"{number}"), now_ms, mask)
        if is_late:
            peers.forget_silent(now_ms - 5)
        for wanted in (1, 2, 6):  # fewer than are remembered
            assert peers._readers(wanted) == [n for n in peers if peers.mask(n) & wanted]


@given(st.lists(st.sampled_from([0, 200_000]), max_size=60))
def test_who_is_left_is_sampled_as_if_nobody_else_had_been(heard_ms: list[int]) -> None:
    peers, others = Peers(LIMITS, b"seed"), Peers(LIMITS, b"seed")
    for n, at_ms in enumerate(heard_ms):
        peers.hear(secret(f"{n}"), at_ms)
        if at_ms:
            others.hear(secret(f"{n}"), at_ms)
    peers.forget_silent(1)
    assert peers._sampled == others._sampled
    assert peers._least.tolist() == others._least.tolist()


def test_one_without_peers_picks_nobody() -> None:
    assert Peers(LIMITS, b"seed").pick(ALL_SHARDS) is None


def test_where_everybody_reads_one_shard_those_who_read_ours_are_found() -> None:
    peers = Peers(LIMITS, b"seed")
    reads = {secret(f"{n}"): 1 << n % SHARD_COUNT for n in range(512)}
    for node, mask in reads.items():
        peers.hear(node, 0, mask)
        peers.credit(node)
    alike = {node for node, mask in reads.items() if mask == 1 << 7}
    assert {peers.pick(1 << 7) for _ in range(400)} == alike
    peers.hear(secret("reads all but ours"), 0, ALL_SHARDS & ~(1 << 7))
    assert secret("reads all but ours") not in {peers.pick(1 << 7) for _ in range(400)}
    assert peers.pick(0) is None
