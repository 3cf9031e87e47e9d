"""What happens to a message between a node and a broker: latency, loss, duplication, reordering.

Reordering needs no knob of its own: latencies are drawn per message, so a later one can overtake.
"""

import msgspec
import numpy as np

from tastemesh.errors import UsageError


class LinkPolicy(msgspec.Struct, frozen=True, kw_only=True):
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
        if self.latency_ms < 0:
            raise UsageError(f"latency_ms is {self.latency_ms}; expected 0 or more")
        for name in ("jitter", "loss", "duplication"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise UsageError(f"{name} is {value}; expected 0 to 1")

    def delays_ms(self, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        """Draw what becomes of one message on `count` links.

        Returns:
            (link, delay in ms) for every copy that arrives, links ascending.
        """
        lost = rng.random(count) < self.loss
        twice = rng.random(count) < self.duplication
        spread = rng.random((2, count)) * 2.0 - 1.0
        delays = np.rint(self.latency_ms * (1.0 + self.jitter * spread)).astype(np.int64)
        arrivals: list[tuple[int, int]] = []
        for link in np.flatnonzero(~lost).tolist():
            arrivals.append((link, int(delays[0, link])))
            if twice[link]:
                arrivals.append((link, int(delays[1, link])))
        return arrivals
