"""Processes that simulate one network together.

Each runs the same program on the same scenario and seed, has all of the network and its share of
the nodes (`Company.has`). Whenever one needs what the others have, all of them hand in something
at the same place of the program and all are given everything: `exchange`. One process alone is a
company of one, and the program is the same.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import TypeVar

import msgspec

from tastemesh.errors import ProcessError

# From so many nodes in each on, another process pays (measured: 100 nodes take as long in two).
_LEAST_NODES = 100

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of version 2, as a container sees its own

_END_S = 10.0  # in which a process ends once its work is done: it has only memory to free

_encoder = msgspec.msgpack.Encoder()
_frames = msgspec.msgpack.Decoder(list[bytes])

_Value = TypeVar("_Value")


class Company:
    """One process's place among those that simulate a network.

    Args:
        rank: its number, from 0; the first one is asked for the result.
        size: how many there are.
        lines: to all the others on the first one, to the first one on each other.
    """

    def __init__(self, rank: int = 0, size: int = 1, lines: Sequence[Connection] = ()) -> None:
        self.rank = rank
        self.size = size
        self._lines = lines

    def has(self, number: int) -> bool:
        """Tell whether a node lives in this process."""
        return number % self.size == self.rank

    def exchange(self, mine: bytes) -> list[bytes]:
        """Hand in something and return what each process handed in, by rank.

        Raises:
            ProcessError: one of them has ended.
        """
        if self.size == 1:
            return [mine]
        try:
            if self.rank:
                self._lines[0].send_bytes(mine)
                return _frames.decode(self._lines[0].recv_bytes())
            everything = [mine, *(line.recv_bytes() for line in self._lines)]
            packed = _encoder.encode(everything)
            for line in self._lines:
                line.send_bytes(packed)
            return everything
        except (EOFError, OSError) as error:
            raise ProcessError(
                "a process of the simulation ended before its work did; if it said nothing above, "
                "the system may have stopped it for want of memory"
            ) from error

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
        frames = self.exchange(_encoder.encode(mine))
        return [msgspec.msgpack.decode(frame, type=kind) for frame in frames]


def fitting_size(nodes: int) -> int:
    """Return how many processes are best for a network: one a processor, where nodes suffice.

    Args:
        nodes: how many it has.
    """
    return max(1, min(_processor_count(), nodes // _LEAST_NODES))


def _processor_count() -> int:
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
    """
    lines: list[Connection] = []
    members: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(1, size):
            ours, theirs = Pipe()
            lines.append(ours)
            with theirs:
                place = [str(theirs.fileno()), str(rank), str(size)]
                members.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "tastemesh.sim.member", *place],
                        stdin=subprocess.DEVNULL,
                        pass_fds=[theirs.fileno()],
                    )
                )
            ours.send_bytes(task)
        yield Company(0, size, lines)
        for member in members:
            member.wait(_END_S)
    finally:
        for line in lines:
            line.close()
        for member in members:
            member.kill()
            member.wait()
