"""`tastemesh`, and `python -m tastemesh`: the command line, quiet from its first moment on.

A Ctrl-C while the commands are still loading, some tenths of a second, ends as any later one does.
"""

import os
import signal
import sys
from types import FrameType

_INTERRUPTED = 130  # as shells have it


def main() -> int:
    """Run one command; returns the exit status."""
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_ours:  # and not ignored, as in a shell's background job
        signal.signal(signal.SIGINT, _leave)
    from tastemesh.node import cli

    if is_ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return cli.main()


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(_INTERRUPTED)  # nothing has been begun


if __name__ == "__main__":
    sys.exit(main())
