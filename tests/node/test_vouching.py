"""What local users say of others: nothing that they stand by is lost for what they say next."""

from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.gossip import codec, effects, inputs
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.limits import DAY_MS, Limits
from tastemesh.gossip.record import Endorsement, Forget, Said
from tastemesh.gossip.topics import records_topic, shard_of
from tastemesh.node.core import Core
from tests.gossip.cores import NETWORK, WALL_MS, listen, person, secret

ANA, BEN = person("ana"), person("ben")
MOST = 8
SMALL = Limits(author_endorsement_count=MOST)


class User:
    """One local user of one core, and a clock."""

    def __init__(self, limits: Limits = SMALL) -> None:
        self.core = Core(
            node=person("node"), signers=(ANA,), network=NETWORK, limits=limits, seed=b"seed"
        )
        self.now_ms = 0
        self.core.handle(inputs.Started(WALL_MS), 0)

    @property
    def wall_ms(self) -> int:
        return WALL_MS + self.now_ms

    def say(self, *said: tuple[int, int]) -> list[Effect]:
        """State weights, in 1/10,000, of people by number."""
        statements = tuple(Endorsement(secret(f"{who}"), weight_q) for who, weight_q in said)
        return self.core.handle(inputs.Recorded(ANA.id, statements, self.wall_ms), self.now_ms)

    def pass_days(self, days: int) -> None:
        for _ in range(days):
            self.now_ms += DAY_MS
            self.core.handle(inputs.TimerFired("expire", self.wall_ms), self.now_ms)

    def stands_by(self, people: Iterable[int]) -> dict[int, int]:
        held = self.core.endorsements.said_by(ANA.id)
        found = {who: held.get(secret(f"{who}")) for who in people}
        return {who: each.weight_q for who, each in found.items() if each and each.weight_q}


def _signed(done: list[Effect]) -> list[Endorsement]:
    return [s for e in done if isinstance(e, effects.Persist) for s in e.record.endorsements]


_WEIGHTS = st.sampled_from([-10_000, 0, 5_000, 10_000])
_SAYINGS = st.dictionaries(st.integers(0, 11), _WEIGHTS, min_size=1, max_size=10)
_STEPS = st.lists(st.one_of(_SAYINGS, st.sampled_from([0, 1, 1_000, DAY_MS, 7 * DAY_MS])))


