"""Signatures checked on a thread of their own, a little before the core asks for them.

A check takes longer than all else that is done with a small record, and `cryptography` lets go of
the interpreter meanwhile. So while the core checks one record and handles it, this checks those
that it will come to: from the end of what came in together, until the two meet. What it finds is
what the core would find, since a check depends on nothing but its bytes; it only comes sooner.

Only small payloads: a large one has many statements to a signature, and little to gain. Whoever
sends what the core refuses before it looks at a signature makes this work for nothing, so it rests
after more was wasted than used.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip import codec
from tastemesh.gossip.codec import Signed
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.signatures import verify

# Payloads that come together and are worth a thread's waking (guess).
MIN_COUNT = 16

# Largest payload that is looked at: some ten statements.
PAYLOAD_BYTES = 2_048

# Times that it stays out of it after it worked for nothing (guess).
REST_COUNT = 16


class Ahead:
    """Checks signatures ahead of one core. Everything but the checking is for one thread.

    Args:
        limits: the wire limits.
        is_known: tells of a record's id whether the core will pass over it; asked on the thread.
    """

    def __init__(self, limits: Limits, is_known: Callable[[bytes], bool]) -> None:
        self._limits = limits
        self._is_known = is_known
        self._thread = ThreadPoolExecutor(1, "tastemesh-signatures")
        self._found: dict[Signed, bool] = {}
        self._used_count = 0
        self._rest = 0
        self._turn = 0
        self.place = 0
        """Which of the payloads the core is at."""

    def begin(self, payloads: Sequence[bytes]) -> None:
        """Look at what came in together, in the order in which the core will come to it."""
        if len(self._found) > self._used_count:
            self._rest = REST_COUNT
        self._found, self._used_count, self.place = {}, 0, 0
        self._turn += 1
        self._rest = max(0, self._rest - 1)
        if len(payloads) >= MIN_COUNT and not self._rest:
            self._thread.submit(self._work, payloads, self._turn, self._found)

    def verify(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """See `tastemesh.gossip.signatures.verify`."""
        found = self._found.pop((key, message, signature), None)
        if found is None:
            return verify(key, message, signature)
        self._used_count += 1
        return found

    def close(self) -> None:
        """Stop."""
        self._turn += 1
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _work(self, payloads: Sequence[bytes], turn: int, found: dict[Signed, bool]) -> None:
        for place in range(len(payloads) - 1, -1, -1):
            if len(payloads[place]) > PAYLOAD_BYTES:
                continue
            for signed in self._signed(payloads[place]):
                if turn != self._turn or place <= self.place:
                    return
                found[signed] = verify(*signed)

    def _signed(self, payload: bytes) -> list[Signed]:
        try:
            envelopes = codec.unpack_bundle(payload, self._limits)
        except RemoteProtocolError:
            return []
        opened = [codec.open_envelope(each, self._limits) for each in envelopes]
        return [codec.signed_parts(each) for each in opened if self._is_worth_it(each)]

    def _is_worth_it(self, opened: codec.Opened) -> bool:
        return opened.outer is not None and not self._is_known(opened.record_id)
