"""Where the service meets the node: one local identity a user, and reasons in words."""

from collections.abc import Mapping
from typing import NamedTuple

from examples.music_app.database import Database, Track, User
from tastemesh import Advice, Node
from tastemesh.node.answers import Backing

SHOWN = 10
# More than are shown: the network may recommend what this service does not have.
ASKED = 50


class ForYou(NamedTuple):
    """One line of the page."""

    track: Track
    reason: str
    is_verified: bool


class Taste:
    """What the service does with its node.

    Args:
        node: open.
        database: the service's own.
    """

    def __init__(self, node: Node, database: Database) -> None:
        self._node = node
        self._database = database

    async def welcome(self, user_id: int) -> str:
        """Give a new user an identity; return its id."""
        (made,) = await self._node.add_identities([_local(user_id)])
        await self._database.set_taste_id(user_id, made.id)
        return made.id

    async def play(self, user: User, track: Track, kind: str = "listen") -> None:
        """Say that a user played a track, or did not like it (`dislike`)."""
        await self._node.record(
            track.item, kind=kind, private=user.is_private, identity=_local(user.id)
        )

    async def endorse(self, user: User, taste_id: str) -> None:
        """Vouch for somebody, who may be a user of another service.

        Raises:
            UsageError: it is no id, or the user's own.
        """
        await self._node.endorse(taste_id, identity=_local(user.id))
        await self._database.add_friend(user.id, taste_id)

    async def withdraw(self, user: User, taste_id: str) -> None:
        """Take an endorsement back."""
        await self._node.endorse(taste_id, 0.0, identity=_local(user.id))
        await self._database.remove_friend(user.id, taste_id)

    async def forget(self, user: User) -> None:
        """Take back all that a user said, here and in the network."""
        for friend in await self._database.friends(user.id):
            await self.withdraw(user, friend)
        await self._node.forget(everything=True, identity=_local(user.id))

    async def for_you(self, user: User) -> list[ForYou]:
        """Return what to show a user, best first, each with its reason."""
        name = _local(user.id)
        lines = await self._node.recommend(ASKED, identity=name)
        tracks = await self._database.tracks_of([line.item for line in lines])
        lines = [line for line in lines if line.item in tracks][:SHOWN]
        behind = self._node.people.behind([line.item for line in lines], identity=name)
        people = {voice.identity for each in behind for voice in each.voices}
        people |= {voice.contact for each in behind for voice in each.voices}
        people |= {reason.contact for line in lines for reason in line.reasons}
        names = await self._database.names(people)
        return [
            ForYou(tracks[line.item], because(line, each, names), not line.unverified)
            for line, each in zip(lines, behind, strict=True)
        ]


def because(line: Advice, behind: Backing, names: Mapping[str, str]) -> str:
    """Return why an item is recommended, in plain language.

    Args:
        line: what the node says.
        behind: the people behind it.
        names: of users of this service, by identity; others are called so.
    """
    if line.unverified:
        return "You endorse nobody yet: this is what strangers play."
    own = [voice.identity for voice in behind.voices if voice.contact == voice.identity]
    through = [voice.contact for voice in behind.voices if voice.contact != voice.identity]
    contacts = list(dict.fromkeys(through or own)) or [reason.contact for reason in line.reasons]
    further = behind.count - len(own)
    parts = []
    if own:
        parts.append(f"{_joined(own, names)} {'plays' if len(own) == 1 else 'play'} it")
    if further:
        trust = "trusts" if len(contacts) == 1 else "trust"
        people = "somebody" if further == 1 else f"{further} people"
        who = (
            "they trust"
            if own and set(contacts) <= set(own)
            else f"{_joined(contacts, names)} {trust}"
        )
        parts.append(f"{people} {who}{'' if own else ' plays it' if further == 1 else ' play it'}")
    if not parts:
        parts.append(f"it came through {_joined(contacts, names)}")
    is_pair = len(own) == 1 and further == 1  # who know each other, as the sentence says
    apart = behind.count > 1 and not behind.acquainted and not is_pair
    alone = " Otherwise none of them knows another." if apart else ""
    told = ", and so does ".join(parts) if further == 1 else ", and so do ".join(parts)
    return f"{told[0].upper()}{told[1:]}.{alone}"


def _joined(identities: list[str], names: Mapping[str, str]) -> str:
    """Return up to three names and the number of the others."""
    known = [names.get(each, "somebody elsewhere") for each in identities[:3]]
    rest = len(identities) - len(known)
    known += [f"{rest} others" if rest > 1 else "one other"] if rest else []
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} and {known[-1]}"


def _local(user_id: int) -> str:
    return f"user-{user_id}"
