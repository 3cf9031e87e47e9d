"""The embedded broker that the nodes of one machine share: whoever is there runs it.

The first node starts it; when that one ends, another takes its place, so none is left without.
"""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from tastemesh.errors import TransportError
from tastemesh.node.broker import EmbeddedBroker, is_listening
from tastemesh.node.tasks import end

_log = structlog.get_logger(__name__)

HOST = "127.0.0.1"

# Between two looks whether the port has become free, for which nobody is asked: as short as a node
# may be without a broker unnoticed (guess).
_LOOK_S = 2.0


async def share_broker(store: Path, port: int, stack: AsyncExitStack) -> None:
    """Start the broker unless another node of this machine runs it; then, once that one is gone.

    Args:
        store: a folder for the broker's files, of this node alone.
        port: where it answers.
        stack: closes what this starts.

    Raises:
        TransportError: it cannot be started.
    """
    started = await stack.enter_async_context(AsyncExitStack())
    if not await is_listening(HOST, port):
        try:
            await started.enter_async_context(EmbeddedBroker(store, port=port))
        except TransportError:
            # Another node that starts at this moment may have been the first to take the port.
            if not await is_listening(HOST, port):
                raise
        else:
            return
    standing_by = asyncio.create_task(_stand_by(store, port, started), name="tastemesh-stand-by")
    stack.push_async_callback(end, standing_by)


async def _stand_by(store: Path, port: int, started: AsyncExitStack) -> None:
    told = ""
    while True:
        await asyncio.sleep(_LOOK_S)
        if not _is_free(port):
            continue
        try:
            await started.enter_async_context(EmbeddedBroker(store, port=port))
        except TransportError as error:  # or another node was first
            if str(error) != told and _is_free(port):
                told = str(error)
                _log.warning("cannot take the embedded broker over", fault=told)
        else:
            _log.info("runs the embedded broker now: the node that did is gone", port=port)
            return


def _is_free(port: int) -> bool:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            probe.bind((HOST, port))
    except OSError:  # taken; whatever else it may be, a broker would fare no better
        return False
    return True
