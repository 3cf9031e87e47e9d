"""What is held follows from which records have come, not from their order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tastemesh.gossip import codec
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Forget, Record, Rotation, Said
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.statements import MAX_INT64
from tastemesh.gossip.topics import records_topic, shard_of
from tastemesh.gossip.window import Window
from tests.gossip.cores import NETWORK, WALL_MS, Cores, listen, person, secret

# Periods long enough that hours pass in a second.
LIMITS = Limits(
    author_interaction_count=8,
    author_endorsement_count=4,
    author_notice_count=4,
    sync_period_ms=300_000,
    presence_period_ms=300_000,
    peer_age_ms=900_000,
    interest_period_ms=300_000,
    relay_spread_ms=60_000,
)
HOUR_MS = 3_600_000
NODES = 3


def keys_of(name: str) -> tuple[Signer, ...]:
    """Return an author with his first key, and after each of two rotations."""
    first = person(name)
    second = first.rotated(secret(name + " next"), secret(name + " third"), (0, 4))
    return first, second, second.rotated(secret(name + " third"), secret(name + " last"), (1, 2))


AUTHORS = keys_of("eve"), keys_of("mallory")

forgets = st.builds(
    lambda epoch, ends: Forget(epoch, min(ends), max(ends)),
    st.integers(0, 2),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
) | st.builds(Forget, st.integers(0, 2), st.just(1), st.just(MAX_INT64))
interactions = st.integers(0, 99).map(lambda n: listen(f"item {n}"))
endorsements = st.builds(Endorsement, st.binary(min_size=32, max_size=32), st.just(1))
# Of one size each: where a large one left, there may be room for a small one that is older.
statements = st.one_of(
    st.lists(interactions, min_size=3, max_size=3),
    st.lists(endorsements, min_size=2, max_size=2),
    st.lists(forgets, min_size=1, max_size=1),
    st.tuples(interactions, interactions | endorsements, endorsements).map(list),
    st.just([Rotation(1)]),
)


def owner(keys: tuple[Signer, ...], slot: tuple[int, int]) -> Signer:
    """Return the key that a slot belongs to in the end."""
    lineage = keys[-1].lineage
    assert lineage is not None
    return next(each for each in keys if each.public.key == lineage.owner(slot))


def signed(
    keys: tuple[Signer, ...], thief: int, slot: tuple[int, int], back_ms: int, said: list[Said]
) -> Record:
    signer = keys[thief] if thief < len(keys) else owner(keys, slot)
    created_ms = WALL_MS - back_ms
    return codec.sign_record(signer, NETWORK, *slot, b"", created_ms, tuple(said), LIMITS)


records = st.builds(
    signed,
    st.sampled_from(AUTHORS),
    st.integers(0, 9),
    st.tuples(st.integers(0, 2), st.integers(1, 8)),
    st.integers(0, 20),
    statements,
)

histories = st.lists(records, max_size=24, unique_by=lambda record: (record.author, record.slot))


def push(cores: Cores, node: int, record: Record) -> None:
    (bundle,) = pack_bundles([record.envelope], LIMITS)
    cores.hear(node, records_topic(NETWORK, shard_of(record.author)), bundle)


@settings(max_examples=30)
@given(histories, records, st.data())
def test_nodes_that_heard_an_authors_records_in_any_order_hold_the_same(
    history: list[Record], another: Record, data: st.DataObject
) -> None:
    """Some of them, and some twice; forgets, rotations, and two records of a number among them."""
    cores = Cores([person(f"user {n}") for n in range(NODES)], LIMITS)
    # What carries a lineage can be taken back, but for what announces it; and now and then a number
    # is taken.
    history += [signed(keys, len(keys), (2, 9), 0, [Rotation(2)]) for keys in AUTHORS] + [another]
    copies = data.draw(st.lists(st.tuples(st.integers(0, NODES - 1), st.sampled_from(history))))
    first = [(data.draw(st.integers(0, NODES - 1)), record) for record in history]
    for node, record in data.draw(st.permutations([*copies, *first])):
        push(cores, node, record)
    cores.pass_time(3 * HOUR_MS)
    held = [cores.held(n) for n in range(NODES)]
    assert held[1:] == held[:-1]
    assert all(record_id in each.window for each in cores.engines for record_id in held[0])


@given(histories, st.data())
def test_what_quotas_cover_does_not_follow_from_the_order(
    history: list[Record], data: st.DataObject
) -> None:
    held = []
    for order in (history, data.draw(st.permutations(history))):
        window = Window(LIMITS)
        for record in order:
            window.add(record, WALL_MS)
        held.append({record.id for record in history if record.id in window})
    assert held[0] == held[1]


def test_what_left_for_what_its_author_takes_back_comes_again_where_others_have_it() -> None:
    """They heard of the taking back first; what had left was passed over for good."""
    cores = Cores([person(f"user {n}") for n in range(2)], LIMITS)
    keys = AUTHORS[0]
    said = [signed(keys, 9, (0, n), 20 - n, [listen(str(n))] * 4) for n in range(1, 4)]
    forget = signed(keys, 9, (0, 4), 0, [Forget(0, 3, 3)])
    for record in (*said, forget):
        push(cores, 0, record)
    for record in (said[0], said[1], forget):
        push(cores, 1, record)
    assert cores.held(0) == {said[1].id, forget.id}
    cores.pass_time(2 * HOUR_MS)
    assert cores.held(0) == cores.held(1) == {said[0].id, said[1].id, forget.id}


@pytest.mark.parametrize("forks", [False, True])
def test_what_a_thief_pushed_out_comes_again_once_the_key_is_rotated(forks: bool) -> None:
    """Nothing else of the author was held then, and with it went that anything had left."""
    cores = Cores([person(f"user {n}") for n in range(2)], LIMITS)
    keys = AUTHORS[0]
    said = [signed(keys, 9, (0, n), 20 - n, [listen(str(n))] * 4) for n in (1, 2)]
    stolen = [signed(keys, 0, (0, n), 20 - n, [listen(str(n))] * 4) for n in (5, 6)]
    rotation = signed(keys, 9, (1, 1), 0, [Rotation(1)])
    for record in (*said, *stolen):
        push(cores, 0, record)
    assert cores.held(0) == {each.id for each in stolen}
    if forks:
        push(cores, 0, signed(keys, 0, (0, 6), 0, [listen("fork")] * 4))
        assert not cores.held(0)
    push(cores, 0, rotation)
    for record in (*said, rotation):
        push(cores, 1, record)
    cores.pass_time(2 * HOUR_MS)
    assert cores.held(0) == cores.held(1) == {each.id for each in (*said, rotation)}
