"""The codec: what round-trips, and that everything else is refused with its reason."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tastemesh.errors import RemoteProtocolError, UsageError
from tastemesh.gossip import codec
from tastemesh.gossip.envelope import open_envelope
from tastemesh.gossip.identity import PublicIdentity
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.record import Endorsement, Interaction, Statement, Unknown
from tastemesh.gossip.signatures import SMALL_ORDER_POINTS
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.statements import MAX_EPOCH

LIMITS = Limits()
SIGNER = Signer(b"\x01" * 32, b"\x02" * 32)
DOMAIN = b"tastemesh/1/record\x00"

items = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=80).filter(
    lambda text: len(text.encode()) <= 256
)
interactions = st.builds(
    Interaction,
    item=items,
    kind=st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True),
    weight_q=st.integers(1, 10_000),
    ago_ms=st.integers(0, 2**63 - 1),
)
endorsements = st.builds(
    Endorsement,
    subject=st.binary(min_size=32, max_size=32),
    weight_q=st.integers(-10_000, 10_000),
)
statements = st.lists(interactions | endorsements, min_size=1, max_size=20).map(tuple)


def sealed(body: object, signer: Signer = SIGNER) -> bytes:
    """An envelope around any body, correctly signed."""
    raw = body if isinstance(body, bytes) else msgspec.msgpack.encode(body)
    public = signer.public
    return msgspec.msgpack.encode(
        [raw, public.key, public.next_digest, signer.sign(DOMAIN + raw), None]
    )


def reason(envelope: bytes) -> RejectReason | None:
    try:
        codec.decode(envelope, "main", LIMITS)
    except RemoteProtocolError as error:
        return RejectReason(error.reason)
    return None


def body(**changes: object) -> list[object]:
    fields: dict[str, object] = {
        "version": 1,
        "network": "main",
        "author": SIGNER.id,
        "epoch": 0,
        "seq": 1,
        "prev": b"",
        "created_ms": 1_700_000_000_000,
        "statements": [[1, "isrc:X", "listen", 5000, 0]],
    }
    return list((fields | changes).values())


@given(statements, st.integers(0, MAX_EPOCH), st.integers(1, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_what_is_signed_decodes_to_the_same(
    said: tuple[Interaction | Endorsement, ...], epoch: int, seq: int, created_ms: int
) -> None:
    record = codec.sign_record(SIGNER, "main", epoch, seq, b"p" * 32, created_ms, said, LIMITS)
    again = codec.decode(record.envelope, "main", LIMITS)
    assert again == record
    assert again.statements == said
    assert (again.author, again.epoch, again.seq) == (SIGNER.id, epoch, seq)
    assert (again.prev, again.created_ms) == (b"p" * 16, created_ms)
    assert open_envelope(record.envelope, LIMITS).record_id == record.id


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_give_a_reason(envelope: bytes) -> None:
    assert reason(envelope) is not None


@given(st.binary(max_size=300))
def test_any_signed_body_decodes_or_gives_a_reason(raw: bytes) -> None:
    assert reason(sealed(raw)) is not None


nested = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=30,
)


@given(st.lists(nested, min_size=7, max_size=9))
def test_any_signed_structure_decodes_or_gives_a_reason(fields: list[object]) -> None:
    reason(sealed(fields))


@given(st.lists(nested, max_size=4))
def test_any_statements_decode_or_give_a_reason(said: list[object]) -> None:
    reason(sealed(body(statements=said)))


@settings(max_examples=300)
@given(statements, st.data())
def test_a_record_altered_in_any_one_byte_is_rejected(
    said: tuple[Interaction | Endorsement, ...], data: st.DataObject
) -> None:
    envelope = bytearray(codec.sign_record(SIGNER, "main", 0, 1, b"", 5, said, LIMITS).envelope)
    at = data.draw(st.integers(0, len(envelope) - 1))
    envelope[at] ^= data.draw(st.integers(1, 255))
    assert reason(bytes(envelope)) is not None


def test_every_single_byte_matters() -> None:
    said: tuple[Statement, ...] = (Interaction("isrc:A", "like", 10_000),)
    envelope = codec.sign_record(SIGNER, "main", 0, 1, b"", 5, said, LIMITS).envelope  # type: ignore[arg-type]
    for at in range(len(envelope)):
        altered = bytearray(envelope)
        altered[at] ^= 0x01
        assert reason(bytes(altered)) is not None, at


def test_statements_of_unknown_kind_are_kept() -> None:
    said = [[9, {"new": [1, 2]}, "field"], [1, "x", "like", 1, 0], [5]]
    record = codec.decode(sealed(body(statements=said)), "main", LIMITS)
    assert record.statements == (Unknown(9), Interaction("x", "like", 1), Unknown(5))


long_item = "é" * 129  # 258 bytes in 129 characters


@pytest.mark.parametrize(
    ("envelope", "expected"),
    [
        (b"", RejectReason.MALFORMED),
        (b"\x91" * 5000, RejectReason.MALFORMED),
        (sealed(b"\x91" * 5000), RejectReason.MALFORMED),
        (b"\xc4" * (16 * 1024 + 1), RejectReason.OVERSIZED),
        (sealed(body()) + b"\x00", RejectReason.MALFORMED),
        (sealed([*body(), 1]), RejectReason.MALFORMED),
        (sealed(body(version=2)), RejectReason.WRONG_VERSION),
        (sealed(body(network="other")), RejectReason.WRONG_NETWORK),
        (sealed(body(seq=0)), RejectReason.MALFORMED),
        (sealed(body(epoch=-1)), RejectReason.MALFORMED),
        (sealed(body(epoch=MAX_EPOCH + 1)), RejectReason.MALFORMED),
        (sealed(body(created_ms=1.5)), RejectReason.MALFORMED),
        (sealed(body(prev=b"short")), RejectReason.MALFORMED),
        (sealed(body(statements=[])), RejectReason.STATEMENT_LIMIT),
        (sealed(body(statements=[[9]] * 257)), RejectReason.STATEMENT_LIMIT),
        (sealed(body(statements=[[9]] * 257 + [[1]])), RejectReason.STATEMENT_LIMIT),  # not read
        (sealed(body(statements=[[]])), RejectReason.MALFORMED),
        (sealed(body(statements=[[-1]])), RejectReason.MALFORMED),
        (sealed(body(statements=[[1, "x", "like", 1, 0, 7]])), RejectReason.MALFORMED),
        (sealed(body(statements=[[1, "", "like", 1, 0]])), RejectReason.ITEM_LIMIT),
        (sealed(body(statements=[[1, "x" * 257, "like", 1, 0]])), RejectReason.ITEM_LIMIT),
        (sealed(body(statements=[[1, long_item, "like", 1, 0]])), RejectReason.ITEM_LIMIT),
        (sealed(body(statements=[[1, "a\nb", "like", 1, 0]])), RejectReason.ITEM_LIMIT),
        (sealed(body(statements=[[1, "x", "Like!", 1, 0]])), RejectReason.ITEM_LIMIT),
        (sealed(body(statements=[[1, "x", "like", 0, 0]])), RejectReason.WEIGHT_RANGE),
        (sealed(body(statements=[[1, "x", "like", 10_001, 0]])), RejectReason.WEIGHT_RANGE),
        (sealed(body(statements=[[1, "x", "like", 1, -1]])), RejectReason.FROM_FUTURE),
        (sealed(body(statements=[[2, b"x", 1]])), RejectReason.MALFORMED),
        (sealed(body(statements=[[2, bytes(32), -10_001]])), RejectReason.WEIGHT_RANGE),
        (sealed(body(author=bytes(32))), RejectReason.WRONG_AUTHOR),
        (sealed(body(), Signer(bytes(32), bytes(32))), RejectReason.WRONG_AUTHOR),
    ],
)
def test_each_breach_has_its_reason(envelope: bytes, expected: RejectReason) -> None:
    assert reason(envelope) is expected


ROTATED = SIGNER.rotated(b"\x02" * 32, b"\x03" * 32, (0, 7))
WHOLE = msgspec.msgpack.decode(
    codec.sign_record(
        ROTATED, "main", 1, 1, b"", 5, (Interaction("x", "like", 1),), LIMITS
    ).envelope
)


@pytest.mark.parametrize(
    "place", [(1,), (2,), (3,), (4, 0), (4, 1), (4, 2, 0, 0), (4, 2, 0, 1), (4, 2, 0, 4)]
)
@pytest.mark.parametrize("cut", [slice(0, 0), slice(0, -1), slice(1, None), None])
def test_each_key_digest_and_signature_has_one_length(
    place: tuple[int, ...], cut: slice | None
) -> None:
    altered = msgspec.msgpack.decode(msgspec.msgpack.encode(WHOLE))
    assert reason(msgspec.msgpack.encode(altered)) is None
    *path, last = place
    inner = altered
    for step in path:
        inner = inner[step]
    inner[last] = inner[last] + b"\0" if cut is None else inner[last][cut]
    with pytest.raises(RemoteProtocolError) as caught:  # before anybody is asked who signed
        codec.parse(msgspec.msgpack.encode(altered), "main", LIMITS)
    assert caught.value.reason is RejectReason.MALFORMED


@pytest.mark.parametrize("size", [0, 1, 31, 33])
def test_an_author_is_32_bytes(size: int) -> None:
    for said in ([[1, "x", "like", 1, 0]], [[9]]):
        envelope = sealed(body(author=bytes(size), statements=said))
        with pytest.raises(RemoteProtocolError) as caught:
            codec.parse(envelope, "main", LIMITS)
        assert caught.value.reason is RejectReason.MALFORMED


@pytest.mark.parametrize("count", [0, 17])
def test_a_lineage_has_1_to_16_steps(count: int) -> None:
    first, digest, steps = WHOLE[4]
    envelope = msgspec.msgpack.encode([*WHOLE[:4], [first, digest, steps * count]])
    with pytest.raises(RemoteProtocolError) as caught:
        codec.parse(envelope, "main", LIMITS)
    assert caught.value.reason is RejectReason.MALFORMED


def test_a_valid_body_under_a_weak_key_or_a_foreign_signature_is_refused() -> None:
    for key in sorted(SMALL_ORDER_POINTS):
        public = PublicIdentity(key, bytes(32))
        raw = msgspec.msgpack.encode(body(author=public.id))
        forged = msgspec.msgpack.encode([raw, key, bytes(32), (1).to_bytes(64, "little"), None])
        assert reason(forged) is RejectReason.WEAK_KEY
    raw = msgspec.msgpack.encode(body())
    public = SIGNER.public
    unsigned = msgspec.msgpack.encode([raw, public.key, public.next_digest, bytes(64), None])
    assert reason(unsigned) is RejectReason.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (Interaction("x" * 300, "listen", 1), "item id of 300 bytes; expected 1 to 256 bytes"),
        (Interaction("\ud800", "listen", 1), "item id of 0 bytes"),
        (Interaction("x", "Very Loud", 1), "kind 'Very Loud'; expected 1 to 32 of a-z, 0-9, -"),
        (Interaction("x", "listen", 20_000), "weight 2.0; expected 0.0001 to 1"),
        (Endorsement(b"short", 1), "subject of 5 bytes; expected 32"),
    ],
)
def test_our_own_mistakes_name_what_was_expected(
    statement: Interaction | Endorsement, expected: str
) -> None:
    with pytest.raises(UsageError) as caught:
        codec.sign_record(SIGNER, "main", 0, 1, b"", 5, (statement,), LIMITS)
    assert expected in str(caught.value)


def test_the_shortest_record_there_can_be_is_taken() -> None:
    envelope = sealed([1, "n", SIGNER.id, 0, 1, b"", 0, [[9]]])
    assert len(envelope) == codec.LEAST_ENVELOPE_BYTES == 184
    assert codec.decode(envelope, "n", LIMITS).statements == (Unknown(9),)
