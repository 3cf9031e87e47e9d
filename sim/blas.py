"""How many threads the libraries of linear algebra take, which they read where they are loaded."""

from collections.abc import Mapping

ONE_THREAD: Mapping[str, str] = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
"""Variables of the environment for one thread a process.

With more an inverse has other last digits (measured), so that lists depended on the machine; and
beside other work two threads took three times as long as one, which waits for nobody (measured).
"""
