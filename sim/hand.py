"""A further process of an evaluation: `python -m tastemesh.sim.hand`.

Started by `tastemesh.sim.crew` and by nobody else, which tells it the bench and then steps, as
pickles. Whatever ends the first process closes this one's input, and so ends this one at once.
"""

import os
import pickle
import signal
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, NoReturn

from tastemesh.errors import UsageError
from tastemesh.sim.trials import Step, Trials


def main() -> int:
    """Take steps until the first process closes the input."""
    answers = os.fdopen(os.dup(1), "wb")
    if sys.platform != "win32":  # where another has it open, the end of this one goes unnoticed
        os.register_at_fork(after_in_child=answers.close)
    os.dup2(2, 1)  # what anything prints is for people
    told = os.fdopen(os.dup(0), "rb")
    # A process that is forked here closes its input: where a thread reads that, it waits for ever.
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    trials = Trials(pickle.load(told))  # noqa: S301 - of the process that started it
    steps: SimpleQueue[Step] = SimpleQueue()
    threading.Thread(target=_listen, args=(told, steps), daemon=True).start()
    while True:
        try:
            found = pickle.dumps(trials.take(steps.get()))
        except UsageError as error:
            found = pickle.dumps(error)
        except MemoryError:
            return 1  # of which the first process tells
        try:
            answers.write(found)
            answers.flush()
        except BrokenPipeError:  # it has ended, and the thread has not noticed yet
            _end()


def _listen(source: BinaryIO, steps: "SimpleQueue[Step]") -> None:
    """Take in steps beside the work, so that the end of the first process is noticed."""
    try:
        while True:
            steps.put(pickle.load(source))  # noqa: S301 - as above
    except (EOFError, OSError, pickle.UnpicklingError):
        _end()


def _end() -> NoReturn:
    if sys.platform != "win32":
        os.killpg(0, signal.SIGKILL)  # with what a system has started here
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
