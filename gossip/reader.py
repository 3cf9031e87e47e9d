"""Reading bytes: unpacking, decoding and checking signatures, behind one seam.

Each of these is a function of its bytes and nothing else. So a simulator that runs a thousand nodes
in one process may hand them all one reader that remembers what it has read before
(`tastemesh.sim.reading`); what a node makes of it stays the node's.
"""

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip import codec
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.presence import Presence, authenticate_presence, parse_presence
from tastemesh.gossip.record import Record


class Reader:
    """Reads what comes from the network.

    Args:
        network: network id.
        limits: the wire limits.
    """

    def __init__(self, network: str, limits: Limits) -> None:
        self._network = network
        self._limits = limits

    def unpack(self, payload: bytes) -> list[tuple[bytes, bytes]]:
        """Return the envelopes in an MQTT payload with their ids, empty for what is none.

        Raises:
            RemoteProtocolError: too large, or not a bundle.
        """
        return [
            (envelope, self._peek(envelope))
            for envelope in codec.unpack_bundle(payload, self._limits)
        ]

    def _peek(self, envelope: bytes) -> bytes:
        try:
            return codec.peek_id(envelope, self._limits)
        except RemoteProtocolError:
            return b""  # `parse` will say why

    def parse(self, envelope: bytes) -> Record:
        """Return what an envelope says; see `codec.parse`."""
        return codec.parse(envelope, self._network, self._limits)

    def authenticate(self, record: Record) -> None:
        """Check that the key in a record's envelope signed it; see `codec.authenticate`."""
        codec.authenticate(record, self._limits)

    def presence(self, payload: bytes) -> Presence:
        """Return what a presence message says; see `presence.parse_presence`."""
        return parse_presence(payload, self._network)

    def authenticate_presence(self, payload: bytes) -> None:
        """Check who sent it; see `presence.authenticate_presence`."""
        authenticate_presence(payload)
