"""Who introduces himself with a frame.

In a large network nobody hears of everybody: whom we heard of may not have heard of us. So the
first frame of an exchange brings its sender's presence, signed for the inbox that it goes to and
for the exchange (`tastemesh.gossip.presence`). It says who begins, which the sender field does not,
and what he reads now: what he announced in public may be as old as his last draw of shards.

Whoever is no peer is a *guest* for the exchange: it stays out of the table of peers, or whoever
writes to one inbox could fill that unseen by others.
"""

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.sampling import Peers

# Strangers answered in one sync period: everybody begins one exchange in a period, or four while he
# is new, and chooses his partners evenly (guess). Only those whose signature holds count.
_GUEST_COUNT = 16

# Signatures that do not hold, checked in one sync period: 42 ms, measured, of 30 s. Past it nobody
# can introduce himself but those whom we asked; it takes 10 kB/s to each node.
_FAILURE_COUNT = 1_024


class Guests:
    """Checks who introduces himself.

    Args:
        limits: what a presence may be like.
        peers: the table of peers; what they read is noted there.
    """

    def __init__(self, limits: Limits, peers: Peers) -> None:
        self._limits = limits
        self._peers = peers
        self._guests: set[bytes] = set()  # of this period
        self._failure_count = 0

    def begin_period(self) -> None:
        """Let a period's number of introductions be looked at again."""
        self._guests.clear()
        self._failure_count = 0

    def look_at(
        self,
        sender: bytes,
        presence: bytes,
        context: bytes,
        reader: Reader,
        wall_ms: int,
        now_ms: int,
        *,
        asked: bool,
    ) -> int:
        """Check the presence with which somebody introduces himself.

        Args:
            sender: who says so.
            presence: what he shows.
            context: what it is to be signed for: our id and the salt of the exchange.
            reader: checks its signature.
            wall_ms: wall clock.
            now_ms: monotonic clock.
            asked: whether the salt is one that we told him alone; then it is looked at in any case,
                and there are few of these.

        Returns:
            The shards that he says he reads, as a mask.

        Raises:
            RemoteProtocolError: it does not hold, or is one too many in this period.
        """
        heard = reader.presence(presence)
        if heard.node != sender:
            raise RemoteProtocolError(RejectReason.WRONG_AUTHOR, "another node's presence")
        heard.check_date(wall_ms, self._limits)
        is_guest = sender not in self._peers and not asked
        if is_guest and sender not in self._guests and len(self._guests) >= _GUEST_COUNT:
            raise RemoteProtocolError(RejectReason.SYNC_BUDGET, "too many strangers in a period")
        if self._failure_count >= _FAILURE_COUNT and not asked:
            raise RemoteProtocolError(RejectReason.SYNC_BUDGET, "too many that did not hold")
        try:
            reader.authenticate_presence(presence, context)
        except RemoteProtocolError:
            self._failure_count += 1
            raise
        if is_guest:
            self._guests.add(sender)
        elif heard.mask != self._peers.mask(sender) and sender in self._peers:
            self._peers.hear(sender, now_ms, heard.mask, heard.sent_ms)
        return heard.mask
