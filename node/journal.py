"""What a local user has said, for a person to look through: newest first, a page at a time.

A page of what stays on this node costs what it holds, however much there is. What is published is
read whole for each page: it is bounded by the author's quota in the window, 500 interactions.
"""

import re

import msgspec

from tastemesh.errors import UsageError
from tastemesh.node.archive import Archive
from tastemesh.node.history import (
    InteractionPage,
    PrivateInteraction,
    SaidEndorsement,
    endorsed,
    said_of,
)
from tastemesh.node.identities import DEFAULT_IDENTITY, KeyRing
from tastemesh.storage.store import Store

# Date of the last line in ms; number of the last private one of that date, 0 for none left; how
# many published ones of that date were given. So it holds while newer ones are said.
PLACE = re.compile(r"(\d{1,16})-(\d{1,18})-(\d{1,6})")
_FIRST = (10**16, 0, 0)


class _Line(msgspec.Struct, frozen=True):
    """An interaction, dated in ms, and its number if it is private, else 0."""

    said: PrivateInteraction
    date_ms: int
    number: int = 0


class Journal:
    """Reads what local users have said.

    Args:
        archive: has what they published.
        store: has what they keep to themselves.
        keys: the local users.
    """

    def __init__(self, archive: Archive, store: Store, keys: KeyRing) -> None:
        self._archive = archive
        self._store = store
        self._keys = keys

    async def page(
        self, after: str, limit: int, *, identity: str = DEFAULT_IDENTITY
    ) -> InteractionPage:
        """Return the interactions of a local user that follow a place.

        Args:
            after: `next` of the page before; empty for the first page.
            limit: interactions on a page at most, 1 and up.
            identity: local name of the user.

        Raises:
            UsageError: nobody has this name, or `after` is not a place.
            StorageError: it cannot be read.
        """
        author = self._keys.signer(identity).id
        date_ms, number, given = _place(after)
        private = await self._store.private_before(author, (date_ms, number), limit + 1)
        lines = [_Line((said, at), at - said.ago_ms, place) for said, at, place in private]
        published = [line for line in await self._published(author) if line.date_ms <= date_ms]
        skipped = min(given, sum(line.date_ms == date_ms for line in published))
        lines += published[skipped : skipped + limit + 1]
        lines.sort(key=lambda line: (-line.date_ms, not line.number))
        shown = lines[:limit]
        following = None
        if len(lines) > limit:
            last = shown[-1]
            of_date = sum(each.date_ms == last.date_ms and not each.number for each in shown)
            of_date += skipped if last.date_ms == date_ms else 0
            following = f"{last.date_ms}-{last.number}-{of_date}"
        return InteractionPage(
            interactions=[said_of(*each.said, private=bool(each.number)) for each in shown],
            next=following,
        )

    async def endorsements(self, *, identity: str = DEFAULT_IDENTITY) -> list[SaidEndorsement]:
        """Return a local user's latest word on each whom he endorses or distrusts.

        Raises:
            UsageError: nobody has this name.
            StorageError: it cannot be read.
        """
        return endorsed(await self._archive.records_of(self._keys.signer(identity).id))

    async def _published(self, author: bytes) -> list[_Line]:
        """Return what an author has published, newest first, of one date by item."""
        lines = [
            _Line((each, record.created_ms), record.created_ms - each.ago_ms)
            for record in await self._archive.records_of(author)
            for each in record.interactions
        ]
        lines.sort(key=lambda line: (-line.date_ms, line.said[0].item, line.said[0].kind))
        return lines


def _place(after: str) -> tuple[int, int, int]:
    if not after:
        return _FIRST
    found = PLACE.fullmatch(after)
    if found is None:
        raise UsageError(f"after is {after!r}; expected the `next` of a page")
    return int(found[1]), int(found[2]), int(found[3])
