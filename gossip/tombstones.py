"""What authors took back: a node that was told to forget refuses to be told again.

A *forget* names slots of its own author, so nobody can forget for another and the tombstone says
nothing about what was said. It is a statement in a record like any other, kept and reconciled until
it ages; by then all that it forgets has aged before it, as that was dated earlier. So there is no
second table of tombstones that could disagree with the window. A record with such notices is never
itself forgotten.
"""

from tastemesh.gossip.record import Forget, Record


class Tombstones:
    """The forget statements in the window; bounded by it."""

    __slots__ = ("_ranges",)

    def __init__(self) -> None:
        self._ranges: dict[bytes, dict[bytes, tuple[Forget, ...]]] = {}

    def add(self, record: Record) -> None:
        """Take in a record of the window."""
        said = tuple(s for s in record.notices if isinstance(s, Forget))
        if said:
            self._ranges.setdefault(record.author, {})[record.id] = said

    def remove(self, author: bytes, record_id: bytes) -> None:
        """Forget about a record that left the window."""
        said = self._ranges.get(author)
        if said is not None and record_id in said:
            del said[record_id]
            if not said:
                del self._ranges[author]

    def cover(self, author: bytes, epoch: int, seq: int) -> bool:
        """Tell whether an author took a slot back."""
        held = self._ranges.get(author)
        return held is not None and any(
            said.covers(epoch, seq) for group in held.values() for said in group
        )
