"""What goes over the HTTP API, as values; OpenAPI's schemas come from here."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tastemesh.node.answers import Advice, Backing
from tastemesh.node.history import SaidEndorsement
from tastemesh.node.identities import DEFAULT_IDENTITY
from tastemesh.node.plays import ItemId, Kind, PastTime, Play, Strength
from tastemesh.node.wish import ITEM_COUNT, LIKE_COUNT

IdentityName = Annotated[str, Meta(description="local name of the user", max_length=64)]

# Users in one request: as many as one stream may watch, half a second at 7 ms a ranking.
BATCH_COUNT = 64

# In one request, so that it stays below the size of a body: 64 with the longest ids, escaped.
PLAYS_PER_REQUEST = 64

# Twice as many as a user can stand by: all of them again, and as many that are new.
PEERS_PER_REQUEST = 512

NOTHING_SPEAKS = "nothing speaks for"
"""How the 404 begins that is an answer: the item is not recommended to the user for any reason."""

PAGE_COUNT = 100  # lines on a page unless asked otherwise (guess)
PageLength = Annotated[int, Meta(ge=1, le=1000, description="lines on a page at most")]
ListLength = Annotated[int, Meta(ge=1, le=1000, description="length of the list")]
Explained = Annotated[bool, Meta(description="with reasons")]
Backed = Annotated[
    bool, Meta(description="where there are reasons, with the people behind each item, too")
]
Like = Annotated[
    list[str],
    Meta(
        description="rank as if the user held just these; empty for what he holds",
        extra_json_schema={"maxItems": LIKE_COUNT},
    ),
]
NewName = Annotated[
    str,
    Meta(
        description="1 to 64 of a-z, 0-9, - and _, the first a letter or a digit",
        extra_json_schema={
            "minLength": 1,
            "maxLength": 64,
            "pattern": "^[a-z0-9][a-z0-9_-]*$",
            "not": {"const": "node"},
        },
    ),
]


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """In an address: whom the question is about."""

    identity: IdentityName = DEFAULT_IDENTITY


class Likened(Asker, frozen=True, kw_only=True):
    """In an address: whom the question is about, and what the list is like that it is about."""

    like: Like = []


class NewInteraction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A local user did something with an item."""

    item: ItemId
    kind: Kind = "listen"
    weight: Strength = 1.0
    time_s: PastTime = None
    private: Annotated[bool, Meta(description="keep it on this node")] = False
    identity: IdentityName = DEFAULT_IDENTITY


class NewEndorsement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A local user trusts somebody's taste."""

    peer: Annotated[
        str,
        Meta(
            description="the other's identity, 64 hex digits",
            extra_json_schema={"pattern": "^[0-9a-f]{64}$"},
        ),
    ]
    weight: Annotated[
        float,
        Meta(
            description="trust in [-1, 1]; 0 withdraws",
            extra_json_schema={"minimum": -1, "maximum": 1},
        ),
    ] = 1.0
    identity: IdentityName = DEFAULT_IDENTITY


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A local user takes interactions back."""

    item: Annotated[str | None, Meta(description="which item; none where it is everything")] = None
    everything: Annotated[bool, Meta(description="every interaction, in place of an item")] = False
    identity: IdentityName = DEFAULT_IDENTITY


class KeyChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A local user's next key is to be in force."""

    stolen: Annotated[bool, Meta(description="disown what the older key signed")] = False
    identity: IdentityName = DEFAULT_IDENTITY


class Said(msgspec.Struct, frozen=True):
    """What was committed.

    Attributes:
        records: ids of the signed records that carry it, as hex; none for a private one, or where
            it was said before.
    """

    records: list[str]


