"""Which kernel works: numba's where the extra `fast` is installed, numpy's while that compiles.

Compiling takes some ten seconds once per machine, for which a process that serves others cannot
stand still. The kernels that ask here give the same numbers to the bit, so it matters to nobody
which of them worked: such a process says `postpone`, and compiles beside what it does.
"""

import importlib.util

_HAS_NUMBA = importlib.util.find_spec("numba") is not None
_is_postponed = False


def is_compiled(wanted: bool | None) -> bool:
    """Tell whether numba's kernel is to work.

    Args:
        wanted: it (True), numpy's (False), or whichever is there and not postponed (None).
    """
    return _HAS_NUMBA and not _is_postponed if wanted is None else wanted


def postpone(until_told: bool) -> None:
    """Have numpy's kernels work until told otherwise, or the compiled ones from now on.

    Args:
        until_told: which of the two.
    """
    global _is_postponed  # of the process, as what is compiled is
    _is_postponed = until_told
