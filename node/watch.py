"""Watches some users' lists and tells their subscribers when they change."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Hashable, Sequence

from tastemesh.errors import UsageError
from tastemesh.node.answers import Advice
from tastemesh.node.events import Announcer, RecommendationsChanged, Subscription
from tastemesh.node.tasks import end

# Between looks, seconds: a list that changes faster than this cannot be read, and each look costs a
# ranking a watched user (guess).
PERIOD_S = 1.0

# Users that one subscription may watch: each costs a ranking a look, so that the looks take less
# than half of the period (guess, at 7 ms a ranking).
WATCHED_COUNT = 64


class Watcher:
    """Runs while anybody watches anything.

    Args:
        announcer: knows the subscriptions.
        revision: what no list can change without changing.
        recommend_many: ranks for local users by name.
    """

    def __init__(
        self,
        announcer: Announcer,
        revision: Callable[[], Hashable],
        recommend_many: Callable[[Sequence[str], int], Awaitable[dict[str, list[Advice]]]],
    ) -> None:
        self._announcer = announcer
        self._revision = revision
        self._recommend_many = recommend_many
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, watched: Sequence[str], k: int, capacity: int) -> Subscription:
        """Return the events from now on; see `tastemesh.node.node.Node.events`.

        Args:
            watched: local names of users.
            k: length of their lists.
            capacity: events that may wait.

        Raises:
            UsageError: too many users are watched, or the capacity is too small.
        """
        if len(watched) > WATCHED_COUNT:
            raise UsageError(f"watch has {len(watched)} users; expected at most {WATCHED_COUNT}")
        _check_capacity(capacity)
        subscription = Subscription(capacity, watched, k)
        self._announcer.subscribe(subscription)
        if watched:
            self._start()
        return subscription

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="tastemesh-watcher")

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            await end(self._task)

    async def _run(self) -> None:
        looked: Hashable = None
        while await self._look(looked):
            looked = self._revision()
            await asyncio.sleep(PERIOD_S)

    async def _look(self, looked: Hashable) -> bool:
        """Tell what is new since a revision; return whether anybody still watches."""
        watching = [each for each in self._announcer.subscriptions if each.watched]
        is_changed = self._revision() != looked
        for subscription in watching:
            if is_changed or not subscription.told:
                lists = await self._recommend_many(subscription.watched, subscription.k)
                _tell(subscription, lists)
        return bool(watching)


def _check_capacity(capacity: object) -> None:
    if not isinstance(capacity, int) or not 1 <= capacity <= sys.maxsize:
        raise UsageError(f"capacity is {capacity!r}; expected 1 or more")


def _tell(subscription: Subscription, lists: dict[str, list[Advice]]) -> None:
    for name, listed in lists.items():
        shown = tuple((line.item, line.unverified) for line in listed)
        if subscription.told.get(name) != shown:
            subscription.told[name] = shown
            subscription.offer(RecommendationsChanged(identity=name, recommendations=tuple(listed)))
