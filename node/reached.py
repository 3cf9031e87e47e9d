"""Whom the trust of any local user reaches, found one user after the other.

A walk is 0.5 to 1 ms a user, or 4 to 5 where it is not compiled (10,000 walks, measured), and
anybody's endorsement may change all of them: for a host of a thousand users that is seconds, in
which nothing else would be answered. So a sweep takes ten users a second. Meanwhile what was known
stands, and what is found is added to it; a user's own endorsements count at once. What a step tells
the window is bounded, too.
"""

from collections.abc import Callable, Sequence

# Between two users: a sweep takes a hundredth of one core, or a twentieth where walks are not
# compiled, and a thousand users are through in a minute and a half (guess).
STEP_MS = 100

# Others' endorsements come all the time, and each would have everybody walk again. So a sweep
# begins at most this often; what it decides, whose records stay longest, has as much time (guess).
SWEEP_PERIOD_MS = 30_000


# Records that change sides in the window in one step: 10 ms. Trust that newly reaches 20,000 people
# moves all that they said, which took 100 ms at once (measured).
MOVED_AT_ONCE = 4_000


class Reached:
    """The union over all local users, kept roughly current, and told a little at a time.

    Bounded by the endorsement graph, whose identities it consists of.

    Args:
        reached_by: returns whom one user's trust reaches.
        record_count: returns how many records the window has of an author.
    """

    def __init__(
        self,
        reached_by: Callable[[bytes], Sequence[bytes]],
        record_count: Callable[[bytes], int],
    ) -> None:
        self._reached_by = reached_by
        self._record_count = record_count
        self._union: dict[bytes, None] = {}
        self.told: set[bytes] = set()
        """Who of those reached, and of the users, has been told."""
        self._is_told = True  # all of the union, and nobody else
        self._found: dict[bytes, None] = {}
        self._waiting: list[bytes] = []
        self._swept: tuple[int, int] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether users are waiting to be looked at, or somebody to be told."""
        return bool(self._waiting) or not self._is_told

    def sweep(self, users: Sequence[bytes], version: int) -> None:
        """Begin to look at all users anew, unless nothing changed or one is going on already.

        Args:
            users: the local identities.
            version: of the endorsement graph.
        """
        state = version, len(users)
        if not self._waiting and state != self._swept:
            self._swept = state
            self._found = {}
            self._waiting = list(reversed(users))

    def step(self) -> None:
        """Look at the next user of a sweep, unless there is something to be told first."""
        if not self._waiting or not self._is_told:
            return
        user = self._waiting.pop()
        self._found[user] = None
        self._found.update(dict.fromkeys(self._reached_by(user)))
        if self._waiting:
            self._add(self._found)
            return
        self._is_told = self._found.keys() == self._union.keys()
        self._union = self._found

    def look_at(self, user: bytes, *, has_endorsed: bool) -> None:
        """Add one user, and whom he reaches if he has just endorsed."""
        fresh = {user: None}
        if has_endorsed:
            fresh.update(dict.fromkeys(self._reached_by(user)))
        self._add(fresh)

    def _add(self, found: dict[bytes, None]) -> None:
        before = len(self._union)
        self._union = self._union | found
        self._is_told = self._is_told and len(self._union) == before

    def news(self) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Return what the window has not been told yet, or the next of it, where that is much.

        Returns:
            (who is reached now, local users and all; who is not any more), both sorted.
        """
        if self._is_told:
            return (), ()
        room = MOVED_AT_ONCE
        moved: tuple[list[bytes], list[bytes]] = [], []
        others = (each for each in self._union if each not in self.told)
        gone = (each for each in self.told if each not in self._union)
        for authors, moving in ((sorted(others), moved[0]), (sorted(gone), moved[1])):
            for author in authors:
                if room <= 0:
                    break
                moving.append(author)
                room -= 1 + self._record_count(author)
        self.told.update(moved[0])
        self.told.difference_update(moved[1])
        self._is_told = self.told == self._union.keys()
        return tuple(moved[0]), tuple(moved[1])
