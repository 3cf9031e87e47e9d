"""scipy.sparse, imported without what it imports for nothing.

scipy asks for every name that numpy has, and so wakes numpy's Fortran compiler driver and its test
tools, which are loaded only when asked for: 5 MB of memory and a tenth of a second of every start
(measured, scipy 1.17). So numpy does not name these two while scipy looks, as it may (PEP 562).
"""

import sys

import numpy as np

_UNUSED = frozenset({"f2py", "testing"})

if "scipy.sparse" not in sys.modules:
    _names = vars(np)
    _named = {name: _names[name] for name in ("__all__", "__dir__")}
    _public = [name for name in dir(np) if name not in _UNUSED]
    _names["__all__"] = [name for name in np.__all__ if name not in _UNUSED]
    _names["__dir__"] = lambda: _public
    try:
        import scipy.sparse  # noqa: F401
    finally:
        _names.update(_named)
