"""The checks that a record from the network passes before it is anybody's, cheapest first.

::

    body, limits, network -> date -> shard -> rate -> convicted? taken back? key rotated out?
    -> the author's key? -> budget for signatures -> signature, and those of rotations not known yet

Nothing before the signature is believed to be the author's doing: it may be asked for, never
charged to him. What brings a lineage that would be news is heard out, whatever is held against its
author: it may be a thief's doing, which the lineage voids.

Each signature that is checked is paid for. A stranger's comes out of one bucket for all strangers.
Those of whom trust reaches cost nothing while they fit: only forgeries in their names are paid, out
of a bucket for each broker and way in, and only past that do they wait in line with strangers. So
whoever forges has to send more a second than two buckets earn, and keeps out what comes by the very
way that he uses: what others push he does not by filling an inbox, and what came through another
broker not at all.
"""

from collections.abc import Container

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.envelope import Opened, check_key
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.lineage import Lineage, Lineages, followed, revoked
from tastemesh.gossip.proofs import ConvictedError, Proofs, open_proof
from tastemesh.gossip.rates import AuthorRates, Bucket
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import Record
from tastemesh.gossip.tombstones import Tombstones
from tastemesh.gossip.topics import shard_of

# Signature checks for proofs, as a share of those for strangers' records: a bucket of its own, so
# that proofs of nothing keep nobody's record out. Whoever empties it on a control topic, with 200
# bytes a check at least, sends more than a node takes in, and the shard is read no more.
_PROOF_SHARE = 0.1

# Likewise for presence: what comes in a period on the shards that are read is bounded by who floods
# them, and only in the next one are they read no more.
_PRESENCE_SHARE = 0.1

# Likewise for forgeries in a trusted name, of one broker and way in. Pushed ones cannot empty it:
# as each has 187 bytes at least, they are more than a node takes in, and the shard is read no more.
_FORGERY_SHARE = 0.1