class ManyLists(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several local users want their lists."""

    identities: Annotated[
        list[IdentityName], Meta(description="local names", min_length=1, max_length=BATCH_COUNT)
    ]
    k: ListLength = 10
    explain: Explained = False
    backing: Backed = True
    candidates: Annotated[
        list[str] | None,
        Meta(
            description="the only items that may be listed, in stock say; null for all",
            extra_json_schema={"maxItems": ITEM_COUNT},
        ),
    ] = None
    exclude: Annotated[
        list[str],
        Meta(
            description="items that are not listed, those shown already say",
            extra_json_schema={"maxItems": ITEM_COUNT},
        ),
    ] = []
    like: Like = []


class History(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several things that a local user did."""

    plays: Annotated[
        list[Play], Meta(description="with dates, as a rule", max_length=PLAYS_PER_REQUEST)
    ]
    private: Annotated[bool, Meta(description="keep them on this node")] = False
    identity: IdentityName = DEFAULT_IDENTITY


class NewEndorsements(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A local user trusts the taste of several people."""

    weights: Annotated[
        dict[str, float],
        Meta(
            description="trust in [-1, 1] by the other's identity, 64 hex digits; 0 withdraws",
            max_length=PEERS_PER_REQUEST,
        ),
    ]
    identity: IdentityName = DEFAULT_IDENTITY


class ShownAdvice(Advice, frozen=True, gc=False):  # no way round in it
    """One recommended item, as it is shown.

    Attributes:
        backing: the people behind it; null where they were not asked for.
    """

    backing: Backing | None = None


class RecommendationList(msgspec.Struct, frozen=True):
    """The answer to `GET /v1/recommendations`.

    Attributes:
        recommendations: best first.
        age_s: seconds since the list was made; above 0 only under load, up to 60.
    """

    recommendations: list[ShownAdvice]
    age_s: float


class RecommendationLists(msgspec.Struct, frozen=True):
    """The answer to `POST /v1/recommendations`.

    Attributes:
        recommendations: each user's list by his local name, best first.
        ages_s: seconds since each was made; above 0 only under load, up to 60.
    """

    recommendations: dict[str, list[ShownAdvice]]
    ages_s: dict[str, float]


class LocalUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user of this node.

    Attributes:
        name: local name; it never leaves this machine.
        identity: id as hex; what others endorse.
    """

    name: str
    identity: str


class LocalUsers(msgspec.Struct, frozen=True, kw_only=True):
    """A page of local users.

    Attributes:
        identities: by name.
        next: what to give as `after` for the next page; null on the last one.
    """

    identities: list[LocalUser]
    next: str | None


class UserList(msgspec.Struct, frozen=True, kw_only=True):
    """Some users of this node.

    Attributes:
        identities: in the order in which they were named.
    """

    identities: list[LocalUser]


class EndorsementList(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a user endorses or distrusts.

    Attributes:
        endorsements: the latest word on each, at most 256.
    """

    endorsements: list[SaidEndorsement]


class NewUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A local user to be made."""

    name: NewName


class NewUsers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Local users to be made."""

    names: Annotated[list[NewName], Meta(description="local names", max_length=BATCH_COUNT)]


class Items(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Items that a question is about."""

    items: Annotated[list[str], Meta(description="their ids", max_length=BATCH_COUNT)]
    identity: IdentityName = DEFAULT_IDENTITY


class BackingList(msgspec.Struct, frozen=True, kw_only=True):
    """Who stands behind some items.

    Attributes:
        backing: of each, in the order in which they were named.
    """

    backing: list[Backing]


class Equivocators(msgspec.Struct, frozen=True, kw_only=True):
    """Whom this node does not believe.

    Attributes:
        equivocators: ids, as hex, of those proved to have signed two different records under one
            number, oldest proof first.
    """

    equivocators: list[str]


class Health(msgspec.Struct, frozen=True):
    """The answer to `GET /health`.

    Attributes:
        status: "ok", or what is wrong.
    """

    status: str


class Problem(msgspec.Struct, frozen=True):
    """Every answer that is not a success.

    Attributes:
        error: what was wrong and what was expected.
    """

    error: str
