"""Whom the trust of many local users reaches, found one user after the other."""

import pytest

from tastemesh.gossip import effects, inputs
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Interaction
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.window import Window
from tastemesh.node import reached as reached_module
from tastemesh.node.core import Core
from tastemesh.node.reached import MOVED_AT_ONCE, Reached
from tastemesh.reputation.graph import EndorsementGraph

WALL_MS = 1_700_000_000_000

USERS = [bytes([n]) * 32 for n in range(10)]


def nothing_of(_: bytes) -> int:
    return 0


def stepped(reached: Reached) -> bool:
    """Go a step; tell whether anything came of it."""
    reached.step()
    return reached.news() != ((), ())


def friends_of(user: bytes) -> list[bytes]:
    return [b"friend" + user, b"everybody"]


def test_a_sweep_goes_one_user_a_step_and_what_is_found_counts_at_once() -> None:
    reached = Reached(friends_of, nothing_of)
    reached.sweep(USERS, 1)
    steps = 0
    while reached.is_busy:
        assert stepped(reached)
        steps += 1
        assert len(reached.told) == 2 * steps + 1
    assert steps == len(USERS)
    assert reached.told == ({*USERS, *(f for u in USERS for f in friends_of(u))})


def test_nothing_is_walked_again_while_nothing_changed() -> None:
    walked: list[bytes] = []

    def walk(user: bytes) -> list[bytes]:
        walked.append(user)
        return []

    reached = Reached(walk, nothing_of)
    for _ in range(2):
        reached.sweep(USERS[:2], 1)
        while reached.is_busy:
            stepped(reached)
    assert walked == USERS[:2]
    reached.sweep(USERS[:2], 2)
    assert reached.is_busy
    while reached.is_busy:
        assert not stepped(reached)  # the same people
    assert walked == USERS[:2] * 2


def test_whoever_is_reached_no_longer_goes_at_the_end_of_a_sweep() -> None:
    friends = {user: friends_of(user) for user in USERS}
    reached = Reached(friends.__getitem__, nothing_of)
    reached.sweep(USERS, 1)
    while reached.is_busy:
        stepped(reached)
    friends[USERS[0]] = []
    reached.sweep(USERS, 2)
    for _ in range(len(USERS) - 1):
        assert not stepped(reached)
        assert b"friend" + USERS[0] in reached.told
    assert stepped(reached)
    assert b"friend" + USERS[0] not in reached.told


def test_who_was_endorsed_and_no_longer_is_goes_with_the_next_sweep() -> None:
    """Though the endorsements are what they were when the last one began."""
    graph = EndorsementGraph()

    def endorsed_by(user: bytes) -> list[bytes]:
        return [subject for subject, said in graph.said_by(user).items() if said.weight_q]

    reached = Reached(endorsed_by, nothing_of)
    reached.sweep(USERS[:1], graph.version)
    stepped(reached)
    for seq, weight in enumerate((1.0, 0.0)):
        graph.endorse(USERS[0], b"friend", weight, epoch=0, seq=seq)
        reached.look_at(USERS[0], has_endorsed=True)
        reached.news()
    assert b"friend" in reached.told
    reached.sweep(USERS[:1], graph.version)
    stepped(reached)
    assert reached.told == {USERS[0]}


def test_an_endorsement_counts_at_once_for_its_author_only() -> None:
    walked: list[bytes] = []

    def walk(user: bytes) -> list[bytes]:
        walked.append(user)
        return friends_of(user)

    reached = Reached(walk, nothing_of)
    reached.look_at(USERS[0], has_endorsed=False)
    assert reached.news() == ((USERS[0],), ())
    reached.look_at(USERS[0], has_endorsed=False)
    assert reached.news() == ((), ())
    assert walked == []
    reached.look_at(USERS[0], has_endorsed=True)
    assert walked == USERS[:1]
    assert reached.news() == (tuple(sorted(friends_of(USERS[0]))), ())
    assert reached.told == {USERS[0], *friends_of(USERS[0])}


def test_of_a_crowd_that_comes_into_reach_some_are_told_at_once_and_all_in_the_end() -> None:
    crowd = {n.to_bytes(32, "big"): [b"record"] * (n % 7) for n in range(5_000)}
    friends = {USERS[1]: list(crowd), USERS[2]: []}
    reached = Reached(friends.__getitem__, lambda author: len(crowd.get(author, [])))
    reached.look_at(USERS[1], has_endorsed=True)
    steps = 0
    while reached.is_busy:
        gained, lost = reached.news()
        assert not lost
        assert list(gained) == sorted(gained)
        moved = sum(1 + len(crowd.get(each, [])) for each in gained)
        assert 0 < moved <= MOVED_AT_ONCE + 7
        steps += 1
        reached.step()  # walks for nobody before all are told
    assert reached.told == {USERS[1], *crowd}
    assert steps == 5
    friends[USERS[1]] = []
    reached.sweep(USERS[1:3], 1)
    while reached.is_busy:
        reached.step()
        gained, lost = reached.news()
        assert sum(1 + len(crowd.get(each, [])) for each in lost) <= MOVED_AT_ONCE + 7
        steps += 1
    assert reached.told == set(USERS[1:3])
    assert steps == 5 + 1 + 5


def test_a_core_tells_its_window_of_a_crowd_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [Signer(bytes([n]) * 32, bytes([n + 100]) * 32) for n in range(1, 60)]
    core = Core(
        node=Signer(bytes(32), bytes(32)),
        signers=tuple(people),
        network="test",
        limits=Limits(),
        seed=bytes(32),
    )
    ana, *crowd = (each.id for each in people)
    for each in crowd:
        core.handle(inputs.Recorded(each, (Interaction("song", "listen", 10_000),), WALL_MS), 0)
    window = core.engine.window
    core._reached = Reached(core._advisor.reached, window.record_count)  # of this moment on
    window.move((), tuple(sorted(crowd)))
    friends = tuple(Endorsement(each, 10_000) for each in crowd)
    moved: list[int] = []
    move = Window.move

    def noted(window: Window, gained: tuple[bytes, ...], lost: tuple[bytes, ...]) -> None:
        moved.append(len(gained) + len(lost))
        move(window, gained, lost)

    monkeypatch.setattr(Window, "move", noted)
    monkeypatch.setattr(reached_module, "MOVED_AT_ONCE", 20)  # ten people with a record each
    done = core.handle(inputs.Recorded(ana, friends, WALL_MS), 1)
    timers = [each for each in done if isinstance(each, effects.SetTimer)]
    while timers:
        assert [each.timer for each in timers] == ["reached"]
        done = core.handle(inputs.TimerFired("reached", WALL_MS), 2)
        timers = [each for each in done if isinstance(each, effects.SetTimer)]
    assert len(moved) == 6
    assert max(moved) <= 11
    assert core._reached.told == {ana, *crowd}
