"""Every exception that tastemesh raises on purpose. Imports nothing of ours, importable by all.

::

    TastemeshError                  anything from tastemesh
    ├── UsageError                  a value from the caller is wrong; names it and what was expected
    │   ├── ConfigError             ... in a configuration file, the environment or an option
    │   └── TraceError              ... in a recording of a simulation: missing or damaged
    ├── ReplayError                 a node does something else than in the recording
    ├── ProcessError                one of the processes that simulate a network has ended
    ├── RemoteProtocolError         what a peer sent is not a valid record; carries a RejectReason
    ├── TransportError              a broker cannot be reached or refused us
    ├── DaemonError                 a node's daemon does not run, answer, or let us in
    ├── StorageError                the window's database cannot be read or written, or a key stored
    ├── InternalError               a fault of ours, half way through an input; has what was done
    └── DataError                   a bad line in a file; names file, line and what was expected
"""

import errno
from enum import StrEnum
from typing import Any


class TastemeshError(Exception):
    """Root of the tree: anything that tastemesh raises on purpose."""


class UsageError(TastemeshError):
    """A value given by the caller is wrong; the text names it and what was expected."""


class ConfigError(UsageError):
    """A setting is wrong; the text names the setting, where it came from and what was expected."""


class TraceError(UsageError):
    """A recording of a simulation cannot be read; the text names the file and what is wrong."""


class ReplayError(TastemeshError):
    """A replayed node does something else than it did; the text names node and time."""


class ProcessError(TastemeshError):
    """One of the processes that simulate a network together has ended."""


class RemoteProtocolError(TastemeshError):
    """Bytes from a peer that are not an acceptable record.

    Raised by the codec and the validation only, and turned into a counted rejection in one place
    (`tastemesh.gossip.engine`). Any other exception out of the core is a bug of ours.

    Args:
        reason: the member of `tastemesh.gossip.limits.RejectReason` that applies.
        detail: what was found, for the log; never the payload itself.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class InternalError(TastemeshError):
    """A fault of ours came up half way through an input; its cause is the exception itself.

    What the core had taken in by then it holds, so what it ordered has to be carried out all the
    same: state and orders must not part.

    Args:
        done: the effects made before.
    """

    def __init__(self, done: list[Any]) -> None:
        super().__init__(f"{len(done)} orders were made before")
        self.done = done


class TransportError(TastemeshError):
    """A broker cannot be reached, refused us, or went away."""


class DaemonError(TastemeshError):
    """A node's daemon does not run, does not answer in time, went away, or does not let us in."""


class StorageCause(StrEnum):
    """What keeps a database from being used, for counting and alerting."""

    DISK_FULL = "disk-full"
    DISK_BOUND = "disk-bound"
    READ_ONLY = "read-only"
    DAMAGED = "damaged"
    LOCKED = "locked"
    GONE = "gone"
    IO = "io"
    OTHER = "other"

    @classmethod
    def of(cls, error: OSError) -> "StorageCause":
        """Return what a refusal of the system's is counted under."""
        return _BY_ERRNO.get(error.errno or 0, cls.IO)


_BY_ERRNO = {
    errno.ENOSPC: StorageCause.DISK_FULL,
    errno.EDQUOT: StorageCause.DISK_FULL,
    errno.EROFS: StorageCause.READ_ONLY,
    errno.EACCES: StorageCause.READ_ONLY,
    errno.EPERM: StorageCause.READ_ONLY,
}


class StorageError(TastemeshError):
    """The database cannot be opened, read or written, or a key stored; names file and cause.

    Args:
        text: what is wrong and what to do.
        cause: the same, as one word.
    """

    def __init__(self, text: str, cause: StorageCause = StorageCause.OTHER) -> None:
        super().__init__(text)
        self.cause = cause


class DataError(TastemeshError):
    """An input file is malformed.

    Args:
        path: the file as the user named it.
        line: 1-based line number, or 0 where the whole file is meant.
        problem: what was found and what was expected.
    """

    def __init__(self, path: str, line: int, problem: str) -> None:
        where = f"{path}, line {line}" if line else path
        super().__init__(f"{where}: {problem}")
        self.path = path
        self.line = line
        self.problem = problem


def is_interrupt(error: BaseException) -> bool:
    """Tell whether an exception is Ctrl-C, which numba's dispatcher wraps in a SystemError."""
    cause = error.__cause__ if isinstance(error, SystemError) else error
    return isinstance(cause, KeyboardInterrupt)