class Intake:
    """What one node lets in.

    Args:
        network: network id.
        limits: wire and local limits.
        reader: decodes and checks signatures.
    """

    __slots__ = (
        "_brought", "_for_presence", "_for_proofs", "_forgeries", "_limits", "_network", "_pushed",
        "_reader", "_strangers", "lineages", "proofs", "tombstones",
    )  # fmt: skip

    def __init__(self, network: str, limits: Limits, reader: Reader) -> None:
        self._network = network
        self._limits = limits
        self._reader = reader
        rate, bucket_count = limits.author_rate_per_s, limits.author_bucket_count
        self._pushed = AuthorRates(rate, limits.author_burst_count, bucket_count)
        # Of what reconciliation brings, all that a window has of one author at once: who catches up
        # is not slowed, and past that nobody can say more by this way than by pushing.
        self._brought = AuthorRates(
            rate,
            limits.author_interaction_count
            + limits.author_endorsement_count
            + limits.author_notice_count,
            bucket_count,
        )
        # Of signature checks for all whom trust does not reach: what costs a stranger nothing, a
        # fresh identity, must not cost us a core. What is refused here comes again by
        # reconciliation when there is budget.
        self._strangers = Bucket(limits.stranger_rate_per_s, float(limits.stranger_burst_count))
        self._for_proofs = self._share(_PROOF_SHARE)
        self._for_presence = self._share(_PRESENCE_SHARE)
        self._forgeries: dict[tuple[str, bool], Bucket] = {}  # by broker, and whether it was pushed
        self.lineages = Lineages(limits)
        self.proofs = Proofs(limits)
        self.tombstones = Tombstones()

    def _share(self, share: float) -> Bucket:
        limits = self._limits
        dearest = 2 * (1 + limits.rotation_count)  # a proof against who has rotated all his keys
        full = max(limits.stranger_burst_count * share, dearest)
        return Bucket(limits.stranger_rate_per_s * share, full)

    def read(self, opened: Opened, wall_ms: int) -> Record:
        """Return what an envelope says, its form and date checked, but not who says it.

        Raises:
            RemoteProtocolError: with the reason; the only exception for any bytes.
        """
        record = self._reader.parse(opened)
        if record.created_ms < wall_ms - self._limits.window_age_ms:
            raise RemoteProtocolError(RejectReason.TOO_OLD, "older than the window")
        if record.created_ms > wall_ms + self._limits.skew_ms:
            raise RemoteProtocolError(RejectReason.FROM_FUTURE, "dated ahead of our clock")
        return record

    def admit(
        self,
        record: Record,
        opened: Opened,
        shard: int | None,
        broker: str,
        now_ms: int,
        *,
        own: bool = False,
        reached: bool = False,
    ) -> RemoteProtocolError | None:
        """Check that a record may come in and that its author signed it.

        Args:
            record: as `read` returned it.
            opened: what it was read from.
            shard: of the topic that it was pushed to, None where reconciliation brought it.
            broker: through which it came, by our name for it.
            now_ms: monotonic time.
            own: whether its author is local.
            reached: whether trust reaches its author.

        Returns:
            What is held against it though it is signed, where reconciliation brought it.

        Raises:
            RemoteProtocolError: with the reason.
        """
        author = record.author
        if shard is not None and shard != shard_of(author):
            raise RemoteProtocolError(RejectReason.UNEXPECTED_TOPIC, "another author's shard")
        rates = self._brought if shard is None else self._pushed
        tokens = 1.0 if own else rates.tokens(author, now_ms)
        if tokens < 1.0:
            raise RemoteProtocolError(RejectReason.RATE, "more of one author than may come at once")
        objection = self.objection(record)
        if objection is not None and shard is not None:
            raise objection
        paying = self._strangers
        if own or reached:
            paying = self._paying(record, (broker, shard is not None), now_ms)
        count = self._authenticate(record, opened, paying, now_ms)
        if paying is not self._strangers:
            paying.give_back(count)
        if not own:
            rates.spend(author, tokens, now_ms)
        return objection

    def _paying(self, record: Record, way: tuple[str, bool], now_ms: int) -> Bucket:
        """Return what a record in a trusted name is checked from, given the way that it came."""
        if way not in self._forgeries:
            self._forgeries[way] = self._share(_FORGERY_SHARE)
        forgeries = self._forgeries[way]
        count = 1 + self.lineages.unchecked(record.author, record.lineage)
        return forgeries if forgeries.tokens(now_ms) >= count else self._strangers

    def _authenticate(self, record: Record, opened: Opened, paying: Bucket, now_ms: int) -> int:
        """Check that the key behind a record is the author's, holds, and signed it.

        Args:
            record: as `read` returned it.
            opened: what it was read from.
            paying: gives a token for each signature, before it is checked.
            now_ms: monotonic time.

        Returns:
            How many tokens were taken.

        Raises:
            RemoteProtocolError: with the reason.
        """
        check_key(record, opened)
        self._pay(1, paying, now_ms)
        self._reader.authenticate(record, opened)
        unchecked = self.lineages.unchecked(record.author, record.lineage)
        if unchecked:
            self._pay(unchecked, paying, now_ms)
            self.lineages.verify(record.author, record.lineage)
        return 1 + unchecked

    def pay_presence(self, now_ms: int) -> None:
        """Pay for the check of the signature of a node's presence.

        Raises:
            RemoteProtocolError: there is no budget for it.
        """
        self._pay(1, self._for_presence, now_ms)

    def _pay(self, count: int, paying: Bucket, now_ms: int) -> None:
        if not paying.take(count, now_ms):
            raise RemoteProtocolError(RejectReason.VERIFY_BUDGET, "too many signatures at once")

    def objection(self, record: Record) -> RemoteProtocolError | None:
        """Return what is held against a record, whoever signed it, or None."""
        author, slot = record.author, record.slot
        if not self.lineages.is_news(author, record.lineage):
            if author in self.proofs:
                return ConvictedError(author)
            if self.tombstones.cover(author, *slot) and not record.notices:
                return RemoteProtocolError(RejectReason.FORGOTTEN, "the author took it back")
        return None if self.lineages.holds(author, record.lineage, slot) else revoked()

    def proves(self, first: Record, second: Record) -> bool:
        """Tell whether two records of one slot, signed by their keys, convict their author.

        Their slot must belong to the keys of both, under the lineage that counts.
        """
        known = self.lineages.known(first.author)
        return _convict(first, second, followed(known, first.lineage, second.lineage))

    def is_outdated(self, proof: bytes) -> bool:
        """Tell whether a proof that was verified holds no more under the lineage known now.

        Its own lineages were seen before, even if they are forgotten by now: a fork of them is one.
        """
        first, second = open_proof(proof, self._network, self._limits)
        known = self.lineages.known(first.author)
        return not _convict(first, second, followed(first.lineage, second.lineage, known))

    def verify_proof(
        self, proof: bytes, now_ms: int, awaited: Container[bytes] = ()
    ) -> tuple[Record, Record]:
        """Return the two records of a proof of equivocation that holds.

        Args:
            proof: as received.
            now_ms: monotonic time.
            awaited: the convicted of whom another proof than the one that is held is of use.

        Raises:
            RemoteProtocolError: with the reason; the only exception for any bytes.
        """
        first, second = open_proof(proof, self._network, self._limits)
        pair, author = (first, second), first.author
        is_news = any(self.lineages.is_news(author, record.lineage) for record in pair)
        if author in self.proofs and not is_news and author not in awaited:
            raise RemoteProtocolError(RejectReason.DUPLICATE, "against somebody convicted")
        if not self.proves(first, second):
            raise revoked()
        for record in pair:
            opened = self._reader.open(record.envelope)
            self._authenticate(record, opened, self._for_proofs, now_ms)
        return pair


def _convict(first: Record, second: Record, counting: Lineage | None) -> bool:
    return counting is None or (
        counting.holds(first.lineage, first.slot) and counting.holds(second.lineage, second.slot)
    )
