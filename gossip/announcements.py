"""When a node says that it is there: the larger the network the less often, or all would hear more.

Everybody announces himself to all who read his shard. At a fixed period what a node hears would
grow with the network. So the period grows with the nodes heard of, and the share of each in what is
spent on presence shrinks, as with RTCP (RFC 3550, section 6.2). A node needs to hear of some dozens
and no more. So up to 64 times as many the period stays where those fill half the budget, and
nodes read fewer shards instead (`tastemesh.gossip.interest`); beyond that one shard is as much as
the budget holds, and the period grows again.

Periods are spread over half to three halves of that, and a period that comes to its end is
reconsidered by what has been heard meanwhile (RFC 3550, section 6.3): a crowd that starts at one
moment does not speak at one moment, nor before it knows how many it is.

Fakes count like others, for nobody can tell them apart. What they gain is bounded: no more than the
table of peers holds are counted (`Limits.peer_count`), which makes 107 minutes at the defaults, and
peers are remembered for three periods. An honest node's entry is not lost, only older.
"""

from hashlib import sha256

from tastemesh.gossip.interest import Interest
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.sampling import Peers
from tastemesh.gossip.topics import SHARD_COUNT, shard_of

PRESENCE_BYTES = 200
"""What a presence message takes, the longest network name apart; measured."""

# Share of the budget for presence that all announcements together are to take: with more, chance
# and newcomers alone would have those who hear them read fewer shards (guess).
_AIM = 0.5

# A node unheard of for so many periods is forgotten: a third of all messages lost, all of three are
# lost once in 27 times.
_AGE_PERIODS = 3


class Announcements:
    """This node's presence in time.

    Args:
        limits: `presence_period_ms`, `presence_bytes_per_s`, `presence_peer_count` and
            `peer_age_ms` are used.
        seed: keys the spread.
    """

    def __init__(self, limits: Limits, seed: bytes) -> None:
        self._limits = limits
        self._seed = seed
        self._count = 0
        self._said_ms = 0
        self._spread = self._draw()
        self.period_ms = limits.presence_period_ms
        """How often nodes of this network announce themselves, as far as this one can tell."""
        self.node_count = 0
        """How many other nodes there are, as far as this one can tell."""

    def note_said(self, now_ms: int) -> None:
        """Note that the node announced itself on all brokers, for whatever reason."""
        self._said_ms = now_ms
        self._count += 1
        self._spread = self._draw()

    def wait_ms(self, now_ms: int) -> int:
        """Return how long to wait before the next announcement, 0 if it is due."""
        return max(0, self._said_ms + round(self.period_ms * self._spread) - now_ms)

    @property
    def age_ms(self) -> int:
        """How long a node that is not heard of is remembered."""
        return max(self._limits.peer_age_ms, _AGE_PERIODS * self.period_ms)

    def reconsider(self, peers: Peers, interest: Interest, brokers: int, now_ms: int) -> None:
        """Estimate anew how many nodes there are, and the period from it.

        Ids are hashes, so shards have equally many nodes but for chance: those that are known on
        the shards that have been read for a period, times the share of these; but no fewer than
        all that are known. Before there is such a shard, the estimate stands.

        Args:
            peers: the nodes heard of lately.
            interest: the presence shards that are read.
            brokers: how many each message comes through.
            now_ms: monotonic time.
        """
        settled = [
            shard
            for shard in range(SHARD_COUNT)
            if interest.reads(shard) and now_ms - interest.read_since_ms(shard) >= self.period_ms
        ]
        if not settled:
            return
        read = frozenset(settled)
        in_shard = sum(shard_of(node) in read for node in peers) / len(settled)
        self.node_count = max(len(peers), round(in_shard * SHARD_COUNT))
        limits = self._limits
        heard = max(in_shard, min(self.node_count, limits.presence_peer_count))
        spent_bytes = heard * PRESENCE_BYTES * max(1, brokers)
        period_s = spent_bytes / (_AIM * limits.presence_bytes_per_s)
        self.period_ms = max(limits.presence_period_ms, round(1000 * period_s))

    def _draw(self) -> float:
        digest = sha256(self._seed + self._count.to_bytes(8, "big")).digest()
        return 0.5 + int.from_bytes(digest[:6], "big") / 2**48
