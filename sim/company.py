"""Processes that simulate one network together.

Each runs the same program on the same scenario and seed, has all of the network and its share of
the nodes (`Company.has`). Whenever one needs what the others have, all of them hand in something
at the same place of the program and all are given everything (`gather`). One process alone is a
company of one, and the program is the same.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import socket, socketpair
from typing import TypeVar

import msgspec

from tastemesh.errors import UsageError
from tastemesh.sim.lines import Line, take_from_each

# From so many nodes in each on, another process pays (measured: 100 nodes take as long in two).
_LEAST_NODES = 100

# Each repeats the network between the nodes, a twentieth of the work of one alone (ADR 18): more
# bring next to nothing, and need more lines than the usual 1,024 descriptors allow.
_MOST = 32

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of version 2, as a container sees its own

_encoder = msgspec.msgpack.Encoder()

_Value = TypeVar("_Value")


class Company:
    """One process's place among those that simulate a network.

    Args:
        rank: its number, from 0; the first one is asked for the result.
        lines: to the others, by rank.
    """

    def __init__(self, rank: int = 0, lines: Sequence[Line] = ()) -> None:
        self.rank = rank
        self.size = len(lines) + 1
        """How many there are."""
        self._lines = lines

    def has(self, number: int) -> bool:
        """Tell whether a node lives in this process."""
        return number % self.size == self.rank

    def post(self, mine: bytes) -> None:
        """Hand in something, without waiting for the others.

        Raises:
            ProcessError: one of them has ended.
        """
        for line in self._lines:
            line.post(mine)

    def collect(self) -> list[bytes]:
        """Wait for what the others handed in next, and return it, by rank.

        Raises:
            ProcessError: one of them has ended.
        """
        return take_from_each(self._lines)

    def gather(self, mine: _Value, kind: type[_Value]) -> list[_Value]:
        """Hand in a value and return each process's, by rank.

        Args:
            mine: MessagePack can hold it.
            kind: its type, as it is read again.

        Raises:
            ProcessError: one of them has ended.
        """
        if self.size == 1:
            return [mine]
        self.post(_encoder.encode(mine))
        values = [msgspec.msgpack.decode(frame, type=kind) for frame in self.collect()]
        values.insert(self.rank, mine)
        return values


def fitting_size(nodes: int) -> int:
    """Return how many processes are best for a network: one a processor, where nodes suffice.

    Args:
        nodes: how many it has.
    """
    return max(1, min(processor_count(), nodes // _LEAST_NODES, _MOST))


def processor_count() -> int:
    """Return how many processors this process may use, a container's share of time included."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        quota_us, period_us = _CGROUP_QUOTA.read_text().split()
        return max(1, min(count, int(quota_us) // int(period_us)))
    except (OSError, ValueError):  # no container, or no bound ("max")
        return count


@contextmanager
def gathered(size: int, task: bytes) -> Iterator[Company]:
    """Start the other processes of a company, and end them.

    Args:
        size: how many processes there are with this one, 1 or more.
        task: what `tastemesh.sim.member` is to do.

    Raises:
        UsageError: the system does not allow so many.
    """
    lines: list[Line] = []
    members: list[subprocess.Popen[bytes]] = []
    try:
        try:
            _start(size, lines, members)
        except OSError as error:
            raise UsageError(f"processes is {size}: {error.strerror}") from None
        company = Company(0, lines)
        company.post(task)
        yield company
    finally:
        for line in lines:
            line.close()
        for member in members:
            member.kill()  # all that it had to say was collected; it has only memory to free
            member.wait()


def _start(size: int, lines: list[Line], members: list[subprocess.Popen[bytes]]) -> None:
    """Start all but the first process, and add them and the lines to them."""
    with ExitStack() as unused:  # who ends must be the last to have his ends
        waiting: list[list[socket]] = [[] for _ in range(size)]  # by rank, those to others by rank
        for rank, ends in enumerate(waiting):
            for later in waiting[rank + 1 :]:
                for end, whose in zip(socketpair(), (ends, later), strict=True):
                    whose.append(unused.enter_context(end))
            if rank:
                members.append(_member(rank, [end.fileno() for end in ends]))
                for end in ends:
                    end.close()
            else:
                lines += [Line(end.dup()) for end in ends]


def _member(rank: int, descriptors: list[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # It finds modules where this process does, and none in the folder that it is started in.
        [sys.executable, "-P", "-m", "tastemesh.sim.member", str(rank), *map(str, descriptors)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        pass_fds=descriptors,
        start_new_session=True,  # an interrupt from the terminal is for the first process
    )
