"""Signatures: what fits, on which libraries disagree, and that ours do not."""

from hashlib import sha512

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.gossip import signatures
from tastemesh.gossip.signatures import (
    EDGE_CASES,
    SMALL_ORDER_POINTS,
    Check,
    checked_by_openssl,
    keeps_the_rule,
    libsodium,
    verify,
)
from tastemesh.gossip.signer import Signer

SIGNER = Signer(b"\x01" * 32, b"\x02" * 32)
P = 2**255 - 19
D = (-121665 * pow(121666, -1, P)) % P
ORDER = 2**252 + 27742317777372353535851937790883648493

Point = tuple[int, int]


def _add(a: Point, b: Point) -> Point:
    """Edwards addition on the curve of RFC 8032, affine."""
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P,
    )


def _times(scalar: int, point: Point) -> Point:
    found = (0, 1)
    while scalar:
        found = _add(found, point) if scalar & 1 else found
        scalar, point = scalar >> 1, _add(point, point)
    return found


def _point(y: int) -> Point:
    """The point with this y and an even x."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square, "not on the curve"
    return (x if x % 2 == 0 else P - x, y)


def _encoded(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


BASE = _point(4 * pow(5, -1, P) % P)


def test_small_order_points_are_those_whose_order_divides_eight() -> None:
    ys = {int.from_bytes(point, "little") & (2**255 - 1) for point in SMALL_ORDER_POINTS}
    assert len(SMALL_ORDER_POINTS) == 14
    assert all(_times(8, _point(y % P)) == (0, 1) for y in ys)
    # Eight points of the torsion group share five y; two of these have a second encoding y + p.
    assert len({y % P for y in ys}) == 5


def test_the_cases_on_which_libraries_differ_are_made_by_an_owner_of_a_mixed_key() -> None:
    (eighth,) = {_point(y) for y in signatures._SMALL_ORDER_Y if y == signatures._ORDER_EIGHT_Y}
    secret, nonce = (
        int.from_bytes(sha512(b"tastemesh " + name).digest(), "little") % ORDER
        for name in (b"a", b"r")
    )
    key = _encoded(_add(_times(secret, BASE), eighth))
    point = _encoded(_times(nonce, BASE))
    for made, message, signature, fits in EDGE_CASES:
        challenge = int.from_bytes(sha512(point + key + message).digest(), "little") % ORDER
        assert made == key
        assert signature[:32] == point
        assert (int.from_bytes(signature[32:], "little") - nonce - challenge * secret) % ORDER == 0
        is_below = int.from_bytes(signature[32:], "little") < ORDER
        assert fits == (challenge % 8 == 0 and is_below)


LIBRARIES: dict[str, Check | None] = {"openssl": checked_by_openssl, "libsodium": libsodium()}


@pytest.fixture(params=LIBRARIES)
def check(request: pytest.FixtureRequest) -> Check:
    found = LIBRARIES[request.param]
    if found is None:
        pytest.skip("comes with the extra `fast`")
    return found


def test_each_library_keeps_the_rule(check: Check) -> None:
    assert keeps_the_rule(check)
    fits = [verify(*case) for *case, _ in EDGE_CASES]
    assert fits == [case[3] for case in EDGE_CASES]


def test_one_that_multiplies_by_eight_or_looks_at_no_scalar_does_not() -> None:
    assert not keeps_the_rule(lambda key, message, signature: True)
    assert not keeps_the_rule(lambda key, message, signature: False)


@given(st.binary(max_size=64), st.integers(0, 511), st.integers(0, 255))
def test_libraries_agree_on_altered_signatures_and_keys(
    message: bytes, bit: int, key_bit: int
) -> None:
    whole, key = SIGNER.sign(message), SIGNER.public.key
    signature, other = bytearray(whole), bytearray(key)
    signature[bit // 8] ^= 1 << bit % 8
    other[key_bit // 8] ^= 1 << key_bit % 8
    cases = [(key, whole), (key, bytes(signature)), (bytes(other), whole)]
    for made_by in filter(None, LIBRARIES.values()):
        assert [made_by(each, message, made) for each, made in cases] == [True, False, False]


def test_no_key_and_no_point_of_small_order_verifies_anything() -> None:
    forged = (1).to_bytes(32, "little") + bytes(32)  # R = identity, S = 0
    for key in sorted(SMALL_ORDER_POINTS):
        assert not verify(key, b"anything", forged)
    secret = 2**200 + 1  # with R = identity, S = h a: OpenSSL takes it, libsodium does not
    key, message = _encoded(_times(secret, BASE)), b"anything"
    challenge = int.from_bytes(sha512(forged[:32] + key + message).digest(), "little")
    scalar = (challenge * secret % ORDER).to_bytes(32, "little")
    assert checked_by_openssl(key, message, forged[:32] + scalar)
    assert not verify(key, message, forged[:32] + scalar)


def test_no_key_encoded_in_another_way_is_taken() -> None:
    refused = signatures._REFUSED_KEYS - SMALL_ORDER_POINTS
    assert len(refused) == 2 * (19 - 2)
    assert all(int.from_bytes(key, "little") & (2**255 - 1) >= P for key in refused)


@given(st.binary(max_size=64), st.integers(0, 511))
def test_a_flipped_bit_in_a_signature_does_not_verify(message: bytes, bit: int) -> None:
    signature = bytearray(SIGNER.sign(message))
    assert verify(SIGNER.public.key, message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    assert not verify(SIGNER.public.key, message, bytes(signature))


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=80))
def test_verify_never_raises(key: bytes, message: bytes, signature: bytes) -> None:
    assert verify(key, message, signature) is False
