"""The checks that a record from the network passes before it is anybody's, cheapest first.

::

    body, limits, network -> date -> shard -> rate -> convicted? taken back? key rotated out?
    -> the author's key? -> budget for strangers -> rotations, signature

Nothing before the signature is believed to be the author's doing: it may be asked for, never
charged to him. What brings a lineage that would be news is heard out, whatever is held against its
author: it may be a thief's doing, which the lineage voids.
"""

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip.codec import Opened, check_key
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.lineage import Lineages, ranking_first, revoked
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


class Intake:
    """What one node lets in.

    Args:
        network: network id.
        limits: wire and local limits.
        reader: decodes and checks signatures.
    """

    def __init__(self, network: str, limits: Limits, reader: Reader) -> None:
        self._network = network
        self._limits = limits
        self._reader = reader
        self._rates = AuthorRates(limits)
        # Of signature checks for all whom trust does not reach: what costs a stranger nothing, a
        # fresh identity, must not cost us a core. What is refused here comes again by
        # reconciliation when there is budget.
        self._strangers = Bucket(limits.stranger_rate_per_s, float(limits.stranger_burst_count))
        self._for_proofs = Bucket(
            limits.stranger_rate_per_s * _PROOF_SHARE, limits.stranger_burst_count * _PROOF_SHARE
        )
        self.lineages = Lineages(limits)
        self.proofs = Proofs(limits)
        self.tombstones = Tombstones()

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
        now_ms: int,
        *,
        own: bool,
        reached: bool,
    ) -> RemoteProtocolError | None:
        """Check that a record may come in and that its author signed it.

        Args:
            record: as `read` returned it.
            opened: what it was read from.
            shard: of the topic that it was pushed to, None where reconciliation brought it.
            now_ms: monotonic time.
            own: whether its author is local.
            reached: whether trust reaches its author.

        Returns:
            What is held against it though it is signed, where reconciliation brought it.

        Raises:
            RemoteProtocolError: with the reason.
        """
        author = record.author
        tokens: float | None = None
        if shard is not None:
            if shard != shard_of(author):
                raise RemoteProtocolError(RejectReason.UNEXPECTED_TOPIC, "another author's shard")
            if not own:
                tokens = self._rates.tokens(author, now_ms)
                if tokens < 1.0:
                    raise RemoteProtocolError(RejectReason.RATE, "pushed too fast")
        objection = self.objection(record)
        if objection is not None and shard is not None:
            raise objection
        check_key(record, opened)
        if not (own or reached) and not self._strangers.take(now_ms):
            raise RemoteProtocolError(RejectReason.VERIFY_BUDGET, "too many strangers at once")
        self.lineages.verify(author, record.lineage)
        self._reader.authenticate(record, opened)
        if tokens is not None:
            self._rates.spend(author, tokens, now_ms)
        return objection

    def objection(self, record: Record) -> RemoteProtocolError | None:
        """Return what is held against a record, whoever signed it, or None."""
        author, slot = record.author, record.slot
        if not self.lineages.is_news(author, record.lineage):
            if author in self.proofs:
                return ConvictedError(author)
            if self.tombstones.cover(author, *slot) and not record.has_notices:
                return RemoteProtocolError(RejectReason.FORGOTTEN, "the author took it back")
        return None if self.lineages.holds(author, record.lineage, slot) else revoked()

    def proves(self, first: Record, second: Record) -> bool:
        """Tell whether two records of one slot, signed by their keys, convict their author.

        Their slot must belong to the keys of both, under the lineage that counts.
        """
        known = self.lineages.known(first.author)
        counting = ranking_first(known, first.lineage, second.lineage)
        return counting is None or (
            counting.holds(first.lineage, first.slot)
            and counting.holds(second.lineage, second.slot)
        )

    def is_outdated(self, proof: bytes) -> bool:
        """Tell whether a proof that was verified holds no more under the lineage known now."""
        return not self.proves(*open_proof(proof, self._network, self._limits))

    def verify_proof(self, proof: bytes, now_ms: int) -> tuple[Record, Record]:
        """Return the two records of a proof of equivocation that holds.

        Raises:
            RemoteProtocolError: with the reason; the only exception for any bytes.
        """
        first, second = open_proof(proof, self._network, self._limits)
        pair, author = (first, second), first.author
        is_news = any(self.lineages.is_news(author, record.lineage) for record in pair)
        if author in self.proofs and not is_news:
            raise RemoteProtocolError(RejectReason.DUPLICATE, "a proof that is known")
        if not self.proves(first, second):
            raise revoked()
        both = [(record, self._reader.open(record.envelope)) for record in pair]
        for record, opened in both:
            check_key(record, opened)
        for record, opened in both:
            if not self._for_proofs.take(now_ms):
                raise RemoteProtocolError(RejectReason.VERIFY_BUDGET, "too many proofs at once")
            self.lineages.verify(author, record.lineage)
            self._reader.authenticate(record, opened)
        return pair
