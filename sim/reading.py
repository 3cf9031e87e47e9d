"""One reader for a whole simulated network: what one node has read, the others need not.

A thousand nodes that hear one record decode the same bytes and check the same signature. Reading is
a function of the bytes (`tastemesh.gossip.reader`), so its results are remembered here and shared;
each node runs the same code on them as in a daemon. What is remembered is bounded: two generations,
the older one dropped when the newer is full. So a simulation says nothing of what reading and
checking cost a node: `benchmarks` measures that.
"""

from collections.abc import Callable
from typing import Generic, TypeVar, TypeVarTuple, Unpack

import msgspec

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.envelope import Opened, Verify
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.presence import Presence
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import Record
from tastemesh.gossip.signatures import verify
from tastemesh.gossip.signer import Signer

_GENERATION_COUNT = 65_536  # results of each kind; some hundred MB when all are full records

_Given = TypeVarTuple("_Given")
_Result = TypeVar("_Result")


class _Memory(Generic[*_Given, _Result]):
    """Results by the bytes they are results of; a refusal is remembered as well.

    Args:
        work: what is done with what was not seen before.
    """

    def __init__(self, work: Callable[[Unpack[_Given]], _Result]) -> None:
        self._work = work
        self._young: dict[bytes, _Result] = {}
        self._old: dict[bytes, _Result] = {}
        self._refused: dict[bytes, RemoteProtocolError] = {}

    def recall(self, of: bytes, *given: *_Given) -> _Result:
        try:
            return self._young[of]
        except KeyError:
            return self._learn(of, *given)

    def _learn(self, of: bytes, *given: *_Given) -> _Result:
        refusal = self._refused.get(of)
        if refusal is not None:
            raise RemoteProtocolError(refusal.reason, refusal.detail)
        try:
            found = self._old[of] if of in self._old else self._work(*given)
        except RemoteProtocolError as error:
            if len(self._refused) >= _GENERATION_COUNT:
                del self._refused[next(iter(self._refused))]
            # Without its traceback, or it would keep every frame that it passed.
            self._refused[of] = error.with_traceback(None)
            raise RemoteProtocolError(error.reason, error.detail) from None
        if len(self._young) >= _GENERATION_COUNT:
            self._old, self._young = self._young, {}
        self._young[of] = found
        return found


class Made(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A signature, who made it and of what."""

    key: bytes
    message: bytes
    signature: bytes


class Signatures:
    """Those lately made in this simulation: they fit, and whoever checks one is told so at once.

    Args:
        shared: other processes are to be told of those made here.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        # By signature, in two generations: to find the first of a dictionary that loses one for
        # each that comes takes 15 us here.
        self._young: dict[bytes, tuple[bytes, bytes]] = {}
        self._old: dict[bytes, tuple[bytes, bytes]] = {}
        self._untold: list[Made] = []

    def note(self, key: bytes, message: bytes, signature: bytes) -> None:
        """Note a signature that was made by this public key's owner."""
        made = Made(key, message, signature)
        self.learn(made)
        if self._shared:
            self._untold.append(made)

    def learn(self, made: Made) -> None:
        """Note a signature that was made in another process; the oldest are forgotten."""
        if len(self._young) >= _GENERATION_COUNT:
            self._old, self._young = self._young, {}
        self._young[made.signature] = (made.key, made.message)

    def untold(self) -> list[Made]:
        """Return what was noted since the last call, for the other processes."""
        untold, self._untold = self._untold, []
        return untold

    def fits(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """Tell what `tastemesh.gossip.signatures.verify` does."""
        made = self._young.get(signature) or self._old.get(signature)
        return made == (key, message) or verify(key, message, signature)


class NotedSigner(Signer):
    """A `Signer` whose signatures are noted where they are made.

    Args:
        secret: as for `Signer`.
        next_secret: as for `Signer`.
        signatures: where they are noted.
    """

    def __init__(self, secret: bytes, next_secret: bytes, signatures: Signatures) -> None:
        super().__init__(secret, next_secret)
        self._signatures = signatures

    def sign(self, message: bytes) -> bytes:
        """See `Signer.sign`."""
        signature = super().sign(message)
        self._signatures.note(self.public.key, message, signature)
        return signature


class SharedReader(Reader):
    """A `Reader` for all nodes of a simulation; each method is its namesake's memory.

    Args:
        network: network id.
        limits: the wire limits.
        verify: checks signatures.
    """

    def __init__(self, network: str, limits: Limits, verify: Verify = verify) -> None:
        super().__init__(network, limits, verify)
        plain = Reader(network, limits, verify)
        self._bundles = _Memory(plain.unpack)
        self._records = _Memory(plain.parse)
        self._authentic = _Memory(plain.authenticate)
        self._presences = _Memory(plain.presence)
        self._verdicts = _Memory(plain.authenticate_presence)

    def unpack(self, payload: bytes) -> list[Opened]:
        """See `Reader.unpack`."""
        return self._bundles.recall(payload, payload)

    def parse(self, opened: Opened) -> Record:
        """See `Reader.parse`."""
        return self._records.recall(opened.envelope, opened)

    def authenticate(self, record: Record, opened: Opened) -> None:
        """See `Reader.authenticate`."""
        self._authentic.recall(record.envelope, record, opened)

    def presence(self, payload: bytes) -> Presence:
        """See `Reader.presence`."""
        return self._presences.recall(payload, payload)

    def authenticate_presence(self, payload: bytes, context: bytes = b"") -> None:
        """See `Reader.authenticate_presence`."""
        self._verdicts.recall(payload + context, payload, context)
