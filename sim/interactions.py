"""What an experiment starts from: who took up what, who endorses whom, as arrays.

Ids are kept once in a tuple; rows refer to them by position. Both values are frozen, and their
arrays are not to be written to: splits share the id tables of what they were cut from, so positions
mean the same user and the same item in every part.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.sim.wording import counted


class LoadCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What a loader did with the lines of a file; zero where nothing was loaded.

    Args:
        columns: the columns that were used, as ``user=userID,item=artistID``.
        read_count: lines with data, header and comments excluded.
        bad_count: lines skipped as unreadable (only with ``skip_bad``).
        out_of_time_count: rows dropped because their time lies outside 1990 to 2100.
        weak_count: rows dropped because they weigh less than ``min_weight``.
        worthless_count: rows dropped because they state nothing: a weight of zero, for interactions
            one below zero as well, for endorsements a subject who is the source.
        merged_count: rows merged into an earlier one of the same pair.
        problems: the first bad lines, as text.
        remarks: what looks wrong about the file as a whole.
    """

    columns: str = ""
    read_count: int = 0
    bad_count: int = 0
    out_of_time_count: int = 0
    weak_count: int = 0
    worthless_count: int = 0
    merged_count: int = 0
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def notices(self) -> list[str]:
        """Return a sentence for each kind of line that was left out, and the remarks."""
        spoken = [
            (self.bad_count, "bad line", "skipped"),
            (self.out_of_time_count, "row", "dropped: dated before 1990 or after 2100"),
            (self.weak_count, "row", "dropped: weaker than the least weight asked for"),
            (self.worthless_count, "row", "dropped: weight zero, negative, or about oneself"),
        ]
        said = [f"{counted(count, line)} {what}" for count, line, what in spoken if count]
        return [*said, *self.remarks]


class Interactions(msgspec.Struct, frozen=True, kw_only=True):
    """Distinct (user, item) pairs, in the order in which the file first names them.

    Args:
        user_ids: every user's id; row values in `user` are positions in it.
        item_ids: every item's id; row values in `item` are positions in it.
        user: int32, shape [rows].
        item: int32, shape [rows].
        weight: float32, shape [rows], above zero: plays, a rating, or 1.
        time_s: int64, shape [rows], seconds since 1970 UTC of the first interaction; None without.
        turn: int8, shape [rows], where there are no times: -1 for rows that were witnessed before
            the others, 1 for rows witnessed after them, all at once; 0 for those whose order nobody
            knows. None: all 0.
        added_item_count: how many of the last items an attack added.
        counts: what the loader left out.
    """

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    weight: NDArray[np.float32]
    time_s: NDArray[np.int64] | None = None
    turn: NDArray[np.int8] | None = None
    added_item_count: int = 0
    counts: LoadCounts = LoadCounts()

    def __len__(self) -> int:
        return len(self.user)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Interactions":
        """Return the chosen rows (a mask or positions) over the same id tables."""
        return msgspec.structs.replace(
            self,
            user=self.user[chosen],
            item=self.item[chosen],
            weight=self.weight[chosen],
            time_s=None if self.time_s is None else self.time_s[chosen],
            turn=None if self.turn is None else self.turn[chosen],
        )


class Endorsements(msgspec.Struct, frozen=True, kw_only=True):
    """Distinct (source, subject) pairs: who states trust in whom.

    Args:
        ids: every person's id; values in `source` and `subject` are positions in it.
        source: int32, shape [rows].
        subject: int32, shape [rows], never equal to the source.
        weight: float32, shape [rows], as the file has it, never zero; negative is distrust.
        time_s: int64, shape [rows], seconds since 1970 UTC; None without.
        counts: what the loader left out.
    """

    ids: tuple[str, ...]
    source: NDArray[np.int32]
    subject: NDArray[np.int32]
    weight: NDArray[np.float32]
    time_s: NDArray[np.int64] | None = None
    counts: LoadCounts = LoadCounts()

    def __len__(self) -> int:
        return len(self.source)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Endorsements":
        """Return the chosen rows (a mask or positions) over the same ids."""
        return msgspec.structs.replace(
            self,
            source=self.source[chosen],
            subject=self.subject[chosen],
            weight=self.weight[chosen],
            time_s=None if self.time_s is None else self.time_s[chosen],
        )

    def aligned(self, user_ids: Sequence[str]) -> "Endorsements":
        """Return the same endorsements with positions that agree with those of `user_ids`.

        Args:
            user_ids: the users of an `Interactions`.

        Returns:
            Endorsements whose ``ids`` begin with `user_ids`; people without interactions follow,
            for trust may pass through them.
        """
        position = _positions(user_ids)
        for name in self.ids:
            position.setdefault(name, len(position))
        moved = np.array([position[name] for name in self.ids], dtype=np.int32)
        return msgspec.structs.replace(
            self,
            ids=tuple(position),
            source=moved[self.source],
            subject=moved[self.subject],
        )

    def strangers(self, user_ids: Sequence[str]) -> list[str]:
        """Return a sentence where most endorsements are of people who are not among the users.

        Args:
            user_ids: the users of an `Interactions`.
        """
        position = _positions(user_ids)
        known = np.array([name in position for name in self.ids], dtype=np.bool_)
        inside = int((known[self.source] & known[self.subject]).sum())
        if 2 * inside >= len(self):
            return []
        return [
            f"{inside:,} of {len(self):,} endorsements are between users of the interactions: "
            "expected the same ids in both files"
        ]


Data = TypeVar("Data", bound=msgspec.Struct)
Scalar = TypeVar("Scalar", bound=np.generic)


def sealed(data: Data) -> Data:
    """Return the same data, whose arrays cannot be written to: numpy raises where that is tried.

    Args:
        data: `Interactions`, `Endorsements` or the like, as somebody else's code is given it.
    """
    found = {name: getattr(data, name) for name in data.__struct_fields__}
    views = {k: sealed_array(v) for k, v in found.items() if isinstance(v, np.ndarray)}
    return msgspec.structs.replace(data, **views)


def sealed_array(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return the same array, which cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def _positions(names: Sequence[str]) -> dict[str, int]:
    return {name: at for at, name in enumerate(names)}
