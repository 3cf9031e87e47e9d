"""The matrix of a view's rows, brought up to date by what the users who changed now hold."""

from collections.abc import Iterable

import msgspec
import numpy as np

from tastemesh.errors import UsageError
from tastemesh.ranking.firsts import Firsts
from tastemesh.ranking.holdings import HoldingMatrix, reference_time
from tastemesh.ranking.products import Sparse
from tastemesh.ranking.rows import Rows
from tastemesh.ranking.table import Table

# Rebuild the matrix when the users that changed hold more than this share of the rows. Up to half
# of them patching is as quick (measured); it holds two matrices meanwhile, as rebuilding does not.
_REBUILD_SHARE = 1 / 4
# Age of a matrix beyond which it ages no more. What is left of a weight then is nothing to anybody,
# and only relations count, which a smaller scale would lose: its cube times the least weight
# (2^-126, float32) has to be a normal number (2^-1022) still.
_HALF_LIVES_MAX = 256


class Upkeep:
    """The last matrix that was asked for, and whose rows have changed since.

    Args:
        rows: what it is made of.
    """

    __slots__ = ("_changed_users", "_rows", "_table")

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._table: Table | None = None
        self._changed_users: set[int] = set()

    @property
    def nbytes(self) -> int:
        """Bytes of the matrix; 0 before the first is made."""
        return 0 if self._table is None else self._table.nbytes

    @property
    def half_life_s(self) -> float | None:
        """What the matrix was last asked for with, seconds; None for no ageing, or no matrix."""
        return None if self._table is None else self._table.half_life_s

    def note(self, users: Iterable[int]) -> None:
        """Note that rows of some users have come or gone."""
        self._changed_users.update(users)

    def drop(self) -> None:
        """Let go of the matrix: the records that it points to have other numbers now."""
        self._table = None

    def matrix(
        self, now_s: int, half_life_s: float | None, shape: tuple[int, int]
    ) -> HoldingMatrix:
        """Return who holds what at a time; see `tastemesh.ranking.view.View.matrix`.

        Args:
            now_s: seconds since 1970.
            half_life_s: seconds in which a weight halves, above 0; None for no ageing.
            shape: (users, items), the sizes of both number spaces.

        Raises:
            UsageError: half_life_s is not above 0.
        """
        table = self._current(half_life_s, shape)
        scale = 1.0
        if half_life_s is not None:
            asked_s = max(now_s, self._rows.newest_s)
            half_lives = min((asked_s - table.reference_s) / half_life_s, _HALF_LIVES_MAX)
            scale = float(np.exp2(-half_lives))
        return HoldingMatrix(table.weights, scale)

    def witnessed(self, half_life_s: float | None, shape: tuple[int, int]) -> tuple[Sparse, Firsts]:
        """Return the pairs of a matrix, by user and then by item, and what goes with each.

        Args:
            half_life_s: as for `matrix`.
            shape: as for `matrix`.

        Raises:
            UsageError: half_life_s is not above 0.
        """
        table = self._current(half_life_s, shape)
        firsts = table.firsts
        if firsts is None:
            firsts = Firsts.of(self._rows.living(), table.weights.by_user)
            self._table = msgspec.structs.replace(table, firsts=firsts)
        return table.weights.by_user, firsts

    def _current(self, half_life_s: float | None, shape: tuple[int, int]) -> Table:
        """Bring the matrix up to date, by rows if few have changed."""
        if half_life_s is not None and not half_life_s > 0:
            raise UsageError(f"half_life_s {half_life_s}; expected above 0, or None")
        rows = self._rows
        reference_s = 0.0 if half_life_s is None else reference_time(rows.newest_s, half_life_s)
        table, theirs = self._table, None
        if table is not None and table.is_made_with(half_life_s, reference_s):
            if not self._changed_users:
                return table
            changed = np.array(sorted(self._changed_users), dtype=np.int32)
            theirs = rows.of_users(changed, shape[0])
        if table is not None and theirs is not None and len(theirs) <= len(rows) * _REBUILD_SHARE:
            table = table.replaced(changed, rows.at(theirs), shape)
        else:
            table = Table.of(rows.living(), shape, half_life_s, reference_s)
        self._table = table
        self._changed_users.clear()
        return table
