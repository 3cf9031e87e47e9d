"""What hostile identities hold beside their target, and when a node would have seen it.

A profile is items and the place in time: attackers who come early are seen before everybody, those
who copy are seen after what they copy. Dates that an attacker claims count for nothing: `back-date`
claims to have been first and is witnessed last, which is what these data show.
"""

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.sim.interactions import Interactions

FILLER_COUNT = 30  # items beside the target; near the median profile of the data sets used
EARLY_COUNT = 100  # whoever wants to be followed holds much of what will be popular


class Profile(msgspec.Struct, frozen=True):
    """One identity's holdings.

    Attributes:
        items: positions, int64, the target excluded.
        early: witnessed before everybody; else after everybody.
    """

    items: NDArray[np.int64]
    early: bool


class Crowd:
    """What attackers can see of the honest data.

    Attributes:
        train: the honest interactions.
        egos: positions of users whom a targeted attack is aimed at, int32.
        rng: their choices.
    """

    def __init__(
        self, train: Interactions, egos: NDArray[np.int32], rng: np.random.Generator
    ) -> None:
        self.train = train
        self.egos = egos
        self.rng = rng
        self._counts = np.bincount(train.item, minlength=len(train.item_ids))
        self._held = np.flatnonzero(self._counts)
        # Items that nobody holds were held out: the attacker does not know of them.
        self._popular = np.argsort(-self._counts, kind="stable")[: len(self._held)]

    def popular(self, number: int) -> Profile:
        """Hold what most people hold."""
        return Profile(self._popular[:FILLER_COUNT].astype(np.int64), early=False)

    def early_popular(self, number: int) -> Profile:
        """Hold much of what will be popular, before everybody else."""
        pool = self._popular[: 2 * EARLY_COUNT]
        count = min(EARLY_COUNT, len(pool))
        return Profile(self.rng.choice(pool, count, replace=False).astype(np.int64), early=True)

    def late_popular(self, number: int) -> Profile:
        """The same with dates claimed from long ago: a node has seen them last."""
        return Profile(self.early_popular(number).items, early=False)

    def copied(self, number: int) -> Profile:
        """Hold exactly what one of the victims holds, taken over after the fact."""
        victim = self.egos[number % len(self.egos)]
        return Profile(self.train.item[self.train.user == victim].astype(np.int64), early=False)

    def slept(self, number: int) -> Profile:
        """Behave like an honest user for long, then turn: an early profile of some real user."""
        user = self.rng.choice(self.train.user)
        return Profile(self.train.item[self.train.user == user].astype(np.int64), early=True)

    def random(self, number: int) -> Profile:
        """Fill with items drawn evenly."""
        return Profile(self._drawn(None), early=False)

    def average(self, number: int) -> Profile:
        """Fill with items drawn as honest people hold them."""
        return Profile(self._drawn(self._counts[self._held]), early=False)

    def bandwagon(self, number: int) -> Profile:
        """Half the filler most popular, half drawn evenly."""
        half = FILLER_COUNT // 2
        items = np.union1d(self._popular[:half], self._drawn(None)[: FILLER_COUNT - half])
        return Profile(items.astype(np.int64), early=False)

    def segment(self, number: int) -> Profile:
        """Fill with what the fans of one item hold most: aimed at a circle of taste."""
        places = (np.flatnonzero(self.train.user == ego) for ego in self.egos)
        seed_item = next((self.train.item[held[0]] for held in places if len(held)), None)
        if seed_item is None:  # nobody of the circle has done anything yet
            return self.popular(number)
        fans = np.unique(self.train.user[self.train.item == seed_item])
        beside = self.train.item[np.isin(self.train.user, fans)]
        counts = np.bincount(beside, minlength=len(self._counts))
        items = np.argsort(-counts, kind="stable")[:FILLER_COUNT]
        return Profile(items[counts[items] > 0].astype(np.int64), early=False)

    def nothing(self, number: int) -> Profile:
        """Hold the target alone."""
        return Profile(np.empty(0, np.int64), early=False)

    def _drawn(self, appeal: NDArray[np.int64] | None) -> NDArray[np.int64]:
        count = min(FILLER_COUNT, len(self._held))
        share = None if appeal is None else appeal / appeal.sum()
        return self.rng.choice(self._held, count, replace=False, p=share).astype(np.int64)


Camouflage = Callable[[Crowd, int], Profile]
