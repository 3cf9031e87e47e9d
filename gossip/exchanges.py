"""Which exchanges go on, and how many frames of each are answered.

The sender that an inbox message names proves nothing, but the salt of its frame does: it is drawn
afresh for each exchange and told to one peer only, and every frame of the exchange carries it. So a
frame is answered only if its sender's exchange under its salt is known: this node began it, or the
peer did with an introduction signed for us and this salt (`tastemesh.gossip.guests`). Whoever
cannot read an inbox of either side cannot make such a frame; what he sends is refused before
anything is charged to the peer in whose name it comes.

Whom we asked ourselves we hear out, however many others write to us: each exchange that this node
began has a number of frames of its own.
"""

from collections import Counter
from hashlib import sha256

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.fingerprints import SALT_BYTES
from tastemesh.gossip.limits import Limits, RejectReason

# Frames answered in one sync period in exchanges that others began: eight at their longest. More
# would only be somebody pretending to be many.
_ANSWERED_PEERS = 8

# Exchanges of ours that are remembered: a node asks four in a period, twelve at most, and four when
# it greets somebody. So a long one, or one through a slow broker, goes on when the next ones begin.
_BEGUN_COUNT = 64


class Exchanges:
    """The exchanges that go on.

    Args:
        limits: `sync_reply_count` is used.
        seed: keys the salts.
    """

    __slots__ = (
        "_answered", "_ours", "_reply_count", "_salt_count", "_seed", "_theirs", "was_cut_off",
    )  # fmt: skip

    def __init__(self, limits: Limits, seed: bytes) -> None:
        self._seed = seed
        self._reply_count = limits.sync_reply_count
        self._salt_count = 0
        # By peer and salt, oldest first; of ours with the number of frames answered.
        self._ours: dict[tuple[bytes, bytes], int] = {}
        self._theirs: dict[tuple[bytes, bytes], None] = {}
        self._answered: Counter[bytes] = Counter()  # of theirs, in this period
        self.was_cut_off = False
        """Whether an exchange of ours used up its frames; to be taken back by who heeds it."""

    def begin_period(self) -> None:
        """Let a period's number of others' frames be answered again."""
        self._answered.clear()

    def begin(self, peer: bytes) -> bytes:
        """Begin an exchange with a peer; return its salt."""
        self._salt_count += 1
        digest = sha256(self._seed + self._salt_count.to_bytes(8, "big")).digest()
        salt = digest[:SALT_BYTES]
        self._ours[peer, salt] = 0
        if len(self._ours) > _BEGUN_COUNT:
            del self._ours[next(iter(self._ours))]
        return salt

    def is_ours(self, peer: bytes, salt: bytes) -> bool:
        """Tell whether this node began an exchange with a peer under a salt."""
        return (peer, salt) in self._ours

    def check(self, sender: bytes, salt: bytes, *, introduced: bool) -> None:
        """Check that a frame may be answered, and charge nothing yet.

        Args:
            sender: whom it names.
            salt: its salt.
            introduced: whether it comes with an introduction, which begins an exchange.

        Raises:
            RemoteProtocolError: it belongs to no exchange, or is over its budget.
        """
        exchange = sender, salt
        if exchange in self._ours:
            is_over = self._ours[exchange] >= self._reply_count
        elif introduced or exchange in self._theirs:
            is_over = (
                self._answered[sender] >= self._reply_count
                or self._answered.total() >= self._others_count
            )
        else:
            raise RemoteProtocolError(RejectReason.SYNC_BUDGET, "a frame of no exchange")
        if is_over:
            raise RemoteProtocolError(RejectReason.SYNC_BUDGET, "too many frames in a period")

    def charge(self, sender: bytes, salt: bytes) -> None:
        """Note that a frame is answered, one that was checked and whose introduction holds."""
        exchange = sender, salt
        if exchange in self._ours:
            self._ours[exchange] += 1
            self.was_cut_off |= self._ours[exchange] == self._reply_count
            return
        self._answered[sender] += 1
        self._theirs[exchange] = None
        # Each is charged a frame at least, so those of two periods have room.
        if len(self._theirs) > 2 * self._others_count:
            del self._theirs[next(iter(self._theirs))]

    @property
    def _others_count(self) -> int:
        return self._reply_count * _ANSWERED_PEERS
