"""Answers questions for lists: equal ones once, those that wait together.

A ranking takes milliseconds of the event loop, and a host's users ask whenever they like. What asks
while another ranking goes on waits, and then all that wait are ranked together, which costs each
less (`Core.recommend_many`), equal questions as one; a few users at a time, and gossip has its turn
between. So the longest wait grows with the users who ask, and not with how often they do.

A list is made after it was asked for, never before: nobody gets what was true a moment ago.
"""

import asyncio
from collections.abc import Callable, Sequence

from tastemesh.errors import TastemeshError
from tastemesh.node.advice import Advice
from tastemesh.node.core import Core
from tastemesh.node.tasks import end

# Users ranked before anything else has its turn: some 20 ms at 5 ms a ranking (measured).
USERS_AT_ONCE = 4

_Question = tuple[bytes, int]  # who asks, for how many


class Ranker:
    """Ranks while anybody waits.

    Args:
        core: the peer.
        wall_ms: wall clock.
    """

    def __init__(self, core: Core, wall_ms: Callable[[], int]) -> None:
        self._core = core
        self._wall_ms = wall_ms
        self._waiting: dict[_Question, asyncio.Future[list[Advice]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def lists(self, egos: Sequence[bytes], k: int) -> list[list[Advice]]:
        """Return the list of each of some local identities, at most `k` long.

        Raises:
            TastemeshError: the node was closed meanwhile.
        """
        loop = asyncio.get_running_loop()
        found = [self._waiting.setdefault((ego, k), loop.create_future()) for ego in egos]
        if found and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="tastemesh-ranker")
        # Shielded: whoever gives up must not take the answer from others who wait for it.
        return [await asyncio.shield(each) for each in found]

    async def stop(self) -> None:
        """Stop; whoever still waits is told."""
        if self._task is not None:
            await end(self._task)
        self._fail(
            list(self._waiting), TastemeshError("the node was closed; ask it when it is open")
        )

    async def _run(self) -> None:
        while self._waiting:
            first = next(iter(self._waiting))[1]
            alike = [each for each in self._waiting if each[1] == first][:USERS_AT_ONCE]
            try:
                egos = [ego for ego, _ in alike]
                lists = self._core.recommend_many(egos, first, self._wall_ms())
            except Exception as error:  # a bug of ours; whoever asked hears of it
                self._fail(alike, error)
            else:
                for question, found in zip(alike, lists, strict=True):
                    self._waiting.pop(question).set_result(found)
            await asyncio.sleep(0)

    def _fail(self, questions: list[_Question], error: Exception) -> None:
        for question in questions:
            waiting = self._waiting.pop(question)
            waiting.set_exception(error)
            waiting.exception()  # heard of: whoever asked may have gone
