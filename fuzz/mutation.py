"""Inputs for decoders without guidance: known ones, altered a little.

What random bytes never reach, an altered valid message does: most of its structure stands. Numbers
come in blocks of thousands, since drawing one at a time would cost more than decoding.
"""

from collections.abc import Iterator, Sequence

import numpy as np

_BLOCK_COUNT = 65_536
_LONGEST_BYTES = 4_096

# Bytes that mean something to MessagePack: edges of its tags, and lengths that lie.
_TELLING = bytes.fromhex(
    "00 7f 80 8f 90 9f a0 bf c0 c1 c4 c5 c6 cb cc cf d0 d3 d9 db dc dd de df e0 ff"
)


class Mutator:
    """An endless supply of altered inputs.

    Args:
        seeds: known inputs, at least one.
        seed: of the draws; the same seeds and seed give the same inputs.
    """

    def __init__(self, seeds: Sequence[bytes], seed: int) -> None:
        self._seeds = seeds
        self._rng = np.random.default_rng(seed)
        self._numbers: Iterator[int] = iter(())

    def next(self) -> bytes:
        """Return one more input: a known one after one to four alterations."""
        data = bytearray(self._pick())
        for _ in range(1 + self._number(4)):
            self._alter(data)
        return bytes(data[:_LONGEST_BYTES])

    def _alter(self, data: bytearray) -> None:
        if not data:
            data.append(self._number(256))
            return
        at = self._number(len(data))
        match self._number(8):
            case 0:
                data[at] ^= 1 << self._number(8)
            case 1:
                data[at] = self._number(256)
            case 2:
                data[at] = _TELLING[self._number(len(_TELLING))]
            case 3:
                data.insert(at, _TELLING[self._number(len(_TELLING))])
            case 4:
                del data[at : at + 1 + self._number(16)]
            case 5:
                data[at:at] = data[self._number(len(data)) :][: self._number(64)]
            case 6:
                other = self._pick()
                data[at:] = other[self._number(len(other) + 1) :]
            case _:
                del data[at:]

    def _pick(self) -> bytes:
        return self._seeds[self._number(len(self._seeds))]

    def _number(self, below: int) -> int:
        """Draw a number; a bias of at most 1 in 500,000 is nothing to a fuzzer."""
        for number in self._numbers:
            return number % below
        self._numbers = iter(self._rng.integers(0, 1 << 31, _BLOCK_COUNT).tolist())
        return self._number(below)
