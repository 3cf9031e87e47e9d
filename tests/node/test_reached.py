"""Whom the trust of many local users reaches, found one user after the other."""

from tastemesh.node.reached import Reached

USERS = [bytes([n]) * 32 for n in range(10)]


def friends_of(user: bytes) -> list[bytes]:
    return [b"friend" + user, b"everybody"]


def test_a_sweep_goes_one_user_a_step_and_what_is_found_counts_at_once() -> None:
    reached = Reached(friends_of)
    reached.sweep(USERS, b"state")
    steps = 0
    while reached.is_sweeping:
        assert reached.step()
        steps += 1
        assert len(reached.ids) == 2 * steps + 1
    assert steps == len(USERS)
    assert list(reached.ids) == sorted({*USERS, *(f for u in USERS for f in friends_of(u))})


def test_nothing_is_walked_again_while_nothing_changed() -> None:
    walked: list[bytes] = []

    def walk(user: bytes) -> list[bytes]:
        walked.append(user)
        return []

    reached = Reached(walk)
    for _ in range(2):
        reached.sweep(USERS[:2], b"state")
        while reached.is_sweeping:
            reached.step()
    assert walked == USERS[:2]
    reached.sweep(USERS[:2], b"another")
    assert reached.is_sweeping
    while reached.is_sweeping:
        assert not reached.step()  # the same people
    assert walked == USERS[:2] * 2


def test_whoever_is_reached_no_longer_goes_at_the_end_of_a_sweep() -> None:
    friends = {user: friends_of(user) for user in USERS}
    reached = Reached(friends.__getitem__)
    reached.sweep(USERS, b"before")
    while reached.is_sweeping:
        reached.step()
    friends[USERS[0]] = []
    reached.sweep(USERS, b"after")
    for _ in range(len(USERS) - 1):
        assert not reached.step()
        assert b"friend" + USERS[0] in reached.ids
    assert reached.step()
    assert b"friend" + USERS[0] not in reached.ids


def test_an_endorsement_counts_at_once_for_its_author_only() -> None:
    walked: list[bytes] = []

    def walk(user: bytes) -> list[bytes]:
        walked.append(user)
        return friends_of(user)

    reached = Reached(walk)
    assert reached.look_at(USERS[0], has_endorsed=False)
    assert not reached.look_at(USERS[0], has_endorsed=False)
    assert walked == []
    assert reached.look_at(USERS[0], has_endorsed=True)
    assert walked == USERS[:1]
    assert reached.ids == tuple(sorted([USERS[0], *friends_of(USERS[0])]))
