"""The signed records of the window, read back: a user's own, and those behind a list."""

from collections.abc import Sequence
from itertools import pairwise

from tastemesh.gossip import codec
from tastemesh.gossip.identity import format_id, parse_id
from tastemesh.gossip.record import Record
from tastemesh.node.answers import Advice
from tastemesh.node.core import Core
from tastemesh.node.evidence import Evidence, Ground, witness
from tastemesh.node.settings import NodeConfig
from tastemesh.storage.store import Store


class Archive:
    """Reads records of the window back from the store.

    Args:
        core: knows which records there are.
        store: has their envelopes.
        config: `network` and `limits` are used.
    """

    def __init__(self, core: Core, store: Store, config: NodeConfig) -> None:
        self._core = core
        self._store = store
        self._config = config

    async def records_of(self, author: bytes) -> list[Record]:
        """Return what the window has of an author, oldest first."""
        return self._parsed(await self._store.fetch(self._core.records_of(author)))

    async def evidence(self, ego: bytes, advice: Advice) -> Evidence:
        """Return what a recommendation rests on, for somebody else to check.

        Args:
            ego: id of the local user whom it is for.
            advice: with its reasons.
        """
        grounds: list[Ground] = []
        for reason in advice.reasons:
            ids = [bytes.fromhex(record_id) for record_id in reason.record_ids]
            witnesses = []
            for record in self._parsed(await self._store.fetch(ids)):
                path = await self._path(ego, reason.contact, record.author)
                witnesses.append(witness(record.envelope, path))
            grounds.append(Ground(contact=reason.contact, share=reason.share, witnesses=witnesses))
        return Evidence(
            network=self._config.network, ego=format_id(ego), item=advice.item, grounds=grounds
        )

    async def _path(self, ego: bytes, contact: str, holder: bytes) -> list[bytes]:
        """Return envelopes of the endorsements from ego over a contact to a holder."""
        if not contact:
            return []
        people = self._core.path(ego, parse_id(contact), holder)
        envelopes = []
        for author, subject in pairwise(people):
            vouching = [
                record
                for record in await self.records_of(author)
                if any(said.subject == subject for said in record.endorsements)
            ]
            if vouching:
                envelopes.append(max(vouching, key=lambda record: record.slot).envelope)
        return envelopes

    def _parsed(self, envelopes: Sequence[bytes]) -> list[Record]:
        return [
            codec.parse(envelope, self._config.network, self._config.limits)
            for envelope in envelopes
        ]
