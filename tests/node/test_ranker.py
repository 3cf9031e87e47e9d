"""Who asks while others are answered: equal questions share an answer; nobody takes another's."""

import asyncio

import pytest

from tastemesh.errors import TastemeshError
from tastemesh.gossip import inputs
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Interaction
from tastemesh.gossip.signer import Signer
from tastemesh.node.core import Core
from tastemesh.node.ranker import USERS_AT_ONCE, Ranker

WALL_MS = 1_700_000_000_000


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
    signers = people(2 * USERS_AT_ONCE + 1)
    core = peer(signers)
    ranker = Ranker(core, lambda: WALL_MS)
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
    ranker = Ranker(core, lambda: WALL_MS)
    asked = asyncio.create_task(ranker.lists([ana.id], 5))
    await asyncio.sleep(0)  # the question waits
    news = (Interaction("new", "listen", 10_000),)
    core.handle(inputs.Recorded(ben.id, news, WALL_MS), 9)
    ((*lines,),) = await asked
    assert "new" in [line.item for line in lines]


async def test_who_gives_up_takes_the_answer_from_nobody() -> None:
    (ana,) = people(1)
    ranker = Ranker(peer([ana]), lambda: WALL_MS)
    hasty = asyncio.create_task(ranker.lists([ana.id], 5))
    patient = asyncio.create_task(ranker.lists([ana.id], 5))
    await asyncio.sleep(0)
    hasty.cancel()
    assert len(await patient) == 1


async def test_who_waits_when_the_node_closes_is_told() -> None:
    (ana,) = people(1)
    ranker = Ranker(peer([ana]), lambda: WALL_MS)
    asked = asyncio.create_task(ranker.lists([ana.id], 5))
    await asyncio.sleep(0)
    await ranker.stop()
    with pytest.raises(TastemeshError, match="was closed"):
        await asked


async def test_a_fault_of_ours_reaches_who_asked_and_the_next_question_is_answered() -> None:
    (ana,) = people(1)
    ranker = Ranker(peer([ana]), lambda: WALL_MS)
    with pytest.raises(TypeError):
        await ranker.lists([None], 5)  # type: ignore[list-item]
    assert len(await ranker.lists([ana.id], 5)) == 1
