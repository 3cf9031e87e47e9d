"""A further process of a simulation: `python -m tastemesh.sim.member RANK FD...`.

Started by `tastemesh.sim.company` and by nobody else. Whatever ends the first process ends this one
as well, by the line between them.
"""

import sys
from socket import socket

from tastemesh.errors import TastemeshError
from tastemesh.sim.company import Company
from tastemesh.sim.lines import Line, take_from_each
from tastemesh.sim.run import take_part


def main(arguments: list[str]) -> int:
    """Take part in a simulation until its end.

    Args:
        arguments: this one's rank, and the numbers of the file descriptors that lead to the
            others, by rank; the first one says what is to be done.
    """
    rank, *descriptors = map(int, arguments)
    lines = [Line(socket(fileno=descriptor)) for descriptor in descriptors]
    try:
        (task,) = take_from_each(lines[:1])
        take_part(task, Company(rank, lines))
    except TastemeshError:
        return 1  # the first process is gone, or says what is wrong itself
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
