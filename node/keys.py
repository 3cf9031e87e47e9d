"""Secret keys on disk: one PEM file an identity, readable by its owner only.

A key file holds two PKCS#8 Ed25519 keys: the current one and the one it commits to as its
successor. A passphrase encrypts both (`BestAvailableEncryption` of the `cryptography` package).
After a rotation a third block, which is public, has the identity's rotations.

A file is written under another name and gets its own once all of it is on the disk, so a full disk
or a crash leaves no half of a key behind.
"""

import base64
import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tastemesh.errors import ConfigError, StorageCause, StorageError, UsageError
from tastemesh.gossip.lineage import Lineage, Slot
from tastemesh.gossip.signer import Signer
from tastemesh.storage.files import sync_folder

_PEM = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----\n?", re.DOTALL
)
_LINEAGE_BEGIN = b"-----BEGIN TASTEMESH ROTATIONS-----"
_LINEAGE_END = b"-----END TASTEMESH ROTATIONS-----"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_UNFINISHED = ".new"  # no part of a name, so this is never somebody's key

# What says that a file system cannot link (link(2)): FAT, and some that are mounted over a network.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS})


def check_name(name: str) -> str:
    """Return the local name of an identity if a file can carry it.

    Raises:
        ConfigError: it is not 1 to 64 of a-z, 0-9, `-`, `_`, the first a letter or a digit.
    """
    if not _NAME.fullmatch(name):
        expected = "1 to 64 of a-z, 0-9, - and _, the first a letter or a digit"
        raise ConfigError(f"identity name {name!r}; expected {expected}")
    return name


def create_key(path: Path, passphrase: str = "", *, replace: bool = False) -> Signer:
    """Make a new identity and store its keys.

    Args:
        path: a file that must not exist yet, unless it is to be replaced.
        passphrase: encrypts the keys; empty leaves protection to the file's mode, 0600.
        replace: give up the identity that the file holds.

    Raises:
        ConfigError: the file exists.
        StorageError: it cannot be written.
    """
    secrets = [Ed25519PrivateKey.generate() for _ in ("current", "next")]
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _whole(path, _encoded(secrets, passphrase)) as written:
            if replace:
                written.replace(path)
            else:
                _link(written, path)
        sync_folder(path.parent)
    except FileExistsError:
        raise ConfigError(f"{path} exists already; a key is never overwritten") from None
    except OSError as error:
        raise _unwritten(path, error) from None
    return load_key(path, passphrase)


def rotate_key(path: Path, passphrase: str, cut: Slot) -> Signer:
    """Put an identity's next key in force and make one to follow it; the older secret is deleted.

    Args:
        path: the key file.
        passphrase: opens it, and encrypts it again.
        cut: the last slot that the older keys hold for.

    Raises:
        ConfigError: the file cannot be read.
        StorageError: it cannot be written; it is as it was then.
    """
    signer = load_key(path, passphrase)
    _, following = _secrets(path, passphrase)
    fresh = Ed25519PrivateKey.generate()
    rotated = signer.rotated(following.private_bytes_raw(), fresh.private_bytes_raw(), cut)
    content = _encoded([following, fresh], passphrase) + _lineage_block(rotated)
    try:
        with _whole(path, content) as written:
            written.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _unwritten(path, error) from None
    return load_key(path, passphrase)


def _unwritten(path: Path, error: OSError) -> StorageError:
    text = f"cannot write the key file {path}: {error.strerror}"
    return StorageError(text, StorageCause.of(error))


def _encoded(secrets: list[Ed25519PrivateKey], passphrase: str) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    return b"".join(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        for secret in secrets
    )


def _lineage_block(signer: Signer) -> bytes:
    text = base64.encodebytes(msgspec.msgpack.encode(signer.lineage))
    return _LINEAGE_BEGIN + b"\n" + text + _LINEAGE_END + b"\n"


@contextmanager
def _whole(path: Path, content: bytes) -> Iterator[Path]:
    """Write what a key file is to hold to one beside it, down to the disk; it goes afterwards."""
    written = path.with_suffix(_UNFINISHED)
    written.unlink(missing_ok=True)  # of a process that a crash cut short
    try:
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield written
    finally:
        written.unlink(missing_ok=True)


def _link(written: Path, path: Path) -> None:
    """Give a file its name; raises FileExistsError where another has it."""
    try:
        os.link(written, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError from None
        written.rename(path)


def remove_unfinished(folder: Path) -> None:
    """Remove what a crash left of keys that were being written.

    Raises:
        ConfigError: the folder cannot be written.
    """
    try:
        for left in folder.glob(f"*{_UNFINISHED}"):
            left.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to the folder {folder}: {error.strerror}") from None


def load_key(path: Path, passphrase: str = "") -> Signer:
    """Read an identity's keys.

    Raises:
        ConfigError: no file, unreadable, not two Ed25519 keys, or the passphrase is missing or
            wrong; the text says which.
    """
    secrets = _secrets(path, passphrase)
    block = re.search(
        re.escape(_LINEAGE_BEGIN) + rb"(.+?)" + re.escape(_LINEAGE_END),
        path.read_bytes(),
        re.DOTALL,
    )
    try:
        lineage = (
            msgspec.msgpack.decode(base64.b64decode(block[1]), type=Lineage) if block else None
        )
        return Signer(secrets[0].private_bytes_raw(), secrets[1].private_bytes_raw(), lineage)
    except (msgspec.DecodeError, UsageError, ValueError) as error:
        raise ConfigError(f"{path}: the rotations do not fit the keys: {error}") from None


def _secrets(path: Path, passphrase: str) -> list[Ed25519PrivateKey]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the key file {path}: {error.strerror}") from None
    if not content:
        raise ConfigError(
            f"{path} is empty, as a full disk left it to older versions: put the file of a backup "
            "in its place or, if the identity was never used, remove it; a new one is made then"
        )
    blocks = _PEM.findall(content)
    if len(blocks) != 2:
        raise ConfigError(f"{path} has {len(blocks)} PEM keys; expected 2, current and next")
    secrets: list[Ed25519PrivateKey] = []
    for block in blocks:
        try:
            key = serialization.load_pem_private_key(
                block, passphrase.encode() if passphrase else None
            )
        except TypeError:
            wanted = (
                "is not encrypted: expected no passphrase, and one is set"
                if passphrase
                else "is encrypted: expected a passphrase, in TASTEMESH_PASSPHRASE or a "
                "passphrase_file, or as NodeConfig's passphrase"
            )
            raise ConfigError(f"{path} {wanted}") from None
        except ValueError:
            raise ConfigError(f"{path} cannot be opened: wrong passphrase or damaged") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"{path} holds a key of another kind; expected Ed25519")
        secrets.append(key)
    return secrets
