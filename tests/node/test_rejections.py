"""What a local user says no to is never listed again, however much it says after that."""

import pytest

from tastemesh.gossip import effects, inputs
from tastemesh.gossip.effects import Effect, EvictReason
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Forget, Interaction, Said
from tastemesh.gossip.signer import Signer
from tastemesh.node.core import Core
from tastemesh.sim.peer import MemoryStore
from tests.gossip.cores import person

ANA, BEN = person("ana"), person("ben")
WALL_MS = 1_700_000_000_000
DAY_MS = 86_400_000
LIMITS = Limits(author_interaction_count=4, private_interaction_count=3)


def no(item: str) -> Interaction:
    return Interaction(item, "dislike", 10_000)


def play(item: str) -> Interaction:
    return Interaction(item, "listen", 10_000)


class Home:
    """A core with its store, which may be started again."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.wall_ms = WALL_MS
        self._start()

    def _start(self) -> None:
        self.core = Core(
            node=Signer(bytes(32), bytes(32)),
            signers=(ANA, BEN),
            network="test",
            limits=LIMITS,
            seed=bytes(32),
        )

    def restart(self) -> None:
        restored = self.store.load(self.wall_ms)
        self._start()
        self._handle(restored)

    def _handle(self, event: inputs.Input) -> list[Effect]:
        done = self.core.handle(event, self.wall_ms - WALL_MS)
        for effect in done:
            self.store.commit(effect)
        return done

    def say(self, *said: Said, private: bool = False, author: Signer = ANA) -> list[Effect]:
        self.wall_ms += 1_000
        return self._handle(inputs.Recorded(author.id, said, self.wall_ms, private=private))

    def wait_days(self, days: int) -> list[Effect]:
        done: list[Effect] = []
        for _ in range(days):
            self.wall_ms += DAY_MS
            done += self._handle(inputs.TimerFired("expire", self.wall_ms))
        return done

    def listed(self) -> set[str]:
        return {line.item for line in self.core.recommend(ANA.id, 10, self.wall_ms)}


def home() -> Home:
    """Ana trusts Ben, who has "bad", and says no to that."""
    made = Home()
    made.say(play("bad"), play("good"), author=BEN)
    made.say(Endorsement(BEN.id, 10_000))
    made.say(no("bad"))
    return made


def kept(done: list[Effect]) -> list[Effect]:
    """What an input had put under Ana's private interactions."""
    private = (effects.PersistPrivate, effects.AcceptedPrivate, effects.TrimPrivate)
    return [effect for effect in done if isinstance(effect, private)]


def test_what_is_rejected_stays_so_when_its_record_makes_room_and_after_a_restart() -> None:
    ana = home()
    said_ms = ana.wall_ms
    assert ana.listed() == {"good"}
    for number in range(3):
        assert not kept(ana.say(play(f"more {number}")))
    done = ana.say(play("more 3"))
    assert [e.reason for e in done if isinstance(e, effects.Evict)] == [EvictReason.AUTHOR_QUOTA]
    assert kept(done) == [
        effects.PersistPrivate(ANA.id, no("bad"), said_ms),
        effects.AcceptedPrivate(ANA.id, no("bad"), said_ms),
    ]
    assert ana.listed() == {"good"}
    ana.restart()
    assert ana.listed() == {"good"}


def test_what_is_rejected_stays_so_when_its_record_has_aged() -> None:
    ana = home()
    done = ana.wait_days(31)
    assert [type(effect) for effect in kept(done)] == [
        effects.PersistPrivate,
        effects.AcceptedPrivate,
    ]
    ana.say(play("bad"), play("good"), author=BEN)
    ana.say(Endorsement(BEN.id, 10_000))
    assert ana.listed() == {"good"}


def test_a_rejection_that_is_said_again_is_kept_once() -> None:
    ana = home()
    ana.say(no("bad"), play("x"))
    assert not kept(ana.say(play("y"), play("z")))  # the first leaves; the second is there
    assert len(kept(ana.say(play("v"), play("w")))) == 2
    ana.say(no("bad"))
    for number in range(4):
        assert not kept(ana.say(play(f"more {number}")))
    assert ana.core.private_count(ANA.id, "bad") == 1


@pytest.mark.parametrize("restarts", [False, True])
def test_of_too_many_rejections_the_newest_are_kept(restarts: bool) -> None:
    ana = home()
    for number in range(9):
        ana.say(no(f"no {number}"))
    if restarts:
        ana.restart()
    assert ana.core.private_count(ANA.id, None) == LIMITS.private_interaction_count
    assert [ana.core.private_count(ANA.id, item) for item in ("bad", "no 1", "no 4")] == [0, 0, 1]
    assert ana.core.private_count(BEN.id, None) == 0


def test_what_is_taken_back_is_rejected_no_more() -> None:
    ana = home()
    assert not kept(ana.say(Forget(0, 2, 2)))
    assert ana.listed() == {"bad", "good"}
    ana = home()
    for number in range(4):
        ana.say(play(f"more {number}"))
    ana.core.handle(inputs.ForgotPrivate(ANA.id, "bad"), 0)
    assert ana.listed() == {"bad", "good"}
