"""What a running node is made of, and the order in which its parts come up."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

import structlog
from msgspec import structs

from tastemesh.gossip import inputs
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.identity import format_id
from tastemesh.node.ahead import AheadReader
from tastemesh.node.clock import Clock
from tastemesh.node.collection import uncollected
from tastemesh.node.core import Core
from tastemesh.node.driver import Driver
from tastemesh.node.home import (
    WINDOW_FILE,
    claim,
    find_brokers,
    is_copy,
    load,
    open_window,
    private_bytes,
    settle,
)
from tastemesh.node.identities import KeyRing
from tastemesh.node.kernels import KERNELS
from tastemesh.node.mqtt import MqttTransport
from tastemesh.node.nowhere import Nowhere
from tastemesh.node.scorer import ScorerParameters
from tastemesh.node.seal import seal, unseal
from tastemesh.node.settings import NodeConfig
from tastemesh.node.stages import Stages, TimedView
from tastemesh.node.tasks import end
from tastemesh.node.threads import Threads
from tastemesh.node.transport import Transport
from tastemesh.storage.store import Store

_log = structlog.get_logger(__name__)


class Parts(NamedTuple):
    """The parts of a node, all of them running.

    Attributes:
        keys: the local users' keys.
        store: the window, open.
        core: the protocol and the ranking, restored from the window.
        transport: links to the brokers, which connect in their own time; or to nobody.
        driver: carries out what the core orders.
        running: the driver's loop.
    """

    keys: KeyRing
    store: Store
    core: Core
    transport: Transport
    driver: Driver
    running: asyncio.Task[None]


async def assemble(
    config: NodeConfig, clock: Clock, tell: Callable[[Effect], None], stack: AsyncExitStack
) -> Parts:
    """Open a home, restore what the window holds, and join the network, if any.

    Args:
        config: of the node.
        clock: its time.
        tell: takes what the core has to say to the application.
        stack: closes the parts, the last one first.

    Raises:
        ConfigError: a key, the network or a broker's URL is wrong.
        StorageError: the window cannot be opened, or another process uses this home.
        TransportError: the embedded broker cannot be started.
    """
    KERNELS.postpone()
    keys = KeyRing(config.home / "keys", config.passphrase)
    signers = tuple(keys.signers.values())
    window = config.home / WINDOW_FILE
    store = await open_window(config, [signer.id for signer in signers])
    stack.callback(seal, window)  # once it is closed
    await stack.enter_async_context(store)
    copied = await is_copy(store, config, has_new_keys=keys.is_new)
    if copied:  # or it would read the other one's inbox, and each end the other's sessions
        keys.renew_node()
    stages = Stages()
    await claim(store, keys.made)
    reader = AheadReader(config.network, config.limits, stages, lambda each: core.holds(each))
    stack.callback(reader.close)
    core = Core(
        node=keys.node,
        signers=signers,
        network=config.network,
        limits=structs.replace(config.limits, private_bytes=private_bytes(config)),
        seed=secrets.token_bytes(32),
        reader=reader,
        view=TimedView(stages),
        ranking=ScorerParameters(
            diversity=config.diversity, exploration_share=config.exploration_share
        ),
        workers=Threads(),
    )
    transport = await _join(config, keys, stack)
    driver = Driver(core, store, transport, clock, tell, stages, reader)
    wall_ms = clock.wall_ms()
    with uncollected():
        async for part in load(store, wall_ms, copied=copied):
            driver.restore(part)
    stages.clear()  # what came back from the disk did not come in now
    driver.handle(inputs.StartedAlone() if config.offline else inputs.Started(wall_ms))
    running = asyncio.create_task(driver.run(), name="tastemesh-driver")
    stack.push_async_callback(end, running)
    await driver.flush()
    await settle(store, config)
    unseal(window)
    return Parts(keys, store, core, transport, driver, running)


async def _join(config: NodeConfig, keys: KeyRing, stack: AsyncExitStack) -> Transport:
    """Find or start a broker, and begin to connect; unless the node is to be offline."""
    transport: Transport
    if config.offline:
        _log.info("offline, by its configuration")
        transport = Nowhere()
    else:
        urls = await find_brokers(config, stack)
        client_id = f"tastemesh-{format_id(keys.node.id)[:16]}"
        transport = MqttTransport(urls, client_id=client_id, settings=config.mqtt)
    return await stack.enter_async_context(transport)
