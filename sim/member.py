"""A further process of a simulation: `python -m tastemesh.sim.member FD RANK SIZE`.

Started by `tastemesh.sim.company` and by nobody else.
"""

import signal
import sys
from multiprocessing.connection import Connection

from tastemesh.errors import ProcessError
from tastemesh.sim.company import Company
from tastemesh.sim.run import take_part


def main(arguments: list[str]) -> int:
    """Take part in a simulation until its end.

    Args:
        arguments: number of the file descriptor that leads to the first process, this one's rank,
            and how many there are.
    """
    # Whoever interrupts the first process ends this one as well, by the line between them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor, rank, size = map(int, arguments)
    line = Connection(descriptor)
    try:
        take_part(line.recv_bytes(), Company(rank, size, [line]))
    except (ProcessError, EOFError):
        return 1  # the first process is gone, or says what is wrong itself
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
