"""Item ids, normalised: the same recording gets the same id whatever service it was played on.

The best id that a listen has, in this order (docs/import.md):

1. ``mbid:`` and the MusicBrainz recording id: open, and shared by services.
2. ``isrc:`` and the ISRC, the industry's id of a recording.
3. ``spotify:track:`` and Spotify's id.
4. ``track:`` with artist and title in plain form: the same words give the same id.
"""

import re
import unicodedata

ITEM_BYTES = 256  # an item id on the wire, `tastemesh.gossip.limits.Limits`

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_SPOTIFY = re.compile(r"(?:spotify:track:|https?://open\.spotify\.com/(?:\w+-\w+/)?track/)(\w{22})")


def of_mbid(text: str) -> str:
    """Return the id of a MusicBrainz recording, or empty if the text is none.

    >>> of_mbid("https://musicbrainz.org/recording/8F3471B5-7E6A-48DA-86A9-C1C07A0F47AE")
    'mbid:8f3471b5-7e6a-48da-86a9-c1c07a0f47ae'
    """
    found = text.strip().lower().removeprefix("mbid:").rpartition("/")[2]
    return f"mbid:{found}" if _UUID.fullmatch(found) else ""


def of_isrc(text: str) -> str:
    """Return the id of an ISRC, or empty if the text is none.

    >>> of_isrc("us-rc1-76-07839")
    'isrc:USRC17607839'
    """
    found = text.strip().upper().removeprefix("ISRC:").replace("-", "").replace(" ", "")
    return f"isrc:{found}" if _ISRC.fullmatch(found) else ""


def of_spotify(text: str) -> str:
    """Return the id of a Spotify track given as URI or link, or empty if the text is none.

    >>> of_spotify("https://open.spotify.com/track/11dFghVXANMlKmJXsNCbNl?si=1")
    'spotify:track:11dFghVXANMlKmJXsNCbNl'
    """
    found = _SPOTIFY.match(text.strip())
    return f"spotify:track:{found[1]}" if found else ""


def of_words(artist: str, title: str) -> str:
    """Return the id of a track of which only words are known, or empty if one is missing.

    Case, width and surplus blanks do not count; words past `ITEM_BYTES` are cut off.

    >>> of_words("Sigur  Rós", "Svefn-G-Englar ")
    'track:sigur rós/svefn-g-englar'
    """
    plain = [_plain(artist).replace("/", "⁄"), _plain(title)]
    if not all(plain):
        return ""
    return _shortened(f"track:{plain[0]}/{plain[1]}")


def of_anything(text: str) -> str:
    """Return the id of whatever a table calls an item: a known form normalised, else as it is.

    >>> of_anything("usrc17607839"), of_anything(" my own id ")
    ('isrc:USRC17607839', 'my own id')
    """
    cell = text.strip()
    return of_mbid(cell) or of_isrc(cell) or of_spotify(cell) or cell


def _plain(words: str) -> str:
    folded = unicodedata.normalize("NFKC", words).casefold()
    return " ".join("".join(c if c.isprintable() else " " for c in folded).split())


def _shortened(item: str) -> str:
    return item.encode()[:ITEM_BYTES].decode(errors="ignore")
