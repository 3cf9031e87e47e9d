"""Who asks while others are answered: equal questions share an answer; nobody takes another's."""

import asyncio

import pytest

from tastemesh.errors import TastemeshError
from tastemesh.gossip import inputs
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Interaction
from tastemesh.gossip.signer import Signer
from tastemesh.node import ranker as ranker_module
from tastemesh.node.advice import Advice
from tastemesh.node.core import Core
from tastemesh.node.ranker import BATCH_AT_ONCE, KEPT_MS, Ranker

WALL_MS = 1_700_000_000_000


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


async def test_equal_questions_share_an_answer_and_others_get_their_own() -> None:
    signers = people(2 * BATCH_AT_ONCE + 1)
    core = peer(signers)
    ranker = Ranker(core, Stopped())
    egos = [signer.id for signer in signers]
    together, (first,), (again,), (short,) = await asyncio.gather(
        ranker.lists(egos, 5),
        ranker.lists(egos[:1], 5),
        ranker.lists(egos[:1], 5),
        ranker.lists(egos[:1], 1),
    )
    assert first is again is together[0]
    assert short == first[:1]
    assert together == [core.recommend(ego, 5, WALL_MS) for ego in egos]
    assert (await ranker.lists([], 5)) == []
    await ranker.stop()


async def test_a_list_is_made_after_it_was_asked_for() -> None:
    (ana, ben) = people(2)
    core = peer([ana, ben])
    ranker = Ranker(core, Stopped())
    asked = asyncio.create_task(ranker.lists([ana.id], 5))
    await asyncio.sleep(0)  # the question waits
    news = (Interaction("new", "listen", 10_000),)
    core.handle(inputs.Recorded(ben.id, news, WALL_MS), 9)
    ((*lines,),) = await asked
    assert "new" in [line.item for line in lines]


async def test_who_gives_up_takes_the_answer_from_nobody() -> None:
    (ana,) = people(1)
    ranker = Ranker(peer([ana]), Stopped())
    hasty = asyncio.create_task(ranker.lists([ana.id], 5))
    patient = asyncio.create_task(ranker.lists([ana.id], 5))
    await asyncio.sleep(0)
    hasty.cancel()
    assert len(await patient) == 1


async def test_who_waits_when_the_node_closes_is_told() -> None:
    (ana,) = people(1)
    ranker = Ranker(peer([ana]), Stopped())
    asked = asyncio.create_task(ranker.lists([ana.id], 5))
    await asyncio.sleep(0)
    await ranker.stop()
    with pytest.raises(TastemeshError, match="was closed"):
        await asked


async def test_a_fault_of_ours_reaches_who_asked_and_the_next_question_is_answered() -> None:
    (ana,) = people(1)
    ranker = Ranker(peer([ana]), Stopped())
    with pytest.raises(TypeError):
        await ranker.lists([None], 5)  # type: ignore[list-item]
    assert len(await ranker.lists([ana.id], 5)) == 1


async def test_who_would_wait_gets_a_recent_list_but_none_older_than_his_own_word() -> None:
    ana, ben, eva = people(3)
    core, clock = peer([ana, ben, eva]), Stopped()
    ranker = Ranker(core, clock)
    (before,) = await ranker.lists([ana.id], 5)

    async def asked_while_busy() -> list[Advice]:
        busy = asyncio.create_task(ranker.lists([eva.id], 5))
        await asyncio.sleep(0)
        (lines,) = await ranker.lists([ana.id], 5)
        await busy
        return lines

    core.handle(inputs.Recorded(ben.id, (Interaction("new", "listen", 10_000),), WALL_MS), 9)
    assert await asked_while_busy() is before  # at once; a new one was made for the next time
    after = await asked_while_busy()
    assert "new" in [line.item for line in after]
    (alone,) = await ranker.lists([ana.id], 5)
    assert alone == after
    assert alone is not after  # nobody waited: it was made when it was asked for
    core.handle(inputs.Recorded(ana.id, (Interaction("new", "like", 10_000),), WALL_MS), 10)
    assert "new" not in [line.item for line in await asked_while_busy()]
    clock.passed_ms += KEPT_MS + 1
    (old,) = await ranker.lists([ana.id], 5)
    clock.passed_ms += KEPT_MS + 1
    assert await asked_while_busy() is not old


async def test_kept_lists_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranker_module, "KEPT_LINES", 6)
    signers = people(4)
    ranker = Ranker(peer(signers), Stopped())
    for signer in signers:
        await ranker.lists([signer.id], 3)
    assert len(ranker._kept) == 2
