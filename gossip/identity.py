"""Identities: Ed25519 key lineages with a pre-committed next key.

An identity's id is what other people trust, so it must outlive a key. It is the hash of the first
public key *and* of the digest of the key that will replace it::

    id = SHA-256("tastemesh/1/identity" 00 || key || SHA-256(next key))

Whoever steals the current key can sign with it, but cannot name another successor: the successor is
part of the id (the idea of KERI's pre-rotation). Verification needs the current key, which travels
in every envelope beside the body and is bound to the author by this hash.
"""

from functools import lru_cache
from hashlib import sha256

import msgspec

from tastemesh.errors import UsageError

ID_BYTES = 32

_IDENTITY_DOMAIN = b"tastemesh/1/identity\x00"


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


@lru_cache(maxsize=1_024)  # authors come again (count: as in `tastemesh.gossip.signatures`)
def id_of(key: bytes, next_digest: bytes) -> bytes:
    """Return the id of the lineage that begins with these; see `PublicIdentity`."""
    return sha256(_IDENTITY_DOMAIN + key + next_digest).digest()


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