@given(_STEPS)
@example([dict.fromkeys(range(6), -10_000), {1: 0}, {0: 0, 1: -10_000}])
@settings(deadline=None)
def test_what_one_stands_by_holds_until_he_says_otherwise(
    steps: list[dict[int, int] | int],
) -> None:
    user, stated = User(), dict[int, int]()
    for step in steps:
        if isinstance(step, int):
            user.now_ms += step % DAY_MS
            user.pass_days(step // DAY_MS)
        else:
            try:
                user.say(*step.items())
            except UsageError:
                others = {who for who, weight_q in stated.items() if weight_q} - set(step)
                assert len(others) + len(step) > MOST
            else:
                stated |= step
        assert user.stands_by(range(12)) == {w: each for w, each in stated.items() if each}
        assert user.core.engine.window.author_statement_count(ANA.id) <= MOST


def test_what_is_said_already_is_not_signed_again_while_it_is_fresh() -> None:
    user = User()
    user.say((0, -10_000), (1, 10_000))
    assert user.say((0, -10_000), (1, 10_000)) == []
    assert [s.subject for s in _signed(user.say((0, -10_000), (1, 5_000)))] == [secret("1")]
    user.pass_days(11)
    assert len(_signed(user.say((0, -10_000), (1, 5_000)))) == 2


def test_who_takes_a_block_back_stands_by_what_he_said_before_it_as_after_a_restart() -> None:
    user = User()
    user.say((0, 10_000))
    user.say((0, -10_000))
    assert user.stands_by([0]) == {0: -10_000}
    taken_back = inputs.Recorded(ANA.id, (Forget(0, 2, 2),), user.wall_ms)
    user.core.handle(taken_back, user.now_ms)
    assert user.stands_by([0]) == {0: 10_000}


def test_a_block_outlasts_any_number_of_changes_of_mind_about_others() -> None:
    user = User()
    user.say((0, -10_000))
    for turn in range(100):
        user.say(*((who, 5_000 + turn) for who in range(1, MOST)))
        user.now_ms += turn % 2  # some in one millisecond
        assert user.stands_by([0]) == {0: -10_000}


def test_who_stands_by_as_many_as_he_may_is_told_and_can_make_room() -> None:
    user = User()
    user.say(*((who, 10_000) for who in range(MOST)))
    with pytest.raises(UsageError, match="9 people"):
        user.say((MOST, -10_000))
    assert len(user.stands_by(range(MOST + 1))) == MOST
    user.say((0, 0))
    user.say((MOST, -10_000))
    assert user.stands_by(range(MOST + 1)) == {
        **dict.fromkeys(range(1, MOST), 10_000),
        MOST: -10_000,
    }


def test_nothing_is_kept_back_of_what_says_more_than_endorsements() -> None:
    user = User()
    user.say((0, 10_000))
    again = (Endorsement(secret("0"), 10_000), listen("x"))
    done = user.core.handle(inputs.Recorded(ANA.id, again, user.wall_ms), 0)
    assert len(_signed(done)) == 1


def test_no_listening_ends_a_block_however_often_the_key_was_rotated() -> None:
    """Each rotation makes every record longer, and the window counts bytes as well."""
    limits = Limits()
    user, signer = User(limits), ANA
    for n in range(limits.rotation_count):
        after = "ana next" if n == 0 else f"key {n}"
        cut = user.core.cut(ANA.id, stolen=False)
        signer = signer.rotated(secret(after), secret(f"key {n + 1}"), cut)
        user.core.handle(inputs.Rotated(signer, user.wall_ms), user.now_ms)
    user.say((0, -10_000))
    for n in range(limits.author_interaction_count + 1):
        user.now_ms += 1
        said = inputs.Recorded(ANA.id, (listen(f"{n}"),), user.wall_ms)
        user.core.handle(said, user.now_ms)
    for n in range(1, limits.author_endorsement_count):
        user.now_ms += 1
        user.say((n, 10_000))
    assert len(user.stands_by(range(256))) == limits.author_endorsement_count


@pytest.mark.parametrize("count", [1_000, 1_000_000])
def test_the_graph_has_room_for_all_endorsements_that_the_window_holds(count: int) -> None:
    """Strangers fill it otherwise, and nobody's new endorsement counts."""
    limits = Limits(window_statement_count=count)
    user = User(limits)
    assert user.core.endorsements.limits.edge_limit == count + limits.statement_count
    user.core.handle(inputs.BrokerUp("b", user.wall_ms), 0)
    if count > 1_000:
        return
    for n in range(2 * count // limits.statement_count):
        eve = person(f"eve {n}")
        said = tuple(Endorsement(secret(f"{n} {at}"), 1) for at in range(limits.statement_count))
        record = codec.sign_record(eve, NETWORK, 0, 1, b"", user.wall_ms, said, limits)
        topic = records_topic(NETWORK, shard_of(eve.id))
        for bundle in pack_bundles([record.envelope], limits):
            user.core.handle(inputs.Received("b", topic, bundle, user.wall_ms), 0)
        assert len(user.core.endorsements) < user.core.endorsements.limits.edge_limit
        assert len(user.core.endorsements) <= user.core.engine.window.statement_count
    assert user.core.engine.window.statement_count > count - limits.statement_count
    user.say((0, 10_000))
    assert user.stands_by([0]) == {0: 10_000}


def test_all_endorsements_count_that_a_window_holds_of_somebody() -> None:
    """Those beside something else take room from the quota of that."""
    user, topic = User(Limits()), records_topic(NETWORK, shard_of(BEN.id))
    vouches = [Endorsement(secret(f"{who}"), 10_000) for who in range(700)]
    records: list[tuple[Said, ...]] = [
        (*vouches[:250],),
        (listen("a"), *vouches[250:475]),
        (listen("b"), *vouches[475:]),
    ]
    for seq, said in enumerate(records, start=1):
        record = codec.sign_record(BEN, NETWORK, 0, seq, b"", WALL_MS, said, Limits())
        (bundle,) = pack_bundles([record.envelope], Limits())
        user.core.handle(inputs.Received("broker", topic, bundle, WALL_MS), 0)
    assert len(user.core.engine.window.records_of(BEN.id)) == len(records)
    assert len(user.core.endorsements.said_by(BEN.id)) == len(vouches)
