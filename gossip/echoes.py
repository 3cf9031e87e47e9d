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

# Where a payload's first record has what no other of its author has, its number and the one before
# it, and where its last record has its signature, or its author's rotations. By these a payload is
# looked for: most that arrive are somebody else's, and a digest of each would take 2 us.
_NUMBERS = slice(40, 112)
_END = slice(-16, None)


class Echoes:
    """The payloads that may come back."""

    __slots__ = ("_pushed",)

    def __init__(self) -> None:
        # By its mark, a payload's digest, and the brokers that brought it back.
        self._pushed: dict[bytes, tuple[bytes, tuple[str, ...]]] = {}

    def __len__(self) -> int:
        return len(self._pushed)

    def note(self, payloads: Iterable[bytes]) -> None:
        """Remember what is pushed now."""
        for payload in payloads:
            mark = _mark(payload)
            self._pushed.pop(mark, None)
            self._pushed[mark] = sha256(payload).digest(), ()
            if len(self._pushed) > PAYLOAD_COUNT:
                del self._pushed[next(iter(self._pushed))]

    def is_one(self, broker: str, payload: bytes) -> bool:
        """Tell whether a broker brings back, for the first time, what was pushed."""
        mark = _mark(payload)
        pushed = self._pushed.get(mark)
        if pushed is None:
            return False
        digest, brought_by = pushed
        if broker in brought_by or sha256(payload).digest() != digest:
            return False
        self._pushed[mark] = digest, (*brought_by, broker)
        return True


def _mark(payload: bytes) -> bytes:
    return payload[_NUMBERS] + payload[_END]
