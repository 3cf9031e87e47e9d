"""Who asks while others are answered: equal questions share an answer; nobody takes another's."""

import asyncio
from collections.abc import Sequence

import pytest

from tastemesh.errors import TastemeshError
from tastemesh.gossip import inputs
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Forget, Interaction
from tastemesh.gossip.signer import Signer
from tastemesh.node import ranker as ranker_module
from tastemesh.node.answers import Advice
from tastemesh.node.core import Core
from tastemesh.node.kernels import KERNELS
from tastemesh.node.ranker import (
    BATCH_AT_ONCE,
    CROWD,
    FRESH_MS,
    KEPT_MS,
    LINES_AT_ONCE,
    USERS_AT_ONCE,
    Ranker,
)
from tastemesh.node.scorer import Scorer
from tastemesh.node.tasks import end
from tastemesh.node.wish import ANY, Wish
from tastemesh.reputation.walks import WalkMass

WALL_MS = 1_700_000_000_000


@pytest.fixture(autouse=True)
async def compiled_before() -> None:
    """Kernels are made by rankings of their own, which none of the tests is about."""
    await KERNELS.ready()


class Stopped:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.passed_ms = 0

    def now_ms(self) -> int:
        return self.passed_ms

    def wall_ms(self) -> int:
        return WALL_MS


def people(count: int) -> list[Signer]:
    return [Signer(bytes([n]) * 32, bytes([n + 100]) * 32) for n in range(1, count + 1)]


def peer(signers: list[Signer]) -> Core:
    core = Core(
        node=Signer(bytes(32), bytes(32)),
        signers=tuple(signers),
        network="test",
        limits=Limits(),
        seed=bytes(32),
    )
    for number, signer in enumerate(signers):
        said = (Interaction("common", "listen", 10_000), Interaction(f"{number}", "like", 10_000))
        core.handle(inputs.Recorded(signer.id, said, WALL_MS), number)
    return core


async def lists(ranker: Ranker, egos: list[bytes], k: int) -> list[list[Advice]]:
    return [listed.lines for listed in await ranker.lists(egos, k)]


async def test_equal_questions_share_an_answer_and_others_get_their_own() -> None:
    signers = people(2 * BATCH_AT_ONCE + 1)
    core = peer(signers)
    ranker = Ranker(core, Stopped())
    egos = [signer.id for signer in signers]
    together, (first,), (again,), (short,) = await asyncio.gather(
        lists(ranker, egos, 5),
        lists(ranker, egos[:1], 5),
        lists(ranker, egos[:1], 5),
        lists(ranker, egos[:1], 1),
    )
    assert first is again is together[0]
    assert short == first[:1]
    assert together == [core.recommend(ego, 5, WALL_MS) for ego in egos]
    assert (await lists(ranker, [], 5)) == []
    await ranker.stop()


async def test_who_asks_after_a_batch_is_not_kept_waiting_by_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    egos = [signer.id for signer in people(3 * BATCH_AT_ONCE)]
    core = peer(people(len(egos)))
    passes: list[list[bytes]] = []
    rank = core.recommend_many

    def noted(
        _: Core, asked: Sequence[bytes], k: int, wall_ms: int, wishes: Sequence[Wish] = ()
    ) -> list[list[Advice]]:
        passes.append(list(asked))
        return rank(asked, k, wall_ms)

    monkeypatch.setattr(Core, "recommend_many", noted)
    ranker = Ranker(core, Stopped())
    batch = asyncio.create_task(ranker.lists(egos[3:], 5))
    await asyncio.sleep(0)
    few = [asyncio.create_task(ranker.lists([ego], 5)) for ego in egos[:3]]
    await asyncio.gather(batch, *few)
    sizes = [len(asked) for asked in passes]
    assert sizes == [2, 1, 4, 8, BATCH_AT_ONCE, BATCH_AT_ONCE, 1]
    passes.clear()
    await asyncio.gather(*(ranker.lists([ego], 4) for ego in egos[: BATCH_AT_ONCE + CROWD + 1]))
    assert [len(asked) for asked in passes] == [BATCH_AT_ONCE, CROWD + 1]  # each alone, but many
    await ranker.stop()


