"""Functions that numba compiles (extra `fast`), kept on disk for the next process where that works.

Compiling takes half a minute once per machine. What is kept is a help and no more: where it cannot
be written (a full disk, a locked-down service) or read (a file cut short by a loss of power), numba
raises, and no list could be made until somebody found and deleted that file. So it is compiled
again instead, and what is damaged is thrown away.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, TypeVar

import numba
from numba.core import caching

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])
_Cache: Any = caching.FunctionCache  # typed in part, and in some versions only


class _Kept(_Cache):  # type: ignore[misc]
    """What was compiled before, or nothing: never an exception."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a damaged pickle raises nearly anything
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)


def compiled(function: _Kernel, *, error_model: Literal["python", "numpy"] = "python") -> _Kernel:
    """Return a function that is compiled when it is first called, and runs without Python's lock.

    Args:
        function: of numbers and arrays.
        error_model: as for numba's `njit`: whether a division by zero raises.
    """
    kernel: Any = numba.njit(nogil=True, error_model=error_model)(function)
    with suppress(RuntimeError):  # no folder can be written: once per process then
        kernel._cache = _Kept(function)  # as `cache=True` does; numba has no public way
    return kernel  # type: ignore[no-any-return]
