"""Which column of a table means what: asked for by name or position, or recognised by its header.

A field is one of ``user, item, weight, time, day, month, year`` for interactions and
``source, subject, weight, time`` for endorsements.
"""

import re
from collections.abc import Mapping, Sequence

from tastemesh.errors import UsageError

INTERACTION_FIELDS = ("user", "item", "weight", "time", "day", "month", "year")
ENDORSEMENT_FIELDS = ("source", "subject", "weight", "time", "day", "month", "year")

# Headers as public data sets have them, in lower case and without punctuation. A name stands for
# one field only; the leftmost column that matches a field is taken.
_RECOGNISED: Mapping[str, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "username", "reviewerid", "listener", "listenerid"),
    "item": (
        *("item", "itemid", "iid", "artist", "artistid", "movie", "movieid", "film", "filmid"),
        *("track", "trackid", "song", "songid", "album", "albumid", "book", "bookid", "isbn"),
        *("product", "productid", "asin", "business", "businessid", "anime", "animeid"),
        *("game", "gameid", "recipe", "recipeid", "venue", "venueid", "poi"),
    ),
    "source": ("source", "src", "from", "fromid", "truster", "trustor", "trusterid", "rater"),
    "subject": ("subject", "target", "dst", "to", "toid", "trustee", "trusteeid", "ratee"),
    "weight": (
        *("weight", "rating", "ratings", "plays", "playcount", "count", "score", "stars"),
        *("listens", "trust", "value", "movierating", "bookrating"),
    ),
    "time": ("timestamp", "time", "date", "datetime", "unixreviewtime", "ts", "created", "dated"),
    "day": ("day",),
    "month": ("month",),
    "year": ("year",),
}


def parse_columns(text: str, fields: Sequence[str], option: str) -> dict[str, str]:
    """Read an option such as ``user=userID,item=3,time=timestamp``.

    Args:
        text: the option's value.
        fields: the fields that may be named; the first two are required.
        option: the option's name, for the message.

    Returns:
        The header or 1-based position for each field named.

    Raises:
        UsageError: a field is unknown, named twice or missing, or dates are given in two ways.
    """
    wanted: dict[str, str] = {}
    for part in text.split(","):
        field, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not name or field not in fields:
            expected = ", ".join(f"{known}=NAME" for known in fields)
            raise UsageError(f"{option}: {part.strip()!r} is not one of {expected}")
        if field in wanted:
            raise UsageError(f"{option}: {field} is named twice")
        wanted[field] = name
    missing = [field for field in fields[:2] if field not in wanted]
    if missing:
        raise UsageError(f"{option}: {' and '.join(missing)} missing from {text!r}")
    dated = [field for field in ("day", "month", "year") if field in wanted]
    if dated and ("time" in wanted or "year" not in wanted):
        raise UsageError(f"{option}: a date is either time=NAME or year=NAME with month and day")
    return wanted


def find_columns(
    wanted: Mapping[str, str], header: Sequence[str] | None, width: int
) -> dict[str, int]:
    """Return the 0-based column of each field that was asked for.

    Args:
        wanted: header or 1-based position for each field, as from `parse_columns`.
        header: the file's header line, None if it has none.
        width: number of columns.

    Raises:
        UsageError: there is no such column.
    """
    found: dict[str, int] = {}
    exact = {name: at for at, name in reversed(list(enumerate(header or ())))}
    loose = {_plain(name): at for at, name in reversed(list(enumerate(header or ())))}
    for field, name in wanted.items():
        if name in exact:
            found[field] = exact[name]
        elif name.isdecimal():
            if not 1 <= int(name) <= width:
                raise UsageError(f"column {field}={name}: expected a position from 1 to {width}")
            found[field] = int(name) - 1
        elif _plain(name) in loose:
            found[field] = loose[_plain(name)]
        else:
            has = f"it has {', '.join(header)}" if header else "the file has no header line"
            raise UsageError(f"column {field}={name}: no such header; {has}")
    return found


def recognise(header: Sequence[str], fields: Sequence[str]) -> dict[str, int]:
    """Return the 0-based column of each field whose header is a common one, leftmost first."""
    found: dict[str, int] = {}
    for at, name in enumerate(header):
        for field in fields:
            if field not in found and _plain(name) in _RECOGNISED[field]:
                found[field] = at
                break
    dated = [field for field in ("day", "month", "year") if field in found]
    if "time" in found or "year" not in found:
        for field in dated:
            del found[field]
    return found


def default_interaction_columns(header: Sequence[str] | None, width: int) -> dict[str, int]:
    """Return the columns of an interactions file for which none were asked.

    Recognised headers first. If only one of user and item is recognised, the other is the first
    column left that means nothing else. If neither is, the order is user, item, weight, time.
    """
    found = recognise(header or (), INTERACTION_FIELDS)
    if "user" not in found and "item" not in found:
        ordered = ("user", "item", "weight", "time")
        return {field: at for at, field in enumerate(ordered[:width])}
    for field in ("user", "item"):
        left = [at for at in range(width) if at not in found.values()]
        if field not in found and left:
            found[field] = left[0]
    return found


def default_endorsement_columns(header: Sequence[str] | None, width: int) -> dict[str, int]:
    """Return the columns of an endorsements file for which none were asked.

    Source and subject where they are headed so, else the first two columns; weight and time only
    where they are headed so.
    """
    found = recognise(header or (), ENDORSEMENT_FIELDS)
    if "source" not in found or "subject" not in found:
        found = {field: at for field, at in found.items() if at > 1}
        found |= {"source": 0, "subject": 1}
    return found


def is_common_header(cells: Sequence[str]) -> bool:
    """Tell whether at least two cells, or the first of two, are headers that data sets use."""
    known = {name for names in _RECOGNISED.values() for name in names}
    return sum(_plain(cell) in known for cell in cells) >= min(2, len(cells) - 1)


def _plain(name: str) -> str:
    """Lower case without punctuation or a type suffix: ``User-ID`` and ``user_id:token`` agree."""
    return re.sub(r"[\W_]", "", name.split(":")[0].lower())
