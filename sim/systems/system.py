"""What every recommender that is compared looks like."""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tastemesh.sim.interactions import Endorsements, Interactions

Parameters: TypeAlias = Mapping[str, float | int | str]


class System(Protocol):
    """A recommender for all users of one set of interactions."""

    name: str

    def grid(self, endorsed: bool) -> list[Parameters]:
        """Return the settings to choose from, the one to use untuned first.

        Args:
            endorsed: endorsements will be given to `fit`.

        Returns:
            At least one; one means that the system is not tuned.
        """
        ...

    def fit(
        self, train: Interactions, endorsements: Endorsements | None, parameters: Parameters
    ) -> None:
        """Learn, forgetting what was learned before.

        Args:
            train: what is known.
            endorsements: aligned with the users of `train` (`Endorsements.aligned`), or None.
            parameters: a member of `grid`, or another setting with the same keys.

        Raises:
            UsageError: the data do not fit in the memory that the method needs.
        """
        ...

    def rank(self, users: NDArray[np.int32], k: int) -> NDArray[np.int32]:
        """Return each user's k best items.

        Args:
            users: positions in ``train.user_ids``, shape [n].
            k: length of a list.

        Returns:
            int32, shape [n, k], best first, -1 where a list ends early; never an item of the user's
            own.
        """
        ...
