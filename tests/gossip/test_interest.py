"""Which shards are read under a byte budget."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.gossip import effects, inputs
from tastemesh.gossip.authorship import Authorship
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.echoes import PAYLOAD_COUNT, Echoes
from tastemesh.gossip.interest import Interest, mask_of
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.topics import ALL_SHARDS, SHARD_COUNT, shard_of, shard_topics
from tests.gossip.cores import NETWORK, WALL_MS, Cores, listen, person, secret

MINUTE_MS = 60_000


def flooded(interest: Interest, rates: list[float], periods: int, since: int = 0) -> None:
    """Let every shard that is read bring its rate, for some periods."""
    for period in range(since, since + periods):
        for shard in range(SHARD_COUNT):
            if interest.reads(shard):
                interest.hear(shard, round(rates[shard] * MINUTE_MS / 1000))
        interest.refresh((period + 1) * MINUTE_MS)


def test_a_network_within_the_budget_is_read_whole() -> None:
    interest = Interest(4096, MINUTE_MS, b"seed")
    flooded(interest, [60.0] * SHARD_COUNT, 5)
    assert interest.mask == ALL_SHARDS


def test_a_network_that_fills_the_budget_to_the_byte_is_read_whole_by_any_python() -> None:
    interest = Interest(640, MINUTE_MS, b"seed")
    for shard in range(SHARD_COUNT):
        interest.hear(shard, 599 if shard else 663)
    interest.refresh(MINUTE_MS)
    assert interest.mask == ALL_SHARDS  # the rates one after the other, rounded, come to more


@given(
    st.lists(st.floats(0, 2_000), min_size=SHARD_COUNT, max_size=SHARD_COUNT),
    st.dictionaries(st.integers(0, SHARD_COUNT - 1), st.integers(1, 50), max_size=10),
)
def test_what_comes_in_stays_within_the_budget_but_for_what_was_misjudged(
    rates: list[float], contacts: dict[int, int]
) -> None:
    interest = Interest(4096, MINUTE_MS, b"seed")
    interest.set_contacts(contacts)
    flooded(interest, rates, 3)
    taken = sum(rate for shard, rate in enumerate(rates) if interest.reads(shard))
    assert taken <= 4096 + 2 * max(rates) + 64
    assert interest.mask


def test_contacts_come_first_and_the_random_rest_changes() -> None:
    interest = Interest(640, MINUTE_MS, b"seed")
    interest.set_contacts({3: 1, 9: 5})
    seen: Counter[int] = Counter()
    for turn in range(40):
        flooded(interest, [100.0] * SHARD_COUNT, 10, since=10 * turn)
        assert interest.mask & mask_of([3, 9]) == mask_of([3, 9])
        assert interest.mask.bit_count() == 5  # 500 of 640: a fifth is left free
        seen.update(s for s in range(SHARD_COUNT) if interest.reads(s))
    assert len(seen) > 50


@given(
    st.floats(1, 1_000),
    st.dictionaries(st.integers(0, SHARD_COUNT - 1), st.integers(1, 50), max_size=10),
)
def test_of_shards_that_are_alike_one_is_read_and_more_only_if_they_fit(
    rate: float, contacts: dict[int, int]
) -> None:
    interest = Interest(640, MINUTE_MS, b"seed")
    interest.set_contacts(contacts)
    for period in range(45):
        flooded(interest, [rate] * SHARD_COUNT, 1, since=period)
        shards = interest.mask.bit_count()
        assert shards == 1 or shards * rate <= 640 + shards  # bytes are rounded to whole ones
        assert shards >= min(SHARD_COUNT, 0.8 * 640 // (rate + 1))


def test_where_one_shard_is_all_that_fits_one_draw_in_four_is_random() -> None:
    interest = Interest(128, MINUTE_MS, b"seed")
    interest.set_contacts({3: 1, 9: 5})
    turns: Counter[int] = Counter()
    for turn in range(40):
        flooded(interest, [100.0] * SHARD_COUNT, 10, since=10 * turn)
        assert interest.mask.bit_count() == 1
        turns[interest.mask.bit_length() - 1] += 1
    assert turns[9] == 30
    assert len(turns) > 8


def test_ones_own_other_devices_are_read_after_the_shard_of_most_contacts() -> None:
    interest = Interest(320, MINUTE_MS, b"seed")
    interest.set_contacts({3: 5, 9: 6, 20: 1, 40: 3}, own=[20])
    flooded(interest, [100.0] * SHARD_COUNT, 3)
    assert interest.mask.bit_count() == 2
    assert interest.mask == mask_of([9, 20])


def test_the_noise_of_a_minute_changes_nothing_until_the_next_draw() -> None:
    interest = Interest(640, MINUTE_MS, b"seed")
    flooded(interest, [100.0] * SHARD_COUNT, 10)
    drawn = interest.mask
    for turn in range(9):
        rate = 100.0 + (20.0 if turn % 2 else -20.0)
        flooded(interest, [rate] * SHARD_COUNT, 1, since=10 + turn)
        assert interest.mask == drawn
    flooded(interest, [100.0] * SHARD_COUNT, 1, since=19)
    assert interest.mask != drawn


def test_a_burst_ends_the_period_and_the_next_one_lasts() -> None:
    interest = Interest(64, MINUTE_MS, b"seed")
    for moment in range(4):
        heard = [interest.hear(shard, 16) for shard in range(SHARD_COUNT)]
        assert heard[-1] == (moment == 3)
    assert interest.refresh(
        500, early=True
    )  # all that in half a second: 64 times the budget and more
    assert interest.mask.bit_count() == 1
    read = interest.mask.bit_length() - 1
    assert not interest.hear(read, 30)
    assert interest.refresh(MINUTE_MS)  # it was a burst: the network is as quiet as that
    assert interest.mask == ALL_SHARDS
    assert interest.hear(0, 1_000_000)
    interest.refresh(MINUTE_MS + 100, early=True)
    assert not interest.hear(1, 1_000_000)  # only one in a row


def test_the_first_burst_is_measured_from_the_start_and_not_from_the_clocks_zero() -> None:
    interest = Interest(64, MINUTE_MS, b"seed")
    interest.begin(10_000_000)
    assert [interest.hear(shard, 100) for shard in range(SHARD_COUNT)][-1]
    assert interest.refresh(10_002_000, early=True)  # 50 B/s a shard
    assert interest.mask.bit_count() == 1


def test_silence_in_a_burst_of_a_message_a_shard_is_not_taken_for_a_quiet_shard() -> None:
    interest = Interest(64, MINUTE_MS, b"seed")
    for shard in range(SHARD_COUNT * 3 // 4):
        interest.hear(shard, 200)
    assert interest.refresh(1_000, early=True)
    assert interest.mask.bit_count() == 1


def test_a_flooded_shard_keeps_nobody_from_the_others() -> None:
    interest = Interest(4096, MINUTE_MS, b"seed")
    rates = [10.0] * SHARD_COUNT
    flood = interest._drawn[SHARD_COUNT // 2]
    rates[flood] = 10_000.0
    flooded(interest, rates, 3)
    assert interest.mask == ALL_SHARDS & ~mask_of([flood])


def test_a_flooded_shard_is_left_out_even_if_all_contacts_are_in_it() -> None:
    interest = Interest(4096, MINUTE_MS, b"seed")
    interest.set_contacts({5: 3})
    rates = [10.0] * SHARD_COUNT
    rates[5] = 10_000.0
    flooded(interest, rates, 3)
    assert interest.mask == ALL_SHARDS & ~mask_of([5])


def test_the_one_shard_that_fits_is_left_at_once_when_somebody_floods_it() -> None:
    interest = Interest(128, MINUTE_MS, b"seed")
    flooded(interest, [100.0] * SHARD_COUNT, 12)
    read = interest.mask
    assert read.bit_count() == 1
    assert interest.hear(read.bit_length() - 1, 1_000_000)
    assert interest.refresh(12 * MINUTE_MS + 1_000, early=True)
    assert interest.mask.bit_count() == 1
    assert not interest.mask & read


def test_a_flood_that_ends_every_period_early_is_remembered_like_one_that_does_not() -> None:
    interest = Interest(4096, MINUTE_MS, b"seed", burst_periods=4.0)
    interest.begin(0)
    heard_bytes = ended = 0
    for second in range(3_600):
        for shard in range(SHARD_COUNT):
            rate = 100_000 if shard == 7 else 10
            if interest.reads(shard):
                heard_bytes += rate
                if interest.hear(shard, rate):
                    interest.refresh(1_000 * second, early=True)
                    ended += 1
        if second % 60 == 59:
            interest.refresh(1_000 * (second + 1))
    assert heard_bytes < 4096 * 3_600
    assert ended < 6


def test_what_still_comes_of_a_shard_that_was_left_is_not_held_against_it_later() -> None:
    interest = Interest(4096, MINUTE_MS, b"seed", burst_periods=4.0)
    rates = [20.0] * SHARD_COUNT
    flooded(interest, rates, 10)
    for _ in range(72):  # what a broker kept while the node was away: it comes all the same
        for shard in range(SHARD_COUNT):
            if interest.hear(shard, 1_000):
                interest.refresh(10 * MINUTE_MS + 2_000, early=True)
    assert interest.mask != ALL_SHARDS
    flooded(interest, rates, 7, since=10)
    assert interest.mask == ALL_SHARDS


def test_short_periods_keep_the_budget_too() -> None:
    interest = Interest(4096, 1_000, b"seed", burst_periods=4.0)
    for second in range(30):
        for shard in range(SHARD_COUNT):
            if interest.reads(shard):
                interest.hear(shard, 200)
        interest.refresh(1_000 * (second + 1))
    assert 0 < 200 * interest.mask.bit_count() <= 4096


def test_topics_are_as_few_as_can_be() -> None:
    assert shard_topics("n", "r", ALL_SHARDS) == ("tastemesh/1/n/r/+",)
    assert shard_topics("n", "r", mask_of([0, 63])) == ("tastemesh/1/n/r/0", "tastemesh/1/n/r/63")


def test_a_busy_network_makes_a_node_read_less_and_reconcile_only_that() -> None:
    limits = Limits(inbound_bytes_per_s=64)
    people = [person(f"p{n}") for n in range(24)]
    cores = Cores(people, limits)
    for _ in range(6):
        for n in range(1, 24):
            cores.say(n, *[listen(f"{n} {i}") for i in range(20)])
        cores.pass_time(MINUTE_MS)
    engine = cores.engines[0]
    assert 0 < engine.interest.mask.bit_count() < SHARD_COUNT
    subscribed = [e for e in cores.done[0] if isinstance(e, effects.Subscribe)][-1].topics
    assert all(topic in subscribed for topic in shard_topics(NETWORK, "r", engine.interest.mask))
    unread = next(p for p in people[1:] if not engine.interest.reads(shard_of(p.id)))
    cores.carry = lambda s, r, m, b: r != 0 or "/r/" not in m.topic
    before = len(cores.held(0))
    cores.say(people.index(unread), listen("unread"))
    read = next((p for p in people[1:] if engine.interest.reads(shard_of(p.id))), None)
    cores.pass_time(55_000)  # at the end of the minute it may read more: nobody is speaking
    assert len(cores.held(0)) == before
    if read is not None:
        cores.say(people.index(read), listen("read"))
    cores.pass_time(120_000)
    assert len(cores.held(0)) >= before + (read is not None)


def pushed_by(cores: Cores, node: int) -> list[effects.Send]:
    return [e for e in cores.done[node] if isinstance(e, effects.Send) and "/r/" in e.topic]


def brought_home(users: int = 30) -> Cores:
    """Return a node whose users bring their histories along, 400 plays each."""
    people = [person(f"user {n}") for n in range(users)]
    cores = Cores([people[0], person("other")], brokers=("one", "two"))
    cores.carry = lambda *_: False
    for each in people[1:]:
        cores.engines[0].authorship.add(each)
    cores.pass_time(2 * MINUTE_MS)
    for each in people:
        plays = tuple(listen(f"mbid:{each.id.hex()[:8]}-{n:028d}") for n in range(400))
        cores.tell(0, inputs.Recorded(each.id, plays, cores.wall_ms))
    return cores


def test_what_a_node_pushed_itself_and_gets_back_has_it_read_no_less() -> None:
    cores = brought_home()
    for broker in cores.brokers:
        for send in pushed_by(cores, 0):
            cores.hear(0, send.topic, send.payload, broker)
    assert cores.engines[0].interest.mask == ALL_SHARDS
    cores.pass_time(MINUTE_MS)
    assert cores.engines[0].interest.mask == ALL_SHARDS


def test_a_flood_of_what_a_node_pushed_itself_counts_from_the_second_copy_on() -> None:
    cores = brought_home()
    for _ in range(4):
        for send in pushed_by(cores, 0):
            cores.hear(0, send.topic, send.payload, "one")
    assert cores.engines[0].interest.mask != ALL_SHARDS


def test_what_is_remembered_of_what_was_pushed_is_bounded() -> None:
    echoes = Echoes()
    payloads = [n.to_bytes(8, "big") for n in range(PAYLOAD_COUNT + 1)]
    echoes.note(payloads)
    assert len(echoes) == PAYLOAD_COUNT
    assert not echoes.is_one("one", payloads[0])
    assert echoes.is_one("one", payloads[-1])
    assert not echoes.is_one("one", payloads[-1])
    assert echoes.is_one("two", payloads[-1])


@pytest.mark.parametrize("network", ["x", "a-network-with-the-longest-name-0"])
def test_all_that_a_user_with_a_new_key_pushed_is_known_again(network: str) -> None:
    """What ends with the rotations ends alike."""
    ana = person("ana").rotated(secret("ana next"), secret("third"), (0, 0))
    authorship = Authorship((ana,), network, Limits())
    for _ in range(2):
        _, records = authorship.write(ana.id, (listen("x"),) * 300, WALL_MS)
        payloads = [pack_bundles([record.envelope], Limits())[0] for record in records]
        echoes = Echoes()
        echoes.note(payloads)
        assert len(payloads) == 5
        assert all(echoes.is_one("broker", each) for each in payloads)
