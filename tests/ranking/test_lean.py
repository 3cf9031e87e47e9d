"""What a start does not load."""

import subprocess
import sys

PROGRAM = """
import sys
sys.modules["numba"] = None  # it has its own ideas
import tastemesh.node.daemon, tastemesh.node.cli
import numpy
print(sorted({"numpy.f2py", "numpy.testing", "scipy.sparse"} & sys.modules.keys()))
print("f2py" in dir(numpy), "testing" in numpy.__all__, numpy.testing.__name__)
"""


def test_a_daemon_loads_neither_compiler_nor_test_tools() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["['scipy.sparse']", "True True numpy.testing"], done.stderr
