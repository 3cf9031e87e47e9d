"""What goes over the HTTP API, as values; OpenAPI's schemas come from here."""

from typing import Annotated

import msgspec
from litestar.params import QueryParameter
from msgspec import Meta

from tastemesh.node.advice import Advice
from tastemesh.node.backing import Backing
from tastemesh.node.node import DEFAULT_IDENTITY

IdentityName = Annotated[str, Meta(description="local name of the user", max_length=64)]

# Users in one request: as many as one stream may watch, half a second at 7 ms a ranking.
BATCH_COUNT = 64

PAGE_COUNT = 100  # lines on a page unless asked otherwise (guess)
PageLength = Annotated[int, QueryParameter(ge=1, le=1000, description="lines on a page at most")]


class NewInteraction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A local user did something with an item."""

    item: Annotated[str, Meta(description="opaque id, 1 to 256 bytes of UTF-8")]
    kind: Annotated[str, Meta(description="a word, such as listen, like, skip")] = "listen"
    weight: Annotated[float, Meta(description="strength in (0, 1]")] = 1.0
    time_s: Annotated[float | None, Meta(description="when, seconds since 1970; null for now")] = (
        None
    )
    private: Annotated[bool, Meta(description="keep it on this node")] = False
    identity: IdentityName = DEFAULT_IDENTITY


class NewEndorsement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A local user trusts somebody's taste."""

    peer: Annotated[str, Meta(description="the other's identity, 64 hex digits")]
    weight: Annotated[float, Meta(description="trust in [-1, 1]; 0 withdraws")] = 1.0
    identity: IdentityName = DEFAULT_IDENTITY


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A local user takes interactions back."""

    item: Annotated[str | None, Meta(description="which item; null for every interaction")]
    identity: IdentityName = DEFAULT_IDENTITY


class KeyChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A local user's next key is to be in force."""

    stolen: Annotated[bool, Meta(description="disown what the older key signed")] = False
    identity: IdentityName = DEFAULT_IDENTITY


class Said(msgspec.Struct, frozen=True):
    """What was committed.

    Attributes:
        records: ids of the signed records that carry it, as hex; none for a private one.
    """

    records: list[str]


class ManyLists(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several local users want their lists."""

    identities: Annotated[
        list[IdentityName], Meta(description="local names", min_length=1, max_length=BATCH_COUNT)
    ]
    k: Annotated[int, Meta(description="length of each list", ge=1, le=1000)] = 10
    explain: Annotated[bool, Meta(description="with reasons")] = False


class ShownAdvice(Advice, frozen=True):
    """One recommended item, as it is shown.

    Attributes:
        backing: the people behind it; null where no reasons were asked for.
    """

    backing: Backing | None = None


class RecommendationList(msgspec.Struct, frozen=True):
    """The answer to `GET /v1/recommendations`.

    Attributes:
        recommendations: best first.
    """

    recommendations: list[ShownAdvice]


class RecommendationLists(msgspec.Struct, frozen=True):
    """The answer to `POST /v1/recommendations`.

    Attributes:
        recommendations: each user's list by his local name, best first.
    """

    recommendations: dict[str, list[ShownAdvice]]


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
