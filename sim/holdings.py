"""Who holds how many records, counted as they come and go: to look at all of them takes seconds."""

from tastemesh.gossip.record import Record
from tastemesh.gossip.topics import SHARD_COUNT, shard_of
from tastemesh.sim.company import Company


class Holdings:
    """What the nodes of one process hold."""

    def __init__(self) -> None:
        # By shard, then by record: how many of the nodes hold it.
        self.holders: list[dict[bytes, int]] = [{} for _ in range(SHARD_COUNT)]
        self.ignored: frozenset[bytes] = frozenset()

    def ignore(self, authors: frozenset[bytes]) -> None:
        """Count no record of these authors; before anybody holds one."""
        self.ignored = authors

    def sizes(self, company: Company) -> list[int]:
        """Return how many records of each shard somebody in the company holds, by shard.

        Raises:
            ProcessError: one of its processes has ended.
        """
        if company.size == 1:
            return [len(holders) for holders in self.holders]
        parts = company.gather(list(map(list, self.holders)), list[list[bytes]])
        return [len(set().union(*known)) for known in zip(*parts, strict=True)]


class Shelf:
    """What one node holds.

    Args:
        holdings: those of all nodes of this process.
        own: authors who live on the node.
    """

    __slots__ = ("_holdings", "_own", "by_shard", "made_count")

    def __init__(self, holdings: Holdings, own: tuple[bytes, ...]) -> None:
        self.by_shard = [0] * SHARD_COUNT
        """How many records it holds, by shard."""
        self.made_count = 0
        """How many records its own authors have made."""
        self._holdings = holdings
        self._own = own

    def put(self, record: Record) -> None:
        """Count a record that the node holds from now on."""
        author = record.author
        if author in self._holdings.ignored:
            return
        if author in self._own:
            self.made_count += 1
        shard = shard_of(author)
        self.by_shard[shard] += 1
        holders = self._holdings.holders[shard]
        holders[record.id] = holders.get(record.id, 0) + 1

    def take(self, record: Record) -> None:
        """Count a record no longer, which the node has let go of."""
        author = record.author
        if author in self._holdings.ignored:
            return
        shard = shard_of(author)
        self.by_shard[shard] -= 1
        holders = self._holdings.holders[shard]
        holders[record.id] -= 1
        if not holders[record.id]:
            del holders[record.id]