async def test_of_lists_that_take_long_fewer_are_made_at_once_until_they_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    egos = [signer.id for signer in people(6 * BATCH_AT_ONCE)]
    core, clock = peer(people(len(egos))), Stopped()
    sizes: list[int] = []
    rank = core.recommend_many
    cost_ms = 20

    def slow(
        _: Core, asked: Sequence[bytes], k: int, wall_ms: int, wishes: Sequence[Wish] = ()
    ) -> list[list[Advice]]:
        sizes.append(len(asked))
        clock.passed_ms += cost_ms * len(asked)
        return rank(asked, k, wall_ms)

    monkeypatch.setattr(Core, "recommend_many", slow)
    ranker = Ranker(core, clock)
    assert len(await ranker.lists(egos[: 2 * BATCH_AT_ONCE], 5)) == 2 * BATCH_AT_ONCE
    assert sizes == [USERS_AT_ONCE] * BATCH_AT_ONCE  # from the first on
    sizes.clear()
    cost_ms = 1
    await ranker.lists(egos, 4)
    assert sizes[:4] == [2, 4, 8, 16]
    assert set(sizes[3:-1]) == {BATCH_AT_ONCE}
    await ranker.stop()


async def test_of_long_lists_a_pass_makes_no_more_lines_than_of_one_of_the_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    egos = [signer.id for signer in people(3 * BATCH_AT_ONCE)]
    core = peer(people(len(egos)))
    sizes: list[int] = []
    rank = core.recommend_many

    def noted(
        _: Core, asked: Sequence[bytes], k: int, wall_ms: int, wishes: Sequence[Wish] = ()
    ) -> list[list[Advice]]:
        sizes.append(len(asked))
        return rank(asked, k, wall_ms)

    monkeypatch.setattr(Core, "recommend_many", noted)
    ranker = Ranker(core, Stopped())
    await ranker.lists(egos, 5)
    assert max(sizes) == BATCH_AT_ONCE
    for length, most in ((1_000, 2), (501, 3), (300, 6), (60, BATCH_AT_ONCE)):
        sizes.clear()
        await ranker.lists(egos, length)
        assert max(sizes) == most
        assert most * length <= LINES_AT_ONCE
    await ranker.stop()


async def test_between_two_walks_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    signers = people(2 * BATCH_AT_ONCE)
    core = peer(signers)
    for signer in signers:
        friends = tuple(Endorsement(each.id, 10_000) for each in signers[:3] if each != signer)
        core.handle(inputs.Recorded(signer.id, friends, WALL_MS), 99)
    turn, walked_in = 0, []
    walks = Scorer._walks

    def noted(scorer: Scorer, ego: bytes) -> WalkMass:
        walked_in.append(turn)
        return walks(scorer, ego)

    async def others() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(Scorer, "_walks", noted)
    ranker = Ranker(core, Stopped())
    going_on = asyncio.create_task(others())
    await ranker.lists([signer.id for signer in signers], 5)
    assert len(walked_in) == len(set(walked_in)) == len(signers)
    await ranker.lists([signer.id for signer in signers], 4)
    assert len(walked_in) == len(signers)  # no more than once
    await end(going_on)
    await ranker.stop()


async def test_a_list_is_made_after_it_was_asked_for() -> None:
    (ana, ben) = people(2)
    core = peer([ana, ben])
    ranker = Ranker(core, Stopped())
    asked = asyncio.create_task(lists(ranker, [ana.id], 5))
    await asyncio.sleep(0)  # the question waits
    news = (Interaction("new", "listen", 10_000),)
    core.handle(inputs.Recorded(ben.id, news, WALL_MS), 9)
    ((*lines,),) = await asked
    assert "new" in [line.item for line in lines]


