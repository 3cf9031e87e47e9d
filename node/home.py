"""What a node finds in its home and around it: its window, and a broker to meet others at."""

from contextlib import AsyncExitStack

from tastemesh.errors import ConfigError, TransportError
from tastemesh.node.broker import EmbeddedBroker, is_listening
from tastemesh.node.settings import BROKER_PORT, EMBEDDED_BROKER_URL, NodeConfig
from tastemesh.storage.store import Store


async def open_window(config: NodeConfig) -> Store:
    """Return the window of a home, made on first use.

    Raises:
        ConfigError: the home belongs to another network.
        StorageError: it cannot be opened, or another process uses it.
    """
    store = await Store.open(config.home / "window.sqlite3", disk_bytes=config.disk_bytes)
    network = await store.get_meta("network")
    if network is None:
        await store.set_meta("network", config.network.encode())
    elif network != config.network.encode():
        await store.close()
        raise ConfigError(
            f"network {config.network!r}: the home {config.home} belongs to "
            f"{network.decode()!r}; use another home for another network"
        )
    return store


async def find_brokers(config: NodeConfig, stack: AsyncExitStack) -> tuple[str, ...]:
    """Return the URLs of the brokers to join; the embedded one, started if need be, by default.

    Args:
        config: `brokers` is used, and `home` for the embedded one's files.
        stack: closes a broker that this starts.

    Raises:
        TransportError: the embedded broker cannot be started.
    """
    if config.brokers:
        return config.brokers
    if not await is_listening("127.0.0.1", BROKER_PORT):
        broker = EmbeddedBroker(config.home / "broker", port=BROKER_PORT)
        try:
            await stack.enter_async_context(broker)
        except TransportError:
            # Another node that starts at this moment may have been the first to take the port.
            if not await is_listening("127.0.0.1", BROKER_PORT):
                raise
    return (EMBEDDED_BROKER_URL,)
