"""Identities: ids, signatures, and the keys under which anything verifies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.gossip.identity import (
    SMALL_ORDER_KEYS,
    PublicIdentity,
    format_id,
    parse_id,
    verify,
)
from tastemesh.gossip.signer import Signer

SIGNER = Signer(b"\x01" * 32, b"\x02" * 32)
P = 2**255 - 19
D = (-121665 * pow(121666, -1, P)) % P


def _add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Edwards addition on the curve of RFC 8032, affine."""
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P,
    )


def _order_divides_eight(y: int) -> bool:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square, "not on the curve"
    point = (x, y)
    for _ in range(3):
        point = _add(point, point)
    return point == (0, 1)


def test_small_order_keys_are_the_points_whose_order_divides_eight() -> None:
    ys = {int.from_bytes(key, "little") & (2**255 - 1) for key in SMALL_ORDER_KEYS}
    assert len(SMALL_ORDER_KEYS) == 14
    assert all(_order_divides_eight(y % P) for y in ys)
    # Eight points of the torsion group share five y; two of these have a second encoding y + p.
    assert len({y % P for y in ys}) == 5


def test_a_key_of_small_order_verifies_nothing() -> None:
    forged = (1).to_bytes(32, "little") + bytes(32)  # R = identity, S = 0
    for key in sorted(SMALL_ORDER_KEYS):
        assert not verify(key, b"anything", forged)


def test_an_id_commits_to_the_key_and_its_successor() -> None:
    public = SIGNER.public
    assert SIGNER.id == public.id
    assert PublicIdentity(public.key, bytes(32)).id != SIGNER.id
    assert PublicIdentity(bytes(32), public.next_digest).id != SIGNER.id
    assert Signer(b"\x01" * 32, b"\x03" * 32).id != SIGNER.id


@given(st.binary(max_size=64), st.integers(0, 511))
def test_a_flipped_bit_in_a_signature_does_not_verify(message: bytes, bit: int) -> None:
    signature = bytearray(SIGNER.sign(message))
    assert verify(SIGNER.public.key, message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    assert not verify(SIGNER.public.key, message, bytes(signature))


def test_a_signature_with_s_beyond_the_group_order_does_not_verify() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    signature = SIGNER.sign(b"m")
    s = int.from_bytes(signature[32:], "little") + order
    assert not verify(SIGNER.public.key, b"m", signature[:32] + s.to_bytes(32, "little"))


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=80))
def test_verify_never_raises(key: bytes, message: bytes, signature: bytes) -> None:
    assert verify(key, message, signature) is False


def test_secrets_of_another_length_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="next_secret has 3 bytes; expected 32"):
        Signer(bytes(32), b"abc")


@given(st.binary(min_size=32, max_size=32))
def test_ids_round_trip_as_text(identity: bytes) -> None:
    assert parse_id(format_id(identity)) == identity


@pytest.mark.parametrize("text", ["", "zz", "ab" * 31, "ab" * 33, "é" * 64])
def test_other_text_is_not_an_id(text: str) -> None:
    with pytest.raises(UsageError, match="is not 64 hex digits"):
        parse_id(text)