async def test_who_gives_up_takes_the_answer_from_nobody() -> None:
    (ana,) = people(1)
    ranker = Ranker(peer([ana]), Stopped())
    hasty = asyncio.create_task(lists(ranker, [ana.id], 5))
    patient = asyncio.create_task(lists(ranker, [ana.id], 5))
    await asyncio.sleep(0)
    hasty.cancel()
    assert len(await patient) == 1


async def test_what_nobody_waits_for_any_more_is_not_ranked_where_it_would_not_be_kept() -> None:
    ana, ben = people(2)
    ranker = Ranker(peer([ana, ben]), Stopped())
    wishes = [Wish(like=frozenset([f"{n}"])) for n in range(2)]
    hasty = [asyncio.create_task(ranker.lists([ana.id, ben.id], 5, wish)) for wish in wishes]
    patient = asyncio.create_task(ranker.lists([ana.id], 5, wishes[0]))
    await asyncio.sleep(0)
    assert len(ranker._waiting) == 4
    for each in hasty:
        each.cancel()
    await asyncio.wait(hasty)
    assert list(ranker._waiting) == [(ana.id, 5, wishes[0])]
    assert len((await patient)[0].lines) == 1
    assert not ranker._hopes


async def test_who_waits_when_the_node_closes_is_told() -> None:
    (ana,) = people(1)
    ranker = Ranker(peer([ana]), Stopped())
    asked = asyncio.create_task(lists(ranker, [ana.id], 5))
    await asyncio.sleep(0)
    await ranker.stop()
    with pytest.raises(TastemeshError, match="was closed"):
        await asked


async def test_a_fault_of_ours_reaches_who_asked_and_the_next_question_is_answered() -> None:
    (ana,) = people(1)
    ranker = Ranker(peer([ana]), Stopped())
    with pytest.raises(TypeError):
        await lists(ranker, [None], 5)  # type: ignore[list-item]
    assert len(await lists(ranker, [ana.id], 5)) == 1


async def test_so_does_one_in_taking_in_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    (ana,) = people(1)
    ranker = Ranker(peer([ana]), Stopped())
    with monkeypatch.context() as fault:
        fault.setattr(Core, "refresh", lambda _: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            await lists(ranker, [ana.id], 5)
    assert len(await lists(ranker, [ana.id], 5)) == 1


async def asked_while_busy(ranker: Ranker, ego: bytes, other: bytes) -> list[Advice]:
    """Ask while somebody else's list is being made, and wait until there is nothing left to do."""
    busy = asyncio.create_task(ranker.lists([other], 5))
    await asyncio.sleep(0)
    (listed,) = await ranker.lists([ego], 5)
    await busy
    assert ranker._task is not None
    await ranker._task
    return listed.lines


async def test_who_would_wait_gets_a_recent_list_but_none_older_than_his_own_word() -> None:
    ana, ben, eva = people(3)
    core, clock = peer([ana, ben, eva]), Stopped()
    ranker = Ranker(core, clock)
    (before,) = await lists(ranker, [ana.id], 5)
    core.handle(inputs.Recorded(ben.id, (Interaction("new", "listen", 10_000),), WALL_MS), 9)
    assert await asked_while_busy(ranker, ana.id, eva.id) is before
    assert await asked_while_busy(ranker, ana.id, eva.id) is before  # too fresh to be made anew
    clock.passed_ms += FRESH_MS + 1
    assert await asked_while_busy(ranker, ana.id, eva.id) is before  # at once, and made anew then
    after = await asked_while_busy(ranker, ana.id, eva.id)
    assert "new" in [line.item for line in after]
    (alone,) = await lists(ranker, [ana.id], 5)
    assert alone == after
    assert alone is not after  # nobody waited: it was made when it was asked for
    core.handle(inputs.Recorded(ana.id, (Interaction("new", "like", 10_000),), WALL_MS), 10)
    own = await asked_while_busy(ranker, ana.id, eva.id)
    assert "new" not in [line.item for line in own]
    clock.passed_ms += KEPT_MS + 1
    assert await asked_while_busy(ranker, ana.id, eva.id) is not own


async def test_who_has_a_list_and_asks_in_the_same_instant_gets_it_before_the_ranking() -> None:
    ana, eva = people(2)
    ranker = Ranker(peer([ana, eva]), Stopped())
    (before,) = await lists(ranker, [ana.id], 5)
    assert ranker._task is not None
    await ranker._task
    first = asyncio.create_task(ranker.lists([eva.id], 5))
    for _ in range(2):  # it has asked, and its ranking is about to begin
        await asyncio.sleep(0)
    assert (await lists(ranker, [ana.id], 5))[0] is before
    assert (eva.id, 5, ANY) not in ranker._kept
    await first
    assert (eva.id, 5, ANY) in ranker._kept


@pytest.mark.parametrize(("others", "is_kept"), [(CROWD - 1, False), (CROWD, True)])
async def test_who_comes_first_of_a_crowd_gets_what_the_others_get(
    others: int, *, is_kept: bool
) -> None:
    (ana,) = people(1)
    ranker = Ranker(peer([ana]), Stopped())
    (before,) = await lists(ranker, [ana.id], 5)
    assert ranker._task is not None
    await ranker._task
    first, *rest = await asyncio.gather(
        *(lists(ranker, [ana.id], 5) for _ in range(1 + others)),
    )
    assert all(given is before for (given,) in rest)
    assert (first[0] is before) == is_kept
    await ranker._task
    (alone,) = await lists(ranker, [ana.id], 5)  # a crowd of lately is none of now
    assert alone is not before
    await ranker.stop()


async def test_where_a_crowd_came_lately_one_who_is_alone_may_be_the_first_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranker_module, "_FIRST_ALONE_S", 0.2)
    (ana,) = people(1)
    ranker = Ranker(peer([ana]), Stopped())
    await lists(ranker, [ana.id], 5)
    await asyncio.gather(*(lists(ranker, [ana.id], 5) for _ in range(1 + CROWD)))
    assert ranker._task is not None
    await ranker._task
    kept = ranker._kept[ana.id, 5, ANY].lines
    first = asyncio.create_task(lists(ranker, [ana.id], 5))
    for _ in range(9):  # long after which a ranking would have begun
        await asyncio.sleep(0)
    rest = await asyncio.gather(*(lists(ranker, [ana.id], 5) for _ in range(CROWD)))
    assert all(given is kept for (given,) in [await first, *rest])


