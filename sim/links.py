"""What happens to a message between a node and a broker: latency, loss, duplication, reordering.

Reordering needs no knob of its own: latencies are drawn per message, so a later one can overtake.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from tastemesh.errors import UsageError


class LinkPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Statistics of every link between a node and a broker, each direction alike.

    Attributes:
        latency_ms: mean one-way delay; 25 as in gossipsub's evaluation report (p2p research,
            section 3).
        jitter: spread of the delay as a share of it, 0 to 1; delays are uniform around the mean.
        loss: probability that a message vanishes, 0 to 1.
        duplication: probability that it arrives twice, 0 to 1.

    Raises:
        UsageError: a value is out of range.
    """

    latency_ms: int = 25
    jitter: float = 0.5
    loss: float = 0.0
    duplication: float = 0.0

    def __post_init__(self) -> None:
        # Latency up to some hours: far from where sums of times leave their 64 bits.
        for name, high in (
            ("latency_ms", 10_000_000),
            ("jitter", 1),
            ("loss", 1),
            ("duplication", 1),
        ):
            value = getattr(self, name)
            if not 0 <= value <= high:
                raise UsageError(f"links.{name} is {value}; expected 0 to {high}")

    @property
    def least_ms(self) -> int:
        """The shortest delay that is ever drawn."""
        return int(self.latency_ms - self.jitter * self.latency_ms)

    def delays_ms(self, draw: Callable[[], float]) -> tuple[int, ...]:
        """Draw what becomes of one message.

        Args:
            draw: gives numbers in [0, 1).

        Returns:
            The delay of every copy that arrives.
        """
        if self.loss and draw() < self.loss:
            return ()
        spread_ms = 2.0 * self.jitter * self.latency_ms
        least_ms = self.latency_ms - 0.5 * spread_ms
        if self.duplication and draw() < self.duplication:
            return (int(least_ms + spread_ms * draw()), int(least_ms + spread_ms * draw()))
        return (int(least_ms + spread_ms * draw()),)

    def deliveries(
        self, count: int, rng: np.random.Generator
    ) -> Iterator[tuple[int, Sequence[int]]]:
        """Draw what becomes of one message on many links.

        Args:
            count: how many.
            rng: for the draws.

        Returns:
            (delay in ms, the links on which a copy arrives then), delays rising.
        """
        arrived = np.flatnonzero(rng.random(count) >= self.loss) if self.loss else np.arange(count)
        if self.duplication:
            again = arrived[rng.random(len(arrived)) < self.duplication]
            arrived = np.concatenate([arrived, again])
        spread_ms = 2.0 * self.jitter * self.latency_ms
        least_ms = self.latency_ms - 0.5 * spread_ms
        delays_ms = (least_ms + spread_ms * rng.random(len(arrived))).astype(np.int64)
        order = np.argsort(delays_ms, kind="stable")
        delays_ms, links = delays_ms[order], arrived[order]
        starts = np.flatnonzero(np.diff(delays_ms, prepend=-1)).tolist()
        for start, end in pairwise([*starts, len(links)]):  # none where everything was lost
            yield int(delays_ms[start]), links[start:end].tolist()

    def healed(self) -> "LinkPolicy":
        """Return the same links without loss and duplication."""
        return LinkPolicy(latency_ms=self.latency_ms, jitter=self.jitter)
