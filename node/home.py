"""What a node finds in its home and around it: its window, and a broker to meet others at."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import msgspec
import structlog

from tastemesh.errors import ConfigError, StorageCause, StorageError
from tastemesh.gossip.effects import ReserveSequence
from tastemesh.gossip.envelope import open_envelope
from tastemesh.gossip.inputs import Restored
from tastemesh.gossip.limits import Limits
from tastemesh.node.seal import is_replaced, is_sealed, seal
from tastemesh.node.settings import BROKER_PORT, EMBEDDED_BROKER_URL, NodeConfig
from tastemesh.node.shared_broker import share_broker
from tastemesh.storage.salvage import COPIED, finish_salvage, salvage
from tastemesh.storage.store import WAL_BYTES, Store

_log = structlog.get_logger(__name__)

WINDOW_FILE = "window.sqlite3"
WINDOW_COPY = "window.backup"  # for a moment, while a backup is made
_PLACE = "place"


def set_aside(home: Path) -> list[Path]:
    """Return the files that were set aside as damaged and are still there, the first one first."""
    return sorted(home.glob(f"{WINDOW_FILE}.damaged-*"))


async def open_window(config: NodeConfig, own: Collection[bytes]) -> Store:
    """Return the window of a home, made on first use; a damaged one is salvaged and set aside.

    Args:
        config: whose home it is in.
        own: ids of the local identities.

    Raises:
        ConfigError: the home belongs to another network.
        StorageError: it cannot be opened, or another process uses it.
    """
    path = config.home / WINDOW_FILE
    was_replaced = is_replaced(path)
    try:
        return await _open_known(path, config, own, was_replaced=was_replaced)
    except BaseException:  # a start that is broken off, too
        # It is the one that was left; SQLite has written on it in closing it. Who had it open has
        # taken the note away since, or left one.
        if is_sealed(path) and not was_replaced:
            seal(path)
        raise


async def _open_known(
    path: Path, config: NodeConfig, own: Collection[bytes], *, was_replaced: bool
) -> Store:
    finish_salvage(path)
    try:
        store = await _open_sound(path, config)
    except StorageError as error:
        if error.cause is not StorageCause.DAMAGED:
            raise
        done = await salvage(path, own, partial(_is_whole, config.limits), str(error))
        _log.error(
            "storage fault; what can be read is kept, the damaged file set aside",
            cause=error.cause,
            fault=str(error),
            **msgspec.structs.asdict(done),
        )
        store = await Store.open(path, disk_bytes=config.disk_bytes)
    try:
        network = await store.get_meta("network")
        if network is None:
            await store.set_meta("network", config.network.encode())
        elif network != config.network.encode():
            raise ConfigError(
                f"network {config.network!r}: the home {config.home} belongs to "
                f"{network.decode(errors='replace')!r}; use another home for another network"
            )
        if was_replaced:
            await store.set_meta(COPIED, b"\x01")
            _log.warning("another window than the node left here: its users begin new epochs")
    except BaseException:  # or the next attempt would find it locked
        await store.close()
        raise
    _warn_of_small_bound(config)
    return store


def private_bytes(config: NodeConfig) -> int:
    """Return what private interactions may take on the disk: what a full window leaves there.

    A quarter of the bound at least, or a bound that a full window can pass would leave nothing.
    """
    left = config.disk_bytes - _most_bytes(config.limits)
    return min(config.limits.private_bytes, max(left, config.disk_bytes // 4))


def _most_bytes(limits: Limits) -> int:
    """Return what a window of records as long as they may be takes, log included."""
    return limits.window_statement_count * limits.statement_bytes + WAL_BYTES


def _warn_of_small_bound(config: NodeConfig) -> None:
    """Tell beforehand that the window may grow past the bound, where nothing is stored any more."""
    most_bytes = _most_bytes(config.limits)
    if config.disk_bytes < most_bytes:
        _log.warning(
            "a full window can be larger than the disk bound: allow more, or fewer statements",
            disk_bytes=config.disk_bytes,
            window_bytes=most_bytes,
            window_statements=config.limits.window_statement_count,
        )


async def _open_sound(path: Path, config: NodeConfig) -> Store:
    store = await Store.open(path, disk_bytes=config.disk_bytes)
    try:
        await store.check_values()
    except BaseException:
        await store.close()
        raise
    return store


async def begin_window(config: NodeConfig, made: Sequence[bytes]) -> None:
    """Make the window of a home whose keys were made now, so that it counts as their original.

    Its network is settled when it is first opened to take part: until then it may still be changed.

    Args:
        config: whose home it is in.
        made: ids of the identities whose keys these are.

    Raises:
        StorageError: it cannot be made.
    """
    async with await Store.open(config.home / WINDOW_FILE, disk_bytes=config.disk_bytes) as store:
        await claim(store, made)
        await settle(store, config)


async def claim(store: Store, made: Sequence[bytes]) -> None:
    """Note identities that were made here and now: nobody else has used their numbers.

    Of any other that says nothing yet, a key file that was copied here by hand, this is not known.

    Args:
        store: the window, open.
        made: their ids.

    Raises:
        StorageError: it cannot be written.
    """
    await store.commit([ReserveSequence(author, 0, 1) for author in made])


async def is_copy(store: Store, config: NodeConfig, *, has_new_keys: bool) -> bool:
    """Tell whether a home is a copy, so that another one may use the same keys.

    A copy is a backup's, or one made by hand: then the file has another inode, or is not the one
    that was left (`tastemesh.node.seal`). Where file systems give inodes anew by themselves, a node
    only begins more epochs than it needs. A window that was
    made now for keys that were there counts as one, too: the one that was lost or moved away knew
    which numbers they had used.

    Args:
        store: the window, open.
        config: whose home it is in.
        has_new_keys: whether the keys were made at this start.

    Raises:
        StorageError: it cannot be read.
    """
    known = await store.get_meta(_PLACE) == _place(config)
    return bool(await store.get_meta(COPIED)) or not (known or has_new_keys)


async def load(store: Store, wall_ms: int, *, copied: bool) -> AsyncIterator[Restored]:
    """Yield what a window holds, in parts, the last one with who may have signed elsewhere.

    Args:
        store: the window, open.
        wall_ms: wall clock.
        copied: see `is_copy`.

    Raises:
        StorageError: it cannot be read.
    """
    async for part in store.parts(wall_ms):
        if part.is_last:
            part = msgspec.structs.replace(part, copied=copied, knows_ours=True)
        yield part


async def settle(store: Store, config: NodeConfig) -> None:
    """Note that a window is the original from now on: its identities' new epochs are committed."""
    if await store.get_meta(COPIED):
        await store.set_meta(COPIED, b"")
    if await store.get_meta(_PLACE) != _place(config):
        await store.set_meta(_PLACE, _place(config))


def _is_whole(limits: Limits, record_id: bytes, envelope: bytes) -> bool:
    return open_envelope(envelope, limits).record_id == record_id


def _place(config: NodeConfig) -> bytes:
    return str((config.home / WINDOW_FILE).stat().st_ino).encode()


async def find_brokers(config: NodeConfig, stack: AsyncExitStack) -> tuple[str, ...]:
    """Return the URLs of the brokers to join; by default the one that this machine's nodes share.

    Args:
        config: `brokers` is used, and `home` for the embedded one's files.
        stack: closes a broker that this starts.

    Raises:
        TransportError: the embedded broker cannot be started.
    """
    if config.brokers:
        return config.brokers
    await share_broker(config.home / "broker", BROKER_PORT, stack)
    return (EMBEDDED_BROKER_URL,)
