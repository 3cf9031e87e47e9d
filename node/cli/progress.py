"""How long work is shown: a bar on a terminal; elsewhere a line a stage, and one a minute."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

EVERY_S = 60.0  # between two lines of a stage in a log: few, and none looks hung (guess)

Told = Callable[[str, int, int], None]
"""Is told (stage, done, total)."""


@contextmanager
def stages(clock: Callable[[], float] = time.monotonic) -> Iterator[Told]:
    """Give a function that is told (stage, done, total); writes to stderr.

    Args:
        clock: gives seconds, any origin.
    """
    console = Console(stderr=True)
    bars: dict[str, TaskID] = {}
    said_s = clock()
    with Progress(
        TextColumn("{task.description:24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:

        def told(stage: str, done: int, total: int) -> None:
            nonlocal said_s
            line = f"{stage}: {done:,} of {total:,}" if clock() - said_s >= EVERY_S else ""
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total)
                line = f"{stage} ..."
            if line and not console.is_terminal:
                console.print(line, highlight=False)
                said_s = clock()
            progress.update(bars[stage], completed=done, total=total)

        yield told