async def test_however_many_go_on_asking_who_has_no_list_yet_is_not_put_off_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranker_module, "_AMONG_OTHERS_S", 0.0)
    ana, *others = people(4)
    clock = Stopped()
    ranker = Ranker(peer([ana, *others]), clock)
    await ranker.lists([ana.id], 5)
    asked = [asyncio.create_task(ranker.lists([other.id], 5)) for other in others]
    await asyncio.sleep(0)
    while not all(each.done() for each in asked):
        assert (await ranker.lists([ana.id], 5))[0].lines
        clock.passed_ms += 1
        await asyncio.sleep(0)
    once, turns = ranker_module._GATHERING_MS, 4 * ranker_module._TURNS
    assert once < clock.passed_ms < once + len(asked) * turns
    await ranker.stop()


async def test_in_the_pause_after_a_ranking_only_what_was_just_made_is_not_made_anew() -> None:
    ana, eva = people(2)
    ranker = Ranker(peer([ana, eva]), Stopped())
    (of_eva,) = await lists(ranker, [eva.id], 5)
    assert ranker._task is not None
    await ranker._task
    (of_ana,) = await lists(ranker, [ana.id], 5)
    assert not ranker._task.done()
    assert (await lists(ranker, [ana.id], 5))[0] is of_ana  # another device in the same instant
    again = await lists(ranker, [eva.id], 5)
    assert again == [of_eva]
    assert again[0] is not of_eva  # an application that goes through its users
    await ranker.stop()


async def test_a_list_says_how_old_it_is() -> None:
    ana, eva = people(2)
    clock = Stopped()
    ranker = Ranker(peer([ana, eva]), clock)
    (first,) = await ranker.lists([ana.id], 5)
    clock.passed_ms += 700
    busy = asyncio.create_task(ranker.lists([eva.id], 5))
    await asyncio.sleep(0)
    (second,) = await ranker.lists([ana.id], 5)
    assert (first.age_ms, second.age_ms, (await busy)[0].age_ms) == (0, 700, 0)


