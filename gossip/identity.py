"""Identities: Ed25519 key lineages with a pre-committed next key.

An identity's id is what other people trust, so it must outlive a key. It is the hash of the first
public key *and* of the digest of the key that will replace it::

    id = SHA-256("tastemesh/1/identity" 00 || key || SHA-256(next key))

Whoever steals the current key can sign with it, but cannot name another successor: the successor is
part of the id (the idea of KERI's pre-rotation). Verification needs the current key, which travels
in every envelope beside the body and is bound to the author by this hash.

Signatures are Ed25519 (RFC 8032) as OpenSSL verifies them through `cryptography`: one verifier
everywhere, since libraries disagree on edge cases and a network can be split on purpose by a record
that half of it accepts. Keys of small order are refused: under them, one signature fits any bytes.
"""

from functools import lru_cache
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tastemesh.errors import UsageError

ID_BYTES = 32
KEY_BYTES = 32
SIGNATURE_BYTES = 64

_IDENTITY_DOMAIN = b"tastemesh/1/identity\x00"

# The y coordinates of the eight points whose order divides 8, with the encodings y and y + p that
# fit into 255 bits; the sign bit may be set on any. tests/gossip/test_identity.py derives them.
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
SMALL_ORDER_KEYS = frozenset(
    (y | sign << 255).to_bytes(KEY_BYTES, "little") for y in _SMALL_ORDER_Y for sign in (0, 1)
)


class PublicIdentity(msgspec.Struct, frozen=True):
    """What others need to check an author's signatures.

    Attributes:
        key: the current Ed25519 public key, 32 bytes.
        next_digest: SHA-256 of the public key that will replace it, 32 bytes.
    """

    key: bytes
    next_digest: bytes

    @property
    def id(self) -> bytes:
        """The identity's id, 32 bytes, for a lineage that has not rotated yet."""
        return id_of(self.key, self.next_digest)


def id_of(key: bytes, next_digest: bytes) -> bytes:
    """Return the id of the lineage that begins with these; see `PublicIdentity`."""
    return sha256(_IDENTITY_DOMAIN + key + next_digest).digest()


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` by `key` fits `message`; never raises for any bytes.

    Args:
        key: public key; other than 32 bytes, or a key of small order, gives False.
        message: the signed bytes, domain included.
        signature: other than 64 bytes gives False.
    """
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES or key in SMALL_ORDER_KEYS:
        return False
    try:
        _public_key(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# Loading a key costs a fiftieth of a verification, and authors come again (count: guess, 1 MB).
_public_key = lru_cache(maxsize=1_024)(Ed25519PublicKey.from_public_bytes)


def format_id(identity: bytes) -> str:
    """Return an id as the 64 hex digits that people exchange."""
    return identity.hex()


def parse_id(text: str) -> bytes:
    """Return the id that `text` spells.

    Raises:
        UsageError: it is not 64 hex digits.
    """
    try:
        identity = bytes.fromhex(text)
    except ValueError:
        identity = b""
    if len(identity) != ID_BYTES:
        raise UsageError(f"peer id {text!r} is not {2 * ID_BYTES} hex digits")
    return identity
