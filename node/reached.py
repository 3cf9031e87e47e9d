"""Whom the trust of any local user reaches, found one user after the other.

A walk is 3 to 7 ms a user (10,000 walks, measured), and anybody's endorsement may change all of
them: for a host of a thousand users that is seconds, in which nothing else would be answered. So a
sweep takes a few users a second. Meanwhile what was known stands, and what is found is added to it;
a user's own endorsements count at once.
"""

from collections.abc import Callable, Sequence

# Between two users: a sweep takes a twentieth of one core, and a thousand users are through in a
# minute and a half (guess).
STEP_MS = 100

# Others' endorsements come all the time, and each would have everybody walk again. So a sweep
# begins at most this often; what it decides, whose records stay longest, has as much time (guess).
SWEEP_PERIOD_MS = 30_000


class Reached:
    """The union over all local users, kept roughly current.

    Bounded by the endorsement graph, whose identities it consists of.

    Args:
        reached_by: returns whom one user's trust reaches.
    """

    def __init__(self, reached_by: Callable[[bytes], Sequence[bytes]]) -> None:
        self._reached_by = reached_by
        self._told: dict[bytes, None] = {}
        self._found: dict[bytes, None] = {}
        self._waiting: list[bytes] = []
        self._swept = b""

    @property
    def is_sweeping(self) -> bool:
        """Whether users are waiting to be looked at."""
        return bool(self._waiting)

    def sweep(self, users: Sequence[bytes], state: bytes) -> None:
        """Begin to look at all users anew, unless nothing changed or one is going on already.

        Args:
            users: the local identities.
            state: digest of the endorsements.
        """
        state += len(users).to_bytes(4, "big")
        if not self._waiting and state != self._swept:
            self._swept = state
            self._found = {}
            self._waiting = list(reversed(users))

    def step(self) -> bool:
        """Look at the next user of a sweep; return whether the union changed."""
        if not self._waiting:
            return False
        user = self._waiting.pop()
        self._found[user] = None
        self._found.update(dict.fromkeys(self._reached_by(user)))
        if self._waiting:
            return self._add(self._found)
        changed = self._found.keys() != self._told.keys()
        self._told = self._found
        return changed

    def look_at(self, user: bytes, *, has_endorsed: bool) -> bool:
        """Add one user, and whom he reaches if he has just endorsed; return whether any is new."""
        fresh = {user: None}
        if has_endorsed:
            fresh.update(dict.fromkeys(self._reached_by(user)))
        return self._add(fresh)

    def _add(self, found: dict[bytes, None]) -> bool:
        before = len(self._told)
        self._told = self._told | found
        return len(self._told) > before

    @property
    def ids(self) -> tuple[bytes, ...]:
        """Those reached and the users themselves, sorted."""
        return tuple(sorted(self._told))
