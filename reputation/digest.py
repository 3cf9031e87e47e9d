"""A name for the weights that a graph holds, whatever their order of arrival.

The sum modulo 2^256 of a hash per (author, subject, weight not 0), hashed: O(1) per change. It
tells states apart for caches and traces. It is no commitment: sums of this kind can be made to
collide by somebody who chooses the terms (Wagner 2002), at no gain here.
"""

import hashlib
from functools import lru_cache

_DOMAIN = b"tastemesh/1/endorsement\x00"
_MODULUS = 1 << 256


class WeightDigest:
    """The digest of a set of weights, kept as they come and go."""

    __slots__ = ("_sum",)

    def __init__(self) -> None:
        self._sum = 0

    def add(self, author: bytes, subject: bytes, units: int) -> None:
        """Take in a weight, in the wire's 1/10,000; 0 is none."""
        if units:
            self._sum += _term(author, subject, units)

    def remove(self, author: bytes, subject: bytes, units: int) -> None:
        """Take a weight out that was taken in."""
        if units:
            self._sum -= _term(author, subject, units)

    def value(self) -> bytes:
        """Return the 32 bytes."""
        self._sum %= _MODULUS
        return hashlib.sha256(_DOMAIN + self._sum.to_bytes(32, "big")).digest()


@lru_cache(maxsize=4_096)  # a simulated crowd hears one statement in a thousand graphs at once
def _term(author: bytes, subject: bytes, units: int) -> int:
    """Return what one statement adds to the sum, 0 to 2^256 - 1."""
    head = len(author).to_bytes(4, "big") + units.to_bytes(4, "big", signed=True)
    return int.from_bytes(hashlib.sha256(head + author + subject).digest(), "big")
