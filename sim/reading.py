"""One reader for a whole simulated network: what one node has read, the others need not.

A thousand nodes that hear one record decode the same bytes and check the same signature. Reading is
a function of the bytes (`tastemesh.gossip.reader`), so its results are remembered here and shared;
each node runs the same code on them as in a daemon. What is remembered is bounded: two generations,
the older one dropped when the newer is full.
"""

from collections.abc import Callable, Hashable
from typing import TypeVar

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.codec import Opened
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.presence import Presence
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import Record

_GENERATION_COUNT = 65_536  # results of each kind; some hundred MB when all are full records

_UNKNOWN = object()
_Result = TypeVar("_Result")


class _Memory:
    """Results by what they are results of; a refusal is remembered as well."""

    def __init__(self) -> None:
        self._young: dict[Hashable, object] = {}
        self._old: dict[Hashable, object] = {}

    def recall(self, of: Hashable, work: Callable[[], _Result]) -> _Result:
        found = self._young.get(of, _UNKNOWN)
        if found is _UNKNOWN:
            found = self._old.get(of, _UNKNOWN)
            if found is _UNKNOWN:
                try:
                    found = work()
                except RemoteProtocolError as error:
                    found = error
            if len(self._young) >= _GENERATION_COUNT:
                self._old, self._young = self._young, {}
            self._young[of] = found
        if isinstance(found, RemoteProtocolError):
            raise RemoteProtocolError(found.reason, found.detail)
        return found  # type: ignore[return-value]


class SharedReader(Reader):
    """A `Reader` for all nodes of a simulation.

    Args:
        network: network id.
        limits: the wire limits.
    """

    def __init__(self, network: str, limits: Limits) -> None:
        super().__init__(network, limits)
        self._bundles = _Memory()
        self._records = _Memory()
        self._authentic = _Memory()
        self._presences = _Memory()
        self._verdicts = _Memory()

    def unpack(self, payload: bytes) -> list[Opened]:
        """See `Reader.unpack`."""
        return self._bundles.recall(payload, lambda: Reader.unpack(self, payload))

    def parse(self, opened: Opened) -> Record:
        """See `Reader.parse`."""
        return self._records.recall(opened.envelope, lambda: Reader.parse(self, opened))

    def authenticate(self, record: Record, opened: Opened) -> None:
        """See `Reader.authenticate`."""
        self._authentic.recall(record.envelope, lambda: Reader.authenticate(self, record, opened))

    def presence(self, payload: bytes) -> Presence:
        """See `Reader.presence`."""
        return self._presences.recall(payload, lambda: Reader.presence(self, payload))

    def authenticate_presence(self, payload: bytes) -> None:
        """See `Reader.authenticate_presence`."""
        self._verdicts.recall(payload, lambda: Reader.authenticate_presence(self, payload))
