"""Who takes the steps of an evaluation: this process, or several that it starts.

Each of several is a program of its own (`tastemesh.sim.hand`), asked by a thread of this one
through its standard input and output, so that nothing depends on how a system makes processes.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import LifoQueue
from typing import Protocol, TypeAlias

from tastemesh.errors import ProcessError, UsageError
from tastemesh.sim.blas import ONE_THREAD
from tastemesh.sim.company import processor_count
from tastemesh.sim.interactions import Interactions
from tastemesh.sim.trials import Bench, Lists, Step, Trials

# From so many on, a second to start a process pays even for the quickest methods (measured).
_LEAST_INTERACTIONS = 20_000

Found: TypeAlias = list[float] | Lists


class Crew(Protocol):
    """Takes steps."""

    size: int
    """How many at once."""

    def submit(self, step: Step) -> "Future[Found]":
        """Have a step taken.

        Returns:
            What it finds; or raises `UsageError` (the method cannot run on these data) or
            `ProcessError` (the process that took it has ended).
        """
        ...


class _Alone:
    """Takes each step at once."""

    size = 1

    def __init__(self, bench: Bench) -> None:
        self._trials = Trials(bench)

    def submit(self, step: Step) -> "Future[Found]":
        future: Future[Found] = Future()
        try:
            future.set_result(self._trials.take(step))
        except UsageError as error:
            future.set_exception(error)
        return future


class _Hand:
    """One process, started when it is first asked."""

    def __init__(self, told: bytes) -> None:
        self._told = told
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ended = False
        self._lock = threading.Lock()

    def ask(self, step: Step) -> Found:
        found: Found | UsageError
        try:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(pickle.dumps(step))
            process.stdin.flush()
            found = pickle.load(process.stdout)  # noqa: S301 - of a process that is ours
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise ProcessError(
                "a process of the evaluation ended before its work did; if it said nothing above, "
                "the system may have stopped it for want of memory: fewer --processes need less"
            ) from error
        if isinstance(found, UsageError):
            raise found
        return found

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._process is not None:
                return self._process
            if self._is_ended:
                raise EOFError
            self._process = process = _process()
        assert process.stdin is not None
        process.stdin.write(self._told)
        return process

    def end(self) -> None:
        with self._lock:
            self._is_ended = True
            if self._process is not None:
                _kill(self._process)

    def close(self) -> None:
        """Let go of it, when nobody asks it any more."""
        if self._process is not None:
            with suppress(OSError):  # what was not written to it
                self._process.communicate()


class _Several:
    """Has several processes take steps.

    Args:
        hands: the processes, not in use elsewhere.
        threads: as many.
    """

    def __init__(self, hands: list[_Hand], threads: ThreadPoolExecutor) -> None:
        self.size = len(hands)
        self._threads = threads
        self._idle: LifoQueue[_Hand] = LifoQueue()  # no more are started than work at once
        for hand in hands:
            self._idle.put(hand)

    def submit(self, step: Step) -> "Future[Found]":
        return self._threads.submit(self._ask, step)

    def _ask(self, step: Step) -> Found:
        hand = self._idle.get()
        try:
            return hand.ask(step)
        finally:
            self._idle.put(hand)


@contextmanager
def assembled(size: int, bench: Bench) -> Iterator[Crew]:
    """Give a crew, and end its processes at the end, whatever they are at.

    Args:
        size: how many processes take steps at once, 1 or more; 1 is this one.
        bench: what steps are taken on.
    """
    if size == 1:
        yield _Alone(bench)
        return
    told = pickle.dumps(bench)
    hands = [_Hand(told) for _ in range(size)]
    threads = ThreadPoolExecutor(size, thread_name_prefix="evaluate")
    try:
        yield _Several(hands, threads)
    finally:
        for hand in hands:
            hand.end()
        threads.shutdown(cancel_futures=True)
        for hand in hands:
            hand.close()


def fitting_crew(interactions: Interactions) -> int:
    """Return how many processes are best: one a processor, where there is work for them."""
    return processor_count() if len(interactions) >= _LEAST_INTERACTIONS else 1


def _process() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # It finds modules where this process does, and none in the folder that it is started in.
        [sys.executable, "-P", "-m", "tastemesh.sim.hand"],
        env={**ONE_THREAD, **os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # an interrupt from the terminal is for the first process
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process that has only memory to free, as all that it found was taken in.

    With it what a system has started in it, such as a pool: that holds the other end of its output,
    for which this process would wait for ever.
    """
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):  # all of them have ended, by system
            os.killpg(process.pid, signal.SIGKILL)
