"""Signatures: Ed25519 by one rule, whichever library checks it.

Libraries disagree on edge cases, and a network can be split on purpose by a record that half of it
accepts. The rule here is RFC 8032, section 5.1.7: its equation as it stands and not eight times
both sides, a scalar below the group's order, and a key as it is encoded by the book. Beside that,
neither the key nor R is a point of small order: under such keys one signature fits any bytes.

OpenSSL, which `cryptography` brings, checks the equation and the scalar. libsodium does so in half
the time (48 us for 98, measured), and the extra `fast` brings it. It is used only while it decides
the cases on which libraries differ as OpenSSL does; a version that does not is left aside. All else
is looked at here, before either is asked.
"""

from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY_BYTES = 32
SIGNATURE_BYTES = 64
POINT_BYTES = 32  # of a signature, R; the scalar follows

# The y coordinates of the eight points whose order divides 8, with the encodings y and y + p that
# fit into 255 bits; the sign bit may be set on any. tests/gossip/test_signatures.py derives them.
_FIELD_PRIME = 2**255 - 19
_ORDER_EIGHT_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = (
    0,
    1,
    _FIELD_PRIME - 1,
    _FIELD_PRIME,
    _FIELD_PRIME + 1,
    _ORDER_EIGHT_Y,
    _FIELD_PRIME - _ORDER_EIGHT_Y,
)
SMALL_ORDER_POINTS = frozenset(
    (y | sign << 255).to_bytes(POINT_BYTES, "little") for y in _SMALL_ORDER_Y for sign in (0, 1)
)
"""The encodings of the points of small order: no key, and no R of a signature."""

# The other encodings of y below 19, which some read as that y and some refuse.
_REFUSED_KEYS = SMALL_ORDER_POINTS | {
    (y | sign << 255).to_bytes(POINT_BYTES, "little")
    for y in range(_FIELD_PRIME, 2**255)
    for sign in (0, 1)
}

_GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493

Check = Callable[[bytes, bytes, bytes], bool]
"""Tells whether a signature of 64 bytes by a key of 32 fits a message: `(key, message, it)`."""

# A key with a part of order 8, and what its owner signed: one message whose hash happens to cancel
# that part, and one that would fit if both sides were multiplied by eight. The test derives them.
_KEY = bytes.fromhex("3337dff6bb2a094e8d355156dab12d8c4862ebf807dda97e31ecc082138d3c14")
_POINT = bytes.fromhex("bde3be644e3d9ebbc08798ffa230aa36971e56ac1eaad383d91e9e4c3eb0225e")
_FITS = bytes.fromhex("78b2ce5b677bc0e69db8529bd00fc693e20682264e1e20eb03e48de8eeeee900")
_FITS_TIMES_EIGHT = bytes.fromhex(
    "b8ece0110ac598e30683547ad44014ff2f1c4c0f0e3b4ce6d39d9f924282a906"
)
_BEYOND_ORDER = (int.from_bytes(_FITS, "little") + _GROUP_ORDER).to_bytes(32, "little")
EDGE_CASES = (
    (_KEY, b"\x02", _POINT + _FITS, True),
    (_KEY, b"\x00", _POINT + _FITS_TIMES_EIGHT, False),
    (_KEY, b"\x02", _POINT + _BEYOND_ORDER, False),
)
"""Key, message, signature and whether it fits: what libraries disagree on beside small orders."""


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` by `key` fits `message`; never raises for any bytes.

    Args:
        key: public key; other than 32 bytes, of small order, or with y not below the field's
            prime gives False.
        message: the signed bytes, domain included.
        signature: other than 64 bytes, or with R of small order, gives False.
    """
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    if key in _REFUSED_KEYS or signature[:POINT_BYTES] in SMALL_ORDER_POINTS:
        return False
    return _check(key, message, signature)


def checked_by_openssl(key: bytes, message: bytes, signature: bytes) -> bool:
    """Check by OpenSSL; a `Check`."""
    try:
        _public_key(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# Loading a key costs a fiftieth of a verification, and authors come again (count: guess, 1 MB).
_public_key = lru_cache(maxsize=1_024)(Ed25519PublicKey.from_public_bytes)


def libsodium() -> Check | None:
    """Return the check by libsodium, or None where it is not installed."""
    try:
        from nacl.bindings import crypto_sign_open
        from nacl.exceptions import BadSignatureError
    except ImportError:
        return None

    def checked(key: bytes, message: bytes, signature: bytes) -> bool:
        try:
            crypto_sign_open(signature + message, key)
        except BadSignatureError:
            return False
        return True

    return checked


def keeps_the_rule(check: Check) -> bool:
    """Tell whether a library decides the cases on which libraries disagree as it should."""
    return all(check(*case) == fits for *case, fits in EDGE_CASES)


_sodium = libsodium()
_check = _sodium if _sodium is not None and keeps_the_rule(_sodium) else checked_by_openssl
