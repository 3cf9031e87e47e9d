"""Answers questions for lists: equal ones once, those that wait together, and nobody too late.

A ranking takes milliseconds of the event loop, and a host's users ask whenever they like. What asks
while another ranking goes on waits, and then those that wait are ranked together, which costs each
less (`Core.recommend_many`), equal questions as one; a few users at a time, and gossip has its turn
between.

Who would have to wait and has a list that is a few seconds old gets that one at once, and a new one
is made for the next time. So the wait does not grow with the users who ask. A list is never older
than what its user said himself; and where nobody waits, it is made when it is asked for.
"""

import asyncio
from collections.abc import Sequence
from itertools import islice

import msgspec

from tastemesh.errors import TastemeshError
from tastemesh.node.advice import Advice
from tastemesh.node.clock import Clock
from tastemesh.node.core import Core
from tastemesh.node.tasks import end

# Users ranked before anything else has its turn: some 40 ms with a full window of which all is
# trusted (measured), and what changed in the window is looked at once for both.
USERS_AT_ONCE = 2

# The same of those who were asked for in one call, of at least so many: an application's nightly
# lists rather than somebody who waits.
BATCH_AT_ONCE = 8

# How old a list may be that is given to who would have to wait: some seconds' gossip changes few
# lists, and a hundred users are ranked in five (guess).
KEPT_MS = 10_000

# Lines of lists that are kept, some 30 MB: ten lines for each of two thousand users.
KEPT_LINES = 20_000

_Question = tuple[bytes, int]  # who asks, for how many


class _Kept(msgspec.Struct, frozen=True):
    """A list as it was made, when, and after what its user had said."""

    lines: list[Advice]
    made_ms: int
    said: int


class Ranker:
    """Ranks while anybody waits.

    Args:
        core: the peer.
        clock: time.
    """

    def __init__(self, core: Core, clock: Clock) -> None:
        self._core = core
        self._clock = clock
        self._waiting: dict[_Question, asyncio.Future[list[Advice]]] = {}
        self._batched: dict[_Question, None] = {}  # those of the waiting that came in a batch
        self._kept: dict[_Question, _Kept] = {}
        self._kept_lines = 0
        self._task: asyncio.Task[None] | None = None

    async def lists(self, egos: Sequence[bytes], k: int) -> list[list[Advice]]:
        """Return the list of each of some local identities, at most `k` long.

        Raises:
            TastemeshError: the node was closed meanwhile.
        """
        loop = asyncio.get_running_loop()
        is_busy = bool(self._waiting)
        found: list[list[Advice] | asyncio.Future[list[Advice]]] = []
        for ego in egos:
            if len(egos) >= BATCH_AT_ONCE and (ego, k) not in self._waiting:
                self._batched[ego, k] = None
            making = self._waiting.setdefault((ego, k), loop.create_future())
            kept = self._recent((ego, k)) if is_busy else None
            found.append(making if kept is None else kept)
        if found and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="tastemesh-ranker")
        # Shielded: whoever gives up must not take the answer from others who wait for it.
        return [each if isinstance(each, list) else await asyncio.shield(each) for each in found]

    async def stop(self) -> None:
        """Stop; whoever still waits is told."""
        if self._task is not None:
            await end(self._task)
        self._fail(list(self._waiting), TastemeshError("the node was closed while it was asked"))

    async def _run(self) -> None:
        while self._waiting:
            asked = self._next()
            length = asked[0][1]
            egos = [ego for ego, _ in asked]
            try:
                lists = self._core.recommend_many(egos, length, self._clock.wall_ms())
            except Exception as error:  # a bug of ours; whoever asked hears of it
                self._fail(asked, error)
            else:
                for question, lines in zip(asked, lists, strict=True):
                    self._keep(question, lines)
                    self._pop(question).set_result(lines)
            await asyncio.sleep(0)

    def _next(self) -> list[_Question]:
        """Return who has waited longest, and some who can be ranked together with him."""
        first = next(iter(self._waiting))
        is_batched = first in self._batched
        alike = (
            each
            for each in self._waiting
            if each[1] == first[1] and (each in self._batched) == is_batched
        )
        return list(islice(alike, BATCH_AT_ONCE if is_batched else USERS_AT_ONCE))

    def _pop(self, question: _Question) -> asyncio.Future[list[Advice]]:
        self._batched.pop(question, None)
        return self._waiting.pop(question)

    def _recent(self, question: _Question) -> list[Advice] | None:
        kept = self._kept.get(question)
        if kept is None or kept.said != self._core.said_revision(question[0]):
            return None
        return kept.lines if self._clock.now_ms() - kept.made_ms <= KEPT_MS else None

    def _keep(self, question: _Question, lines: list[Advice]) -> None:
        self._drop(question)
        self._kept[question] = _Kept(
            lines, self._clock.now_ms(), self._core.said_revision(question[0])
        )
        self._kept_lines += len(lines)
        while self._kept_lines > KEPT_LINES or len(self._kept) > KEPT_LINES:
            self._drop(next(iter(self._kept)))

    def _drop(self, question: _Question) -> None:
        gone = self._kept.pop(question, None)
        self._kept_lines -= len(gone.lines) if gone is not None else 0

    def _fail(self, questions: list[_Question], error: Exception) -> None:
        for question in questions:
            waiting = self._pop(question)
            waiting.set_exception(error)
            waiting.exception()  # heard of: whoever asked may have gone
