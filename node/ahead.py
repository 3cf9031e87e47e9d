"""Reads what came in together on threads of its own, before the core goes through it.

Decoding a small record and checking its signature take longer than all else that is done with it,
and the libraries let go of the interpreter for most of that. So the payloads are shared out to
threads that decode and check side by side, while the event loop does other things; the core's
reader then has the answers. They are what it would find, since they depend on nothing but the
bytes (`tastemesh.gossip.reader`); they only come sooner.

Only small payloads: a large one has many statements to a signature, and little to gain. Whoever
sends what the core refuses before it looks at a signature makes this work for nothing, so it rests
after more was wasted than used.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.envelope import Opened, Signed, signed_parts
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import Record
from tastemesh.gossip.signatures import verify
from tastemesh.node.clock import elapsed_s
from tastemesh.node.stages import Stage, Stages, TimedReader

_LOGGER = logging.getLogger(__name__)

# Payloads that come together and are worth waking threads for (guess).
MIN_COUNT = 16

# Largest payload that is looked at: some ten statements.
PAYLOAD_BYTES = 2_048

# Times that it stays out of it after it worked for nothing (guess).
REST_COUNT = 16

# A thread holds the interpreter for a third of the time that a record takes it (measured): a fifth
# thread would only wait.
THREAD_COUNT = min(4, os.cpu_count() or 1)


class _Found(msgspec.Struct):
    """What a thread found, and how long that took it."""

    opened: dict[bytes, list[Opened]] = {}  # by payload
    records: dict[bytes, Record] = {}  # by envelope
    fits: dict[Signed, bool] = {}
    decode_s: float = 0.0
    verify_s: float = 0.0


class AheadReader(TimedReader):
    """A core's reader that has read some of it already.

    Args:
        network: network id.
        limits: the wire limits.
        stages: takes the notes.
        is_known: tells of a record's id whether the core will pass over it; asked on the threads.
    """

    def __init__(
        self, network: str, limits: Limits, stages: Stages, is_known: Callable[[bytes], bool]
    ) -> None:
        super().__init__(network, limits, stages, self._verify_or_recall)
        self._plain = Reader(network, limits)
        self._is_known = is_known
        self._threads = ThreadPoolExecutor(THREAD_COUNT, "tastemesh-reader")
        self._found = _Found()
        self._used_count = 0
        self._rest = 0

    async def look_at(self, payloads: Sequence[bytes]) -> None:
        """Read what came in together, if it is worth it; returns when that is done."""
        if len(self._found.fits) > self._used_count:
            self._rest = REST_COUNT
        self._found, self._used_count = _Found(), 0
        self._rest = max(0, self._rest - 1)
        if len(payloads) < MIN_COUNT or self._rest:
            return
        loop = asyncio.get_running_loop()
        parts = (
            loop.run_in_executor(self._threads, self._read, payloads[start::THREAD_COUNT])
            for start in range(THREAD_COUNT)
        )
        for part in await asyncio.gather(*parts, return_exceptions=True):
            if isinstance(part, BaseException):  # a bug of ours; the core is left to read it all
                _LOGGER.error("cannot read ahead", exc_info=part)
                continue
            self._found.opened |= part.opened
            self._found.records |= part.records
            self._found.fits |= part.fits
            self._stages.seconds[Stage.DECODE] += part.decode_s
            self._stages.seconds[Stage.VERIFY] += part.verify_s

    def unpack(self, payload: bytes) -> list[Opened]:
        """See `Reader.unpack`."""
        opened = self._found.opened.pop(payload, None)
        if opened is None:
            return super().unpack(payload)
        self._stages.counts[Stage.DECODE] += len(opened)
        return opened

    def parse(self, opened: Opened) -> Record:
        """See `Reader.parse`."""
        return self._found.records.pop(opened.envelope, None) or super().parse(opened)

    def close(self) -> None:
        """Stop."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _verify_or_recall(self, key: bytes, message: bytes, signature: bytes) -> bool:
        fits = self._found.fits.pop((key, message, signature), None)
        if fits is None:
            return verify(key, message, signature)
        self._used_count += 1
        return fits

    def _read(self, payloads: Sequence[bytes]) -> _Found:
        found = _Found()
        for payload in payloads:
            if len(payload) > PAYLOAD_BYTES:
                continue
            since_s = elapsed_s()
            try:
                found.opened[payload] = self._plain.unpack(payload)
            except RemoteProtocolError:
                continue  # the core will find that, too
            signed = [s for opened in found.opened[payload] for s in self._signed(opened, found)]
            decoded_s = elapsed_s()
            found.fits |= {each: verify(*each) for each in signed}
            found.decode_s += decoded_s - since_s
            found.verify_s += elapsed_s() - decoded_s
        return found

    def _signed(self, opened: Opened, found: _Found) -> list[Signed]:
        """Return what is signed in an envelope that the core will read, and note what it says."""
        if opened.outer is None or self._is_known(opened.record_id):
            return []
        try:
            found.records[opened.envelope] = self._plain.parse(opened)
        except RemoteProtocolError:
            return []
        return [signed_parts(opened)]
