"""How much a peer is sent of what it turns out to lack.

A few bytes say that a whole window is lacking, and records are up to 16 KiB each. So what goes out
is counted in bytes, and no record goes to one peer twice in a sync period. Nobody is sent more than
is left for all others after it: half of what there is for the first, half of the rest for the next.
So one peer cannot take it all, and the only newcomer in a network has what one exchange can name.
"""

import msgspec

from tastemesh.gossip.itemset import PREFIX_BYTES
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.rates import Bucket


class _Shipped(msgspec.Struct):
    size_bytes: float = 0.0
    record_ids: set[bytes] = msgspec.field(default_factory=set)


class Shipments:
    """What peers are sent in a sync period.

    11 MB are saved up, and earned again in a sync period: twice what 16 answers can name, 1,024
    records each of 336 bytes in the mean. So where a broker acknowledges as fast as that is earned,
    no more than that ever waits for it, two thirds of its outbox of 16 MiB; the rest is for our own
    records.

    Args:
        limits: the numbers of exchanges, and the period.
    """

    def __init__(self, limits: Limits) -> None:
        # The mean of a record with one statement, measured: 336 to 350.
        self._mean_bytes = limits.statement_bytes / 2
        named_count = limits.sync_reply_count * (limits.sync_frame_bytes // PREFIX_BYTES)
        full_bytes = 2 * named_count * self._mean_bytes
        self._spare = Bucket(full_bytes * 1000 / limits.sync_period_ms, full_bytes)
        # By inbox; those who were answered in this period, some 150 at most. 65,000 ids at most in
        # all, as each is charged the mean; some 6 MB.
        self._shipped: dict[str, _Shipped] = {}

    def begin_period(self) -> None:
        """Let records be sent again to those who were sent them in the last period."""
        self._shipped.clear()

    def choose(self, inbox: str, record_ids: list[bytes], now_ms: int) -> tuple[bytes, ...]:
        """Return those of the records that are to be fetched for a peer.

        Args:
            inbox: the peer's.
            record_ids: what it lacks, the most important first.
            now_ms: monotonic time.
        """
        if not record_ids:
            return ()
        shipped = self._shipped.setdefault(inbox, _Shipped())
        count = int(self._left_bytes(shipped, now_ms) // self._mean_bytes)
        chosen = [i for i in record_ids if i not in shipped.record_ids][: max(count, 0)]
        shipped.record_ids.update(chosen)
        self._spend(shipped, len(chosen) * self._mean_bytes, now_ms)
        return tuple(chosen)

    def fit(self, inbox: str, envelopes: tuple[bytes, ...], now_ms: int) -> list[bytes]:
        """Return the first of the fetched records, as many as fit what the peer may be sent.

        Args:
            inbox: the peer's.
            envelopes: of records that were chosen, in that order.
            now_ms: monotonic time.
        """
        shipped = self._shipped.setdefault(inbox, _Shipped())
        charged_bytes = len(envelopes) * self._mean_bytes
        left_bytes = charged_bytes + self._left_bytes(shipped, now_ms)
        fitting: list[bytes] = []
        size_bytes = 0
        for envelope in envelopes:
            if size_bytes + len(envelope) > left_bytes:
                break
            size_bytes += len(envelope)
            fitting.append(envelope)
        self._spend(shipped, size_bytes - charged_bytes, now_ms)
        return fitting

    def _left_bytes(self, shipped: _Shipped, now_ms: int) -> float:
        return (self._spare.tokens(now_ms) - shipped.size_bytes) / 2

    def _spend(self, shipped: _Shipped, size_bytes: float, now_ms: int) -> None:
        shipped.size_bytes += size_bytes
        self._spare.spend(size_bytes, now_ms)
