"""Runs every attempt of an experiment, here or spread over processes and machines.

Each attempt is a function of its stage and its own name, so the cells are the same wherever and in
whatever order they are filled; they come back in the order of the grid.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tastemesh.sim.adversaries.staging import endorsing
from tastemesh.sim.attack.backends import IN_PROCESS, Backend
from tastemesh.sim.attack.cells import Attempt, Cell, attempt_cells
from tastemesh.sim.attack.journal import Journal
from tastemesh.sim.attack.options import AttackOptions, check_options
from tastemesh.sim.attack.stage import Stage, clean_lists, set_stage
from tastemesh.sim.interactions import Endorsements, Interactions

Progress = Callable[[str, int, int], None]


def run_attacks(
    interactions: Interactions,
    endorsements: Endorsements | None,
    options: AttackOptions,
    progress: Progress | None = None,
    *,
    backend: Backend = IN_PROCESS,
    journal: Journal | None = None,
) -> list[Cell]:
    """Fill every cell.

    Args:
        interactions: distinct pairs.
        endorsements: of the same people, or None.
        options: what to try.
        progress: told (stage, done, total).
        backend: who does the work.
        journal: finished attempts, which are not repeated; new ones are added.

    Returns:
        Seed by seed, and in each in the order of strategies, identities, edges, systems and groups.

    Raises:
        UsageError: an option is unknown or out of range, or nobody can be asked.
    """
    check_options(options, has_endorsements=endorsements is not None)
    if endorsements is not None:  # else it is found hours later, at the first such attempt
        endorsing(endorsements, max(options.attack_edges))
    attempts = [
        Attempt(seed, strategy, identities, edges, system)
        for seed in range(options.seeds)
        for strategy in options.strategies
        for identities in options.identities
        for edges in options.attack_edges
        for system in options.systems
    ]
    found = journal.finished(attempts) if journal is not None else {}
    if progress is not None:
        progress("attacking", len(found), len(attempts))
    for seed in range(options.seeds):
        missing = [each for each in attempts if each.seed == seed and each not in found]
        if not missing:
            continue
        stage = set_stage(interactions, endorsements, options, seed)
        clean = _clean(stage, missing, backend)
        calls = [(stage, each, clean[each.system]) for each in missing]
        for attempt, cells in backend.run(attempt_cells, calls, shared=stage):
            found[attempt] = cells
            if journal is not None:
                journal.append(cells)
            if progress is not None:
                progress("attacking", len(found), len(attempts))
    return [cell for attempt in attempts for cell in found[attempt]]


def _clean(
    stage: Stage, missing: Sequence[Attempt], backend: Backend
) -> dict[str, list[NDArray[np.int32]]]:
    systems = sorted({attempt.system for attempt in missing})
    calls = [(stage, system) for system in systems]
    return dict(backend.run(_named_lists, calls, shared=stage))


def _named_lists(stage: Stage, system: str) -> tuple[str, list[NDArray[np.int32]]]:
    return system, clean_lists(stage, system)
