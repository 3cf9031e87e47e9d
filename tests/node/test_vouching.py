"""What local users say of others: it counts as long as it is held."""

from collections.abc import Iterable

import pytest

from tastemesh.gossip import codec, inputs
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.limits import DAY_MS, Limits
from tastemesh.gossip.record import Endorsement
from tastemesh.gossip.topics import records_topic, shard_of
from tastemesh.node.core import Core
from tests.gossip.cores import NETWORK, WALL_MS, person, secret

ANA = person("ana")
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
        for bundle in codec.pack_bundles([record.envelope], limits):
            user.core.handle(inputs.Received("b", topic, bundle, user.wall_ms), 0)
        assert not user.core.endorsements.is_full
        assert len(user.core.endorsements) <= user.core.engine.window.statement_count
    assert user.core.engine.window.statement_count > count - limits.statement_count
    user.say((0, 10_000))
    assert user.stands_by([0]) == {0: 10_000}
