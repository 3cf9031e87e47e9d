"""How long the intake takes, stage by stage: where a node that falls behind spends its time.

The core knows no clock, so what it is given measures: a reader, a view; and the driver around them.
It costs a microsecond a record.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from tastemesh.gossip.envelope import Opened, Verify
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import Record
from tastemesh.gossip.signatures import verify
from tastemesh.node.clock import elapsed_s
from tastemesh.ranking.view import View


class Stage(StrEnum):
    """What a record from the network goes through, in this order."""

    DECODE = "decode"
    DEDUPE = "dedupe"
    VERIFY = "verify"
    PERSIST = "persist"
    ARRAYS = "arrays"


class Stages:
    """Records and seconds by stage.

    `DEDUPE` is all that decides whether a record is kept beside its signature: whether it is known,
    rates, quotas and the window. It is what handling takes less the stages within it.
    """

    def __init__(self) -> None:
        self.clear()

    def add(self, stage: Stage, count: int, since_s: float) -> None:
        """Note that so many records took from `since_s` until now."""
        self.counts[stage] += count
        self.seconds[stage] += elapsed_s() - since_s

    def handled(self, count: int, since_s: float, within_s: float) -> None:
        """Note that an input was handled.

        Args:
            count: records that were looked at.
            since_s: when that began.
            within_s: what `inner_s` said then.
        """
        self.counts[Stage.DEDUPE] += count
        self.seconds[Stage.DEDUPE] += elapsed_s() - since_s - (self.inner_s - within_s)

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Leave out what is read meanwhile: it did not come in."""
        counts, seconds = dict(self.counts), dict(self.seconds)
        try:
            yield
        finally:
            self.counts.update(counts)
            self.seconds.update(seconds)

    @property
    def inner_s(self) -> float:
        """Seconds in the stages that handling an input consists of, `DEDUPE` apart."""
        seconds = self.seconds
        return seconds[Stage.DECODE] + seconds[Stage.VERIFY] + seconds[Stage.ARRAYS]

    def clear(self) -> None:
        """Begin at 0."""
        self.counts = dict.fromkeys(Stage, 0)
        self.seconds = dict.fromkeys(Stage, 0.0)

    def report(self) -> dict[str, dict[str, Any]]:
        """Return records and seconds by stage, ready for JSON."""
        return {
            stage.value: {"records": self.counts[stage], "seconds": self.seconds[stage]}
            for stage in Stage
        }


class TimedReader(Reader):
    """Reads, and notes how long that takes.

    Args:
        network: network id.
        limits: the wire limits.
        stages: takes the notes.
        verify: see `Reader`.
    """

    def __init__(
        self, network: str, limits: Limits, stages: Stages, verify: Verify = verify
    ) -> None:
        super().__init__(network, limits, verify)
        self._stages = stages

    def unpack(self, payload: bytes) -> list[Opened]:
        """See `Reader.unpack`."""
        since_s = elapsed_s()
        opened: list[Opened] = []
        try:
            opened = super().unpack(payload)
        finally:  # what is refused takes time, too
            self._stages.add(Stage.DECODE, len(opened), since_s)
        return opened

    def parse(self, opened: Opened) -> Record:
        """See `Reader.parse`."""
        since_s = elapsed_s()
        try:
            return super().parse(opened)
        finally:
            self._stages.add(Stage.DECODE, 0, since_s)

    def authenticate(self, record: Record, opened: Opened) -> None:
        """See `Reader.authenticate`."""
        since_s = elapsed_s()
        try:
            super().authenticate(record, opened)
        finally:
            self._stages.add(Stage.VERIFY, 1, since_s)


class TimedView(View):
    """A view that notes how long it takes to append.

    Args:
        stages: takes the notes.
    """

    def __init__(self, stages: Stages) -> None:
        super().__init__()
        self._stages = stages

    def append(
        self,
        user: bytes,
        items: Sequence[str],
        weights: float | Sequence[float],
        times_s: int | Sequence[int],
        record_no: int,
    ) -> None:
        """See `View.append`."""
        since_s = elapsed_s()
        super().append(user, items, weights, times_s, record_no)
        self._stages.add(Stage.ARRAYS, 1, since_s)
