"""Secret keys on disk: one PEM file an identity, readable by its owner only.

A key file holds two PKCS#8 Ed25519 keys: the current one and the one it commits to as its
successor. A passphrase encrypts both (`BestAvailableEncryption` of the `cryptography` package).
"""

import os
import re
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tastemesh.errors import ConfigError
from tastemesh.gossip.signer import Signer

_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----\n?", re.DOTALL)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def check_name(name: str) -> str:
    """Return the local name of an identity if a file can carry it.

    Raises:
        ConfigError: it is not 1 to 64 of a-z, 0-9, `-`, `_`.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"identity name {name!r}; expected 1 to 64 of a-z, 0-9, - and _")
    return name


def create_key(path: Path, passphrase: str = "") -> Signer:
    """Make a new identity and store its keys.

    Args:
        path: a file that must not exist yet.
        passphrase: encrypts the keys; empty leaves protection to the file's mode, 0600.

    Raises:
        ConfigError: the file exists or cannot be written.
    """
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    pem = b"".join(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        for _ in ("current", "next")
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise ConfigError(f"{path} exists already; a key is never overwritten") from None
    except OSError as error:
        raise ConfigError(f"cannot write the key file {path}: {error.strerror}") from None
    return load_key(path, passphrase)


def load_key(path: Path, passphrase: str = "") -> Signer:
    """Read an identity's keys.

    Raises:
        ConfigError: no file, unreadable, not two Ed25519 keys, or the passphrase is missing or
            wrong; the text says which.
    """
    try:
        blocks = _PEM.findall(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read the key file {path}: {error.strerror}") from None
    if len(blocks) != 2:
        raise ConfigError(f"{path} has {len(blocks)} PEM keys; expected 2, current and next")
    secrets: list[bytes] = []
    for block in blocks:
        try:
            key = serialization.load_pem_private_key(
                block, passphrase.encode() if passphrase else None
            )
        except TypeError:
            wanted = (
                "is encrypted: expected a passphrase" if not passphrase else "has no passphrase"
            )
            raise ConfigError(f"{path} {wanted}") from None
        except ValueError:
            raise ConfigError(f"{path} cannot be opened: wrong passphrase or damaged") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"{path} holds a key of another kind; expected Ed25519")
        secrets.append(key.private_bytes_raw())
    return Signer(secrets[0], secrets[1])
