"""Reading bytes: unpacking, decoding and checking signatures, behind one seam.

Each of these is a function of its bytes and nothing else. So a simulator that runs a thousand nodes
in one process may hand them all one reader that remembers what it has read before
(`tastemesh.sim.reading`); what a node makes of it stays the node's.
"""

from tastemesh.gossip import codec
from tastemesh.gossip.bundles import unpack_bundle
from tastemesh.gossip.envelope import Opened, Verify, authenticate_opened, open_envelope
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.presence import Presence, authenticate_presence, parse_presence
from tastemesh.gossip.record import Record
from tastemesh.gossip.signatures import verify


class Reader:
    """Reads what comes from the network.

    Args:
        network: network id.
        limits: the wire limits.
        verify: checks signatures; who runs nodes may know some answers already.
    """

    def __init__(self, network: str, limits: Limits, verify: Verify = verify) -> None:
        self._network = network
        self._limits = limits
        self._verify = verify

    def unpack(self, payload: bytes) -> list[Opened]:
        """Return the envelopes in an MQTT payload, taken apart.

        Raises:
            RemoteProtocolError: too large, or not a bundle.
        """
        limits = self._limits
        return [open_envelope(envelope, limits) for envelope in unpack_bundle(payload, limits)]

    def open(self, envelope: bytes) -> Opened:
        """Take one envelope apart; see `open_envelope`."""
        return open_envelope(envelope, self._limits)

    def parse(self, opened: Opened) -> Record:
        """Return what an envelope says; see `codec.read`."""
        return codec.read(opened, self._network, self._limits)

    def parse_known(self, opened: Opened) -> Record:
        """Return what an envelope says that was read before: its statements are not checked again.

        Raises:
            RemoteProtocolError: with the reason.
        """
        return codec.read(opened, self._network, self._limits, is_known=True)

    def authenticate(self, record: Record, opened: Opened) -> None:
        """Check that the key in a record's envelope signed it; see `authenticate_opened`."""
        authenticate_opened(record, opened, self._verify)

    def presence(self, payload: bytes) -> Presence:
        """Return what a presence message says; see `presence.parse_presence`."""
        return parse_presence(payload, self._network)

    def authenticate_presence(self, payload: bytes, context: bytes = b"") -> None:
        """Check who sent it; see `presence.authenticate_presence`."""
        authenticate_presence(payload, self._verify, context)
