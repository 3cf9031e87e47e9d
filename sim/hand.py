"""A further process of an evaluation: `python -m tastemesh.sim.hand`.

Started by `tastemesh.sim.crew` and by nobody else, which tells it the bench and then steps, as
pickles. Whatever ends the first process closes this one's input, and so ends this one at once.
"""

import os
import pickle
import sys
import threading
from queue import SimpleQueue
from typing import BinaryIO

from tastemesh.errors import UsageError
from tastemesh.sim.trials import Step, Trials


def main() -> int:
    """Take steps until the first process closes the input."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints is for people
    trials = Trials(pickle.load(sys.stdin.buffer))  # noqa: S301 - of the process that started it
    steps: SimpleQueue[Step] = SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, steps), daemon=True).start()
    while True:
        try:
            found = pickle.dumps(trials.take(steps.get()))
        except UsageError as error:
            found = pickle.dumps(error)
        except MemoryError:
            return 1  # of which the first process tells
        answers.write(found)
        answers.flush()


def _listen(source: BinaryIO, steps: "SimpleQueue[Step]") -> None:
    """Take in steps beside the work, so that the end of the first process is noticed."""
    try:
        while True:
            steps.put(pickle.load(source))  # noqa: S301 - as above
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
