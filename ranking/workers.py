"""How calls that have nothing to do with each other are run: one after the other, or side by side.

This package starts no thread. A host that has the means gives them (`tastemesh.node.threads`); what
comes out is the same.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Workers(Protocol):
    """Means to run calls.

    Attributes:
        count: how many calls run at the same time, at least 1.
    """

    count: int

    def run(self, calls: Sequence[Callable[[], Result]]) -> list[Result]:
        """Return what each call returns, in their order; raise what one of them raises."""
        ...


class OneWorker:
    """Runs calls one after the other."""

    count = 1

    def run(self, calls: Sequence[Callable[[], Result]]) -> list[Result]:
        """Return what each call returns, in their order; raise what one of them raises."""
        return [call() for call in calls]


ONE_WORKER: Workers = OneWorker()
