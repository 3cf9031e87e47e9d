"""What this node pushed itself: a broker without No Local sends it back, which is nobody's traffic.

It would count towards what the node reads, so that an application whose users bring their histories
along would drop shards, its users' own among them, for what it said itself. Each broker may bring
each payload back once; any further copy counts, so who sends our payloads again and again gains
nothing by it, and who is first with one spares us no more than the echo would have cost.
"""

from collections.abc import Iterable
from hashlib import sha256

# Payloads remembered, the oldest out first: as many users' histories at once, in 1 MB (guess).
PAYLOAD_COUNT = 4_096


class Echoes:
    """The payloads that may come back."""

    __slots__ = ("_pushed",)

    def __init__(self) -> None:
        self._pushed: dict[bytes, tuple[str, ...]] = {}  # digest -> brokers that brought it back

    def __len__(self) -> int:
        return len(self._pushed)

    def note(self, payloads: Iterable[bytes]) -> None:
        """Remember what is pushed now."""
        for payload in payloads:
            digest = sha256(payload).digest()
            self._pushed.pop(digest, None)
            self._pushed[digest] = ()
            if len(self._pushed) > PAYLOAD_COUNT:
                del self._pushed[next(iter(self._pushed))]

    def is_one(self, broker: str, payload: bytes) -> bool:
        """Tell whether a broker brings back, for the first time, what was pushed."""
        if not self._pushed:
            return False
        digest = sha256(payload).digest()
        brought_by = self._pushed.get(digest)
        if brought_by is None or broker in brought_by:
            return False
        self._pushed[digest] = (*brought_by, broker)
        return True
