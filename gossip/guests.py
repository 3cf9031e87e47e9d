"""Who introduces himself with a frame, beside those who are heard of in public.

In a large network nobody hears of everybody: whom we heard of may not have heard of us. So the
first frame of an exchange brings its sender's presence, which makes him a *guest*, whose frames are
answered for a while like a peer's. Guests stay out of the table of peers, or whoever writes to one
inbox could fill it unseen by others.

Of a peer it tells what he reads now: what he announced in public may be as old as his last draw of
shards.
"""

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.sampling import Peers

# Strangers whose signature is checked in one sync period, and as many peers: everybody begins one
# exchange in a period, or four while he is new, and chooses his partners evenly (guess).
_LOOKED_AT = 16


class Guests:
    """The nodes that introduced themselves lately and are no peers.

    Args:
        limits: what a presence may be like.
        peers: the table of peers; what they read is noted there.
    """

    def __init__(self, limits: Limits, peers: Peers) -> None:
        self._limits = limits
        self._peers = peers
        self._guests: dict[bytes, int] = {}
        self._looked_at = {False: 0, True: 0}  # by whether it was a peer

    def __contains__(self, node: bytes) -> bool:
        return node in self._guests

    def begin_period(self) -> None:
        """Let a period's number of introductions be looked at again."""
        self._looked_at = {False: 0, True: 0}

    def forget_silent(self, horizon_ms: int) -> None:
        """Forget who introduced himself before a moment of the monotonic clock."""
        self._guests = {node: at for node, at in self._guests.items() if at >= horizon_ms}

    def look_at(
        self, sender: bytes, presence: bytes, reader: Reader, wall_ms: int, now_ms: int
    ) -> int:
        """Check the presence with which somebody introduces himself, unless it tells nothing new.

        Args:
            sender: who says so.
            presence: what he shows.
            reader: checks its signature.
            wall_ms: wall clock.
            now_ms: monotonic clock.

        Returns:
            The shards that he says he reads, as a mask.

        Raises:
            RemoteProtocolError: it does not hold, or a stranger is one too many in this period.
        """
        heard = reader.presence(presence)
        if heard.node != sender:
            raise RemoteProtocolError(RejectReason.WRONG_AUTHOR, "another node's presence")
        is_peer = sender in self._peers
        is_known = heard.mask == self._peers.mask(sender) if is_peer else sender in self._guests
        if is_known:
            return heard.mask
        heard.check_date(wall_ms, self._limits)
        self._looked_at[is_peer] += 1
        if self._looked_at[is_peer] > _LOOKED_AT:
            if is_peer:
                return heard.mask  # in the table stays what he announced
            raise RemoteProtocolError(RejectReason.SYNC_BUDGET, "too many strangers in a period")
        reader.authenticate_presence(presence)
        if is_peer:
            self._peers.hear(sender, now_ms, heard.mask, heard.sent_ms)
        else:
            self._guests[sender] = now_ms
        return heard.mask
