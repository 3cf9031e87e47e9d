"""Answers questions for lists: equal ones once, those that wait together, and nobody too late.

A ranking takes milliseconds of the event loop, and a host's users ask whenever they like. What asks
while another ranking goes on waits, and then those that wait are ranked together, which costs each
less (`Core.recommend_many`), equal questions as one; a few users at a time, and gossip has its turn
between.

Who would have to wait and has a list from lately gets that one at once, with its age, and a new one
is made for the next time. Where that is so, each ranking is followed by as long a rest as it took:
requests and gossip get their turn however many users ask. Nobody gets a list that is older than
what he said himself, or one that names a record which was taken back since; and where nobody waits,
a list is made when it is asked for.

A ranking in the midst of a crowd would keep most of it waiting. So who asks is read first, as long
as more come; of a crowd all who have a list get it, who came first, too.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

import msgspec

from tastemesh.errors import TastemeshError
from tastemesh.node.answers import Advice, Listed
from tastemesh.node.clock import Clock
from tastemesh.node.core import Core
from tastemesh.node.kernels import KERNELS
from tastemesh.node.tasks import end
from tastemesh.node.wish import ANY, Wish

_LOGGER = logging.getLogger(__name__)

# Users ranked before anything else has its turn: some 30 ms with a full window of which all is
# trusted (measured), and what changed in the window is looked at once for both.
USERS_AT_ONCE = 2

# The same where a crowd waits, which costs each a third less, and of a crowd that was asked for in
# one call, an application's nightly lists rather than people. Some 40 ms (measured).
BATCH_AT_ONCE = 16

# Longer than that a crowd's lists shall not keep everything else waiting (guess). Sixteen take 100
# to 200 ms where trust reaches 20,000 people, or nobody is endorsed (measured): then fewer are made
# at once, which costs each no more there.
BATCH_MS = 50

# Lines made at once, whoever waits: two lists of the longest, 15 to 30 ms (measured). Of long lists
# it is the lines that cost, and sixteen at once are hardly cheaper than one by one (measured: 5 %).
LINES_AT_ONCE = 2_000

# How old a list may be that is given to who would have to wait. In a minute a thousand users' lists
# are made anew at half of the time (measured), and a person takes it for "now" (guess).
KEPT_MS = 60_000

# Up to which age a list that was given is not made anew (guess): many devices of one user ask.
FRESH_MS = 1_000

# Turns of the event loop after which what came in at the same time, or during a ranking, has been
# read and has asked: who need not wait is not kept waiting by who must.
_TURNS = 3

# For how long turns are given as long as more ask in each: a hundred HTTP requests take some 35 ms
# to read and answer (measured), and a ranking in their midst keeps all others waiting. Who has to
# wait for a ranking waits so long for others once, however many go on asking.
_GATHERING_MS = 50

# Before the first ranking, once others have been given lists, that long a pause instead of a turn
# (guess): a hundred requests take a client some 5 ms to send (measured).
_AMONG_OTHERS_S = 0.0005

# Where a crowd has come lately, who asks alone may be the first of another: so long its second has
# to ask, too (guesses).
_CROWDED_MS = 60_000
_FIRST_ALONE_S = 0.002

# A list for the next time is made once nobody has asked for so long; where they go on and on, it
# gives way to them for so long at most (guesses).
_AMONG_CROWD_S = 0.005
_CROWD_S = 0.25

# So many are a crowd (guess): more than a person's devices. Where so many were given kept lists,
# who came first is kept waiting by the others, and gets what they get.
CROWD = 8

# Lines of lists that are kept, some 30 MB: ten lines for each of two thousand users.
KEPT_LINES = 20_000

_Question = tuple[bytes, int, Wish]  # who asks, for how many, of which items


class _Kept(msgspec.Struct, frozen=True):
    """A list as it was made, when, at which revision, and after what its user had said."""

    lines: list[Advice]
    made_ms: int
    revision: int
    said: int


class Ranker:
    """Ranks while anybody waits, and for a while after.

    Args:
        core: the peer.
        clock: time.
    """

    def __init__(self, core: Core, clock: Clock) -> None:
        self._core = core
        self._clock = clock
        self._waiting: dict[_Question, asyncio.Future[Listed]] = {}
        self._batched: dict[_Question, None] = {}  # those of the waiting that came in a batch
        self._hopes: Counter[_Question] = Counter()  # how many await each that is not kept
        self._kept: dict[_Question, _Kept] = {}
        self._kept_lines = 0
        self._aged: dict[_Question, None] = {}  # kept ones that were given and are to be made anew
        self._is_resting = False
        self._made: frozenset[_Question] = frozenset()  # a moment ago
        self._given_count = 0  # kept lists since the last ranking
        self._batch_count = USERS_AT_ONCE  # as many as were quick enough lately
        self._crowded_ms: int | None = None  # when a crowd was there last
        self._gather_until_ms = 0
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def lists(self, egos: Sequence[bytes], k: int, wish: Wish = ANY) -> list[Listed]:
        """Return the list of each of some local identities, at most `k` long, as all wish it.

        Raises:
            TastemeshError: the node was closed meanwhile.
        """
        is_busy = bool(self._waiting or self._aged or self._is_resting)
        found: list[Listed | asyncio.Future[Listed]] = []
        for ego in egos:
            question = ego, k, wish
            kept = self._recent(question) if is_busy or question in self._made else None
            if kept is not None:
                found.append(self._give(question, kept))
            else:
                found.append(self._wait(question, in_batch=len(egos) >= CROWD))
        if (self._waiting or self._aged) and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="tastemesh-ranker")
        try:
            # Shielded: whoever gives up must not take the answer from others who wait for it.
            return [
                each if isinstance(each, Listed) else await asyncio.shield(each) for each in found
            ]
        finally:
            if wish != ANY:
                self._leave([(ego, k, wish) for ego in egos])

    async def stop(self) -> None:
        """Stop; whoever still waits is told."""
        if self._task is not None:
            await end(self._task)
        self._aged.clear()
        self._fail(list(self._waiting), TastemeshError("the node was closed while it was asked"))

    def _give(self, question: _Question, kept: Listed) -> Listed:
        self._given_count += 1
        if kept.age_ms > FRESH_MS:
            self._aged[question] = None
        if self._given_count == CROWD:
            self._crowded_ms = self._clock.now_ms()
            self._give_to_waiting()
        return kept

    def _wait(self, question: _Question, *, in_batch: bool) -> asyncio.Future[Listed]:
        if in_batch and question not in self._waiting:
            self._batched[question] = None
        if question[2] != ANY:
            self._hopes[question] += 1
        self._asked.set()
        return self._waiting.setdefault(question, asyncio.get_running_loop().create_future())

    def _leave(self, questions: Sequence[_Question]) -> None:
        """Forget questions for which nobody waits any more: their lists would not be kept.

        There is no end of wishes. Those of a page whose readers give up would be ranked one and
        all, before whoever asks next.
        """
        for question in questions:
            self._hopes[question] -= 1
            if not self._hopes[question]:
                del self._hopes[question]
                waiting = self._pop(question)
                if waiting is not None:
                    waiting.cancel()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        if self._crowded_ms is not None and self._clock.now_ms() - self._crowded_ms < _CROWDED_MS:
            await asyncio.sleep(_FIRST_ALONE_S)
        self._gather_until_ms = self._clock.now_ms() + _GATHERING_MS
        await self._gather(_AMONG_OTHERS_S)
        while self._waiting or self._aged:
            try:
                if not KERNELS.are_ready:
                    await KERNELS.ready()
                    continue  # who gave up or was answered meanwhile
                began_s = loop.time()
                self._core.refresh()
                taken_s = loop.time() - began_s
                await self._gather()
            except Exception as error:  # a bug of ours; whoever asked hears of it
                self._fail([*self._waiting, *self._aged], error)
                break
            taken_s += await self._rank(self._next())
            await self._rest(taken_s)
        self._given_count = 0

    async def _rank(self, asked: list[_Question]) -> float:
        """Make these lists, after a turn for others with each walk; return the seconds it took."""
        self._made = frozenset(asked)
        if not asked:
            return 0.0  # all were given what was kept
        egos, (_, length, _) = [each[0] for each in asked], asked[0]
        wishes = [each[2] for each in asked]
        clock_s, taken_s = asyncio.get_running_loop().time, 0.0
        try:
            for ego in egos:
                if not self._core.has_reach(ego):
                    began_s = clock_s()
                    self._core.reach(ego)
                    taken_s += clock_s() - began_s
                    await asyncio.sleep(0)
            began_s, began_ms = clock_s(), self._clock.now_ms()
            lists = self._core.recommend_many(egos, length, self._clock.wall_ms(), wishes)
        except Exception as error:  # a bug of ours, as above
            self._fail(asked, error)
            return taken_s
        self._note_cost(len(asked), self._clock.now_ms() - began_ms)
        for question, lines in zip(asked, lists, strict=True):
            if question[2] == ANY:  # of others nobody asks for the same again
                self._keep(question, lines)
            waiting = self._pop(question)
            if waiting is not None:
                waiting.set_result(Listed(lines, 0))
        return taken_s + clock_s() - began_s

    def _note_cost(self, count: int, taken_ms: int) -> None:
        """Have as many lists made at once as a crowd's lists leave the others time for."""
        if taken_ms > BATCH_MS:
            self._batch_count = max(USERS_AT_ONCE, count * BATCH_MS // taken_ms)
        elif count >= self._batch_count and 2 * taken_ms <= BATCH_MS:
            self._batch_count = min(BATCH_AT_ONCE, 2 * self._batch_count)

    async def _gather(self, pause_s: float = 0.0) -> None:
        """Give turns until nobody more asks; with pauses, once others were given lists."""
        if not self._waiting:
            self._gather_until_ms = self._clock.now_ms() + _GATHERING_MS
        is_calm = False
        while not is_calm:
            given = self._given_count
            for _ in range(_TURNS):
                await asyncio.sleep(pause_s if given else 0)
            is_late = self._clock.now_ms() >= self._gather_until_ms
            is_calm = is_late or self._given_count == given

    def _give_to_waiting(self) -> None:
        """Give all who have a list from lately that one: of a crowd, who came first, too."""
        for question in list(self._waiting):
            kept = self._recent(question)
            waiting = self._pop(question) if kept is not None else None
            if kept is not None and waiting is not None:
                waiting.set_result(self._give(question, kept))

    async def _rest(self, seconds: float) -> None:
        """Let others have the event loop: a while if many ask, or until somebody has to wait.

        Who asks meanwhile need not wait where nobody else does: one who asks for one list after the
        other gets each as it is now. Who asks for what was made a moment ago gets that. A list
        that is made anew for the next time only is not begun in the midst of a crowd.
        """
        self._is_resting = bool(self._given_count or self._aged or self._waiting)
        self._given_count = 0
        self._asked.clear()
        clock_s = asyncio.get_running_loop().time
        late_s = clock_s() + seconds + _CROWD_S
        try:
            await self._gather()
            while (self._given_count or self._aged) and not self._waiting:
                given = self._given_count
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._asked.wait()
                if given == self._given_count or clock_s() > late_s:
                    break
                seconds = _AMONG_CROWD_S
        finally:
            self._is_resting, self._made = False, frozenset()

    def _next(self) -> list[_Question]:
        """Return who has waited longest, a batch last, and some who can be ranked with him."""
        if not self._waiting:
            return list(islice(self._aged, 1))
        people = [each for each in self._waiting if each not in self._batched]
        first, *others = people or self._waiting
        alike = [first, *(each for each in others if each[1] == first[1])]
        is_few = people and len(alike) < CROWD
        count = USERS_AT_ONCE if is_few else self._batch_count
        return alike[: min(count, LINES_AT_ONCE // first[1])]

    def _pop(self, question: _Question) -> asyncio.Future[Listed] | None:
        self._batched.pop(question, None)
        self._aged.pop(question, None)
        return self._waiting.pop(question, None)

    def _recent(self, question: _Question) -> Listed | None:
        kept = self._kept.get(question)
        if kept is None or kept.said != self._core.said_revision(question[0]):
            return None
        age_ms = self._clock.now_ms() - kept.made_ms
        if age_ms > KEPT_MS or not self._is_standing(kept):
            return None
        return Listed(kept.lines, age_ms)

    def _is_standing(self, kept: _Kept) -> bool:
        """Tell whether no record behind a list was taken back or disowned since."""
        if kept.revision >= self._core.disowned_revision:
            return True
        return all(line.reasons for line in kept.lines) and all(
            self._core.holds(bytes.fromhex(record_id))
            for line in kept.lines
            for reason in line.reasons
            for record_id in reason.record_ids
        )

    def _keep(self, question: _Question, lines: list[Advice]) -> None:
        self._drop(question)
        self._kept[question] = _Kept(
            lines,
            self._clock.now_ms(),
            self._core.revision,
            self._core.said_revision(question[0]),
        )
        self._kept_lines += len(lines)
        while self._kept_lines > KEPT_LINES or len(self._kept) > KEPT_LINES:
            self._drop(next(iter(self._kept)))

    def _drop(self, question: _Question) -> None:
        gone = self._kept.pop(question, None)
        self._kept_lines -= len(gone.lines) if gone is not None else 0
        self._aged.pop(question, None)

    def _fail(self, questions: list[_Question], error: Exception) -> None:
        for question in questions:
            waiting = self._pop(question)
            if waiting is None:
                _LOGGER.error("a list could not be made anew", exc_info=error)
                continue
            waiting.set_exception(error)
            waiting.exception()  # heard of: whoever asked may have gone
