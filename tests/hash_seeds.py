"""Programs under a hash seed of their own: what they give must not depend on it."""

import os
import subprocess
import sys


def printed(program: str, *arguments: str, hash_seed: str) -> str:
    """Return what a Python program prints.

    Args:
        program: its text.
        arguments: from `sys.argv[1]` on.
        hash_seed: for `PYTHONHASHSEED`.
    """
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
