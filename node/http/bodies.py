"""What goes over the HTTP API, as values; OpenAPI's schemas come from here."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tastemesh.node.advice import Advice
from tastemesh.node.node import DEFAULT_IDENTITY

IdentityName = Annotated[str, Meta(description="local name of the user", max_length=64)]


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


class RecommendationList(msgspec.Struct, frozen=True):
    """The answer to `GET /v1/recommendations`.

    Attributes:
        recommendations: best first.
    """

    recommendations: list[Advice]


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
