"""People for a first look: circles of friends with tastes of their own.

They are there to be endorsed: no password opens their accounts.
"""

import secrets

from examples.music_app.accounts import now_s
from examples.music_app.catalogue import TRACKS
from examples.music_app.database import Database
from examples.music_app.taste import Taste

# Who plays what, by position in the catalogue, and whom each endorses.
PEOPLE: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
    "Ana": ((0, 1, 2, 3, 4), ("Hana", "Kofi", "Lena")),
    "Hana": ((0, 2, 4, 5, 6), ("Ana",)),
    "Kofi": ((1, 2, 6, 7, 22), ()),
    "Lena": ((0, 3, 6, 7), ("Ana",)),
    "Ben": ((8, 9, 10, 11, 12), ("Nadia", "Omar")),
    "Nadia": ((8, 10, 13, 14), ("Ben",)),
    "Omar": ((9, 12, 13, 14, 4), ()),
    "Fatima": ((15, 16, 17, 18), ("Goran", "Ines")),
    "Goran": ((15, 19, 20, 21), ("Fatima", "Ines")),
    "Ines": ((17, 18, 19, 20), ("Goran",)),
    "Jun": ((22, 23, 24, 25), ("Emeka",)),
    "Emeka": ((23, 25, 26, 27), ("Jun",)),
}


async def settle_in(database: Database, taste: Taste) -> None:
    """Make the people who are not there yet, with what they play and whom they endorse."""
    made: list[str] = []
    for name in PEOPLE:
        user_id = await database.add_user(name, b"", secrets.token_bytes(32))
        if user_id is None:
            continue  # there already
        await taste.welcome(user_id)
        made.append(name)
    for name in made:
        played, friends = PEOPLE[name]
        user = await database.user_named(name)
        assert user is not None
        for item in (TRACKS[number][0] for number in played):
            track = (await database.tracks_of([item]))[item]
            await database.add_play(user.id, track.id, now_s())
            await taste.play(user, track)
        for friend in friends:
            known = await database.user_named(friend)
            assert known is not None
            assert known.taste_id is not None
            await taste.endorse(user, known.taste_id)