async def test_no_list_is_given_that_rests_on_a_record_which_was_taken_back() -> None:
    ana, ben, eva = people(3)
    core = peer([ana, ben, eva])
    core.handle(inputs.Recorded(ana.id, (Endorsement(ben.id, 10_000),), WALL_MS), 8)
    core.handle(inputs.Recorded(ben.id, (Endorsement(eva.id, 10_000),), WALL_MS), 8)
    ranker = Ranker(core, Stopped())
    (trusted, _, open_to_all) = await lists(ranker, [ana.id, ben.id, eva.id], 5)
    assert {line.item for line in trusted} == {"1", "2"}
    core.handle(inputs.Recorded(eva.id, (Interaction("new", "listen", 10_000),), WALL_MS), 9)
    assert await asked_while_busy(ranker, ana.id, ben.id) is trusted
    core.handle(inputs.Recorded(ben.id, (Forget(0, 1, 1),), WALL_MS), 10)
    after = await asked_while_busy(ranker, ana.id, ben.id)
    assert {line.item for line in after} == {"2", "new"}
    assert await asked_while_busy(ranker, eva.id, ben.id) is not open_to_all  # names no records
    core.handle(inputs.Recorded(ben.id, (Interaction("x", "like", 1),), WALL_MS), 11)
    core.handle(inputs.Recorded(ben.id, (Forget(0, 4, 4),), WALL_MS), 12)
    assert await asked_while_busy(ranker, ana.id, ben.id) is after  # not among what it names


async def test_what_is_made_anew_leaves_the_loop_to_others_and_who_waits_comes_first() -> None:
    signers = people(6)
    core, clock = peer(signers), Stopped()
    ranker = Ranker(core, clock)
    egos = [signer.id for signer in signers]
    await ranker.lists(egos[:5], 5)
    clock.passed_ms += FRESH_MS + 1
    asked = asyncio.create_task(ranker.lists(egos[5:], 5))
    await asyncio.sleep(0)
    assert [listed.age_ms for listed in await ranker.lists(egos[:5], 5)] == [FRESH_MS + 1] * 5
    await asked
    assert len(ranker._aged) == 5
    assert [listed.age_ms for listed in await ranker.lists(egos[5:], 1)] == [0]
    assert len(ranker._aged) >= 4
    await ranker.stop()
    assert not ranker._aged


@pytest.mark.parametrize("is_over", [False, True])
async def test_nothing_is_made_anew_in_the_midst_of_a_crowd_unless_it_goes_on_for_long(
    monkeypatch: pytest.MonkeyPatch, *, is_over: bool
) -> None:
    monkeypatch.setattr(ranker_module, "_CROWD_S", 0.0 if is_over else 60.0)
    ana, eva = people(2)
    clock = Stopped()
    ranker = Ranker(peer([ana, eva]), clock)
    await ranker.lists([ana.id], 5)
    clock.passed_ms += FRESH_MS + 1
    other = asyncio.create_task(ranker.lists([eva.id], 5))
    await asyncio.sleep(0)
    (first,) = await ranker.lists([ana.id], 5)
    await other  # and then ana's is to be made anew
    given, turns = first, 0
    while given.lines is first.lines and turns < (20_000 if is_over else 500):
        (given,) = await ranker.lists([ana.id], 5)
        await asyncio.sleep(0)
        clock.passed_ms += 1
        turns += 1
    assert (given.lines is not first.lines) == is_over
    assert ranker._task is not None
    await ranker._task
    assert ranker._kept[ana.id, 5, ANY].lines is not first.lines


async def test_kept_lists_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranker_module, "KEPT_LINES", 6)
    signers = people(4)
    ranker = Ranker(peer(signers), Stopped())
    for signer in signers:
        await ranker.lists([signer.id], 3)
    assert len(ranker._kept) == 2
