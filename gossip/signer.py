"""Signing: an identity's secret keys, and how the next one takes over."""

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tastemesh.errors import UsageError
from tastemesh.gossip.identity import PublicIdentity
from tastemesh.gossip.lineage import Lineage, Slot, Step, step_message
from tastemesh.gossip.signatures import KEY_BYTES
from tastemesh.gossip.statements import MAX_EPOCH


class Signer:
    """An identity that can sign: the current secret key and the commitment to the next one.

    Args:
        secret: the current Ed25519 secret, 32 bytes from a cryptographic source.
        next_secret: the successor's secret, 32 bytes; only the digest of its public key is kept.
        lineage: the rotations that led to the current key; None for a first key.

    Raises:
        UsageError: a secret is not 32 bytes long, or is not the one that the lineage ends with.
    """

    def __init__(self, secret: bytes, next_secret: bytes, lineage: Lineage | None = None) -> None:
        for name, value in (("secret", secret), ("next_secret", next_secret)):
            if len(value) != KEY_BYTES:
                raise UsageError(f"{name} has {len(value)} bytes; expected {KEY_BYTES}")
        self._private = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = PublicIdentity(
            self._private.public_key().public_bytes_raw(), _digest(next_secret)
        )
        if lineage is not None and not lineage.ends_with(self.public):
            raise UsageError("the secrets are not those that the rotations end with")
        self.lineage = lineage
        self.id = self.public.id if lineage is None else lineage.author

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of `message`; the caller adds the domain."""
        return self._private.sign(message)

    def rotated(self, next_secret: bytes, after_next_secret: bytes, cut: Slot) -> "Signer":
        """Return this identity with its next key in force.

        Args:
            next_secret: the secret that this signer committed to.
            after_next_secret: the one to commit to now, 32 fresh bytes.
            cut: the last slot (epoch, seq) that the older keys may have signed; (0, 0) disowns
                everything, and the last rotation's all that the current key signed, for a key that
                was stolen.

        Raises:
            UsageError: the secret is not the one committed to, or the cut is below the last, or
                leaves no epoch to go on in.
        """
        if _digest(next_secret) != self.public.next_digest:
            raise UsageError("next_secret is not the key that this identity committed to")
        private = Ed25519PrivateKey.from_private_bytes(next_secret)
        earlier = self.lineage or Lineage(self.public.key, self.public.next_digest, ())
        if earlier.steps and cut < earlier.steps[-1].cut:
            raise UsageError(f"cut {cut}; expected no slot below the last rotation's")
        if cut[0] >= MAX_EPOCH:
            raise UsageError(f"cut {cut}; expected an epoch below {MAX_EPOCH}")
        step = Step(private.public_key().public_bytes_raw(), _digest(after_next_secret), *cut, b"")
        signed = private.sign(step_message(self.id, len(earlier.steps) + 1, step))
        step = Step(step.key, step.next_digest, *cut, signed)
        lineage = Lineage(earlier.key, earlier.next_digest, (*earlier.steps, step))
        return Signer(next_secret, after_next_secret, lineage)


def _digest(secret: bytes) -> bytes:
    """Return the digest of a secret's public key, as commitments have it."""
    public = Ed25519PrivateKey.from_private_bytes(secret).public_key()
    return sha256(public.public_bytes_raw()).digest()
