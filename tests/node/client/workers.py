"""A program of several processes that share a client, as a server with workers is.

A process of its own: what the tests' process has loaded runs threads, and should not be forked.
"""

import multiprocessing
import os
import sys
import threading
import warnings
from typing import Any

import tastemesh
from tastemesh.errors import UsageError
from tastemesh.node.events import RecordAccepted

COUNT = 3
ROUNDS = 20


def say(node: tastemesh.RemoteNode, name: str) -> None:
    """Record as one user, and check each time that no answer is another process's."""
    user = node.identity(name)
    for number in range(ROUNDS):
        (record_id,) = user.record(f"{name} {number}")
        assert len(record_id) == 64
        assert user.explain(f"{name} {number}") is None
        said = [each.item for each in user.export().interactions]
        assert sorted(said) == sorted(f"{name} {n}" for n in range(number + 1))
    node.close()


def share(node: tastemesh.RemoteNode, method: str) -> None:
    """Have workers say something, all at once with this process."""
    node.recommend()  # a connection is kept that no worker is to speak on
    context: Any = multiprocessing.get_context(method)
    names = [f"{method}-{number}" for number in range(COUNT)]
    workers = [context.Process(target=say, args=(node, name)) for name in names]
    for worker in workers:
        worker.start()
    say(node, f"{method}-parent")
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * COUNT
    for name in names:
        assert len(node.export(identity=name).interactions) == ROUNDS


def listen(node: tastemesh.RemoteNode) -> None:
    """Have a child try to read this process's events, and close them, some waited for."""
    events, waited_for = node.events(), node.events()
    waiting = threading.Thread(target=list, args=(waited_for,))
    waiting.start()
    warnings.filterwarnings("ignore", r"This process .* is multi-threaded", DeprecationWarning)
    child = os.fork()
    if not child:
        try:
            next(events)
        except UsageError:
            events.close()  # which does not end them for the parent
            waited_for.close()
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    (record_id,) = node.record("for the parent", identity=node.identity("parent").name)
    event = next(events)
    assert isinstance(event, RecordAccepted)
    assert event.record_id == record_id
    events.close()
    waited_for.close()
    waiting.join()


if __name__ == "__main__":
    with tastemesh.connect(sys.argv[1]) as client:
        if sys.argv[2] == "listen":
            listen(client)
        else:
            share(client, sys.argv[2])
