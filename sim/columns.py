"""Which column of a table means what: asked for by name or position, or recognised by its header.

A field is one of ``user, item, weight, time, day, month, year`` for interactions and
``source, subject, weight, time`` for endorsements.
"""

import re
from collections.abc import Container, Mapping, Sequence

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
    "source": (
        *("source", "src", "from", "fromid", "truster", "trustor", "trusterid", "rater"),
        *("follower", "followerid"),
    ),
    "subject": (
        *("subject", "target", "dst", "to", "toid", "trustee", "trusteeid", "ratee"),
        *("friend", "friendid", "followee", "followeeid", "followed", "followedid"),
    ),
    "weight": (
        *("weight", "rating", "ratings", "plays", "playcount", "count", "score", "stars"),
        *("listens", "trust", "value", "movierating", "bookrating"),
    ),
    "time": (
        *("timestamp", "time", "date", "datetime", "unixreviewtime", "ts", "created", "dated"),
        *("createdat", "listenedat", "playedat"),
    ),
    "day": ("day",),
    "month": ("month",),
    "year": ("year",),
}


# Headers of columns that number the rows, as databases and data frames write them.
_ROW_IDS = (
    *("", "id", "index", "idx", "row", "rowid", "unnamed0", "eventid", "recordid", "logid"),
    *("ratingid", "reviewid", "interactionid", "listenid", "playid"),
)


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
        UsageError: there is no such column, or two fields are in one.
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
    for field, at in found.items():
        other = next(each for each, place in found.items() if place == at)
        if other != field:
            raise UsageError(f"column {field}={wanted[field]}: it is the {other}'s already")
    return found


def recognise(header: Sequence[str], fields: Sequence[str]) -> dict[str, int]:
    """Return the 0-based column of each field whose header is a common one, leftmost first."""
    found: dict[str, int] = {}
    for at, name in enumerate(header):
        for field in fields:
            if field not in found and _plain(name) in _RECOGNISED[field]:
                found[field] = at
                break
    # A year alone is when a film came out, not when it was seen.
    if "time" in found or "year" not in found or "month" not in found:
        for field in ("day", "month", "year"):
            found.pop(field, None)
    return found


def default_interaction_columns(
    header: Sequence[str] | None, width: int, timed: Container[int] = ()
) -> dict[str, int]:
    """Return the columns of an interactions file for which none were asked.

    Recognised headers first. If only one of user and item is recognised, the other is the first
    column left that means nothing else. If neither is, the order is user, item, weight, time; or
    user, item, time, weight where the third holds times. A column that numbers the rows is nobody's
    id as long as there is another.

    Args:
        header: the file's header line, None if it has none.
        width: number of columns.
        timed: columns whose values look like times.
    """
    found = recognise(header or (), INTERACTION_FIELDS)
    is_ordered = "user" not in found and "item" not in found
    found = _filled(found, ("user", "item"), header, width)
    if not is_ordered:
        return found
    left = _candidates(found, ("user", "item"), header, width, 0)
    missing = [field for field in ("weight", "time") if field not in found]
    if left and left[0] in timed:
        missing.reverse()
    return found | dict(zip(missing, left, strict=False))


def default_endorsement_columns(
    header: Sequence[str] | None, width: int, timed: Container[int] = ()
) -> dict[str, int]:
    """Return the columns of an endorsements file for which none were asked.

    Source and subject where they are headed so, else the first columns that mean nothing else;
    weight and time only where they are headed so.

    Args:
        header: the file's header line, None if it has none.
        width: number of columns.
        timed: columns whose values look like times; not looked at.
    """
    found = recognise(header or (), ENDORSEMENT_FIELDS)
    return _filled(found, ("source", "subject"), header, width)


def _filled(
    found: Mapping[str, int], fields: Sequence[str], header: Sequence[str] | None, width: int
) -> dict[str, int]:
    """Give each field that has no column the first that is left."""
    missing = [field for field in fields if field not in found]
    columns = _candidates(found, fields, header, width, len(missing))
    chosen = dict(zip(missing, columns, strict=False))
    kept = {field: at for field, at in found.items() if at not in chosen.values()} | chosen
    return {field: kept[field] for field in (*fields, *kept) if field in kept}


def _candidates(
    found: Mapping[str, int],
    fields: Sequence[str],
    header: Sequence[str] | None,
    width: int,
    wanted: int,
) -> list[int]:
    """Return columns that could be ids, those that hardly are only where others are too few."""
    names = [_plain(name) for name in header] if header else ["any"] * width
    meanings = INTERACTION_FIELDS if "user" in fields else ENDORSEMENT_FIELDS
    known = {name for field in meanings for name in _RECOGNISED[field]}
    left = [at for at in range(min(width, len(names))) if at not in found.values()]
    unknown = [at for at in left if names[at] not in known]
    others = [at for at in unknown if names[at] not in _ROW_IDS]
    for columns in (others, unknown, left):
        if len(columns) >= wanted:
            return columns
    ids = [found[field] for field in fields if field in found]
    return [at for at in range(width) if at not in ids]


def is_common_header(cells: Sequence[str]) -> bool:
    """Tell whether at least two cells, or one of no more than two, are headers of data sets."""
    known = {name for names in _RECOGNISED.values() for name in names}
    return sum(_plain(cell) in known for cell in cells) >= (2 if len(cells) > 2 else 1)


def _plain(name: str) -> str:
    """Lower case without punctuation or RecBole's types: ``User-ID`` and ``user_id:token`` agree.

    What else stands behind a colon is an id's own: ``song:17`` is no header.
    """
    return re.sub(r":(token|float)(_seq)?$|[\W_]", "", name.lower())
