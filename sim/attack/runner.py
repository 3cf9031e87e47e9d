"""Runs every attempt of an experiment, here or spread over processes and machines.

Each attempt is a function of its stage and its own name, so the cells are the same wherever and in
whatever order they are filled; they come back in the order of the grid. What somebody brought is
tried first, once each, so that what is wrong with it is known before hours of work.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.sim.adversaries.staging import endorsing
from tastemesh.sim.adversaries.white_box import WHITE_BOX
from tastemesh.sim.attack.backends import IN_PROCESS, Backend
from tastemesh.sim.attack.cells import Attempt, Cell, attempt_cells
from tastemesh.sim.attack.journal import Journal
from tastemesh.sim.attack.options import AttackOptions, check_options
from tastemesh.sim.attack.stage import Stage, clean_lists, set_stage
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.own import brought_by

Progress = Callable[[str, int, int], None]

GivenUp = Callable[[Attempt, str], None]
"""Is told an attempt that has no cells, and why."""


def run_attacks(
    interactions: Interactions,
    endorsements: Endorsements | None,
    options: AttackOptions,
    progress: Progress | None = None,
    *,
    backend: Backend = IN_PROCESS,
    journal: Journal | None = None,
    given_up: GivenUp | None = None,
) -> list[Cell]:
    """Fill every cell.

    Args:
        interactions: distinct pairs.
        endorsements: of the same people, or None.
        options: what to try.
        progress: told (stage, done, total).
        backend: who does the work.
        journal: finished attempts, which are not repeated; new ones are added.
        given_up: told of attempts that fail after the first of their system and of their strategy;
            they have no cells. None: the first one ends it all.

    Returns:
        Seed by seed, and in each in the order of strategies, identities, edges, systems and groups.

    Raises:
        UsageError: an option is unknown or out of range, nobody can be asked, or a system or
            strategy of somebody's own gives what cannot be used.
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
    untried = set().union(*brought_by(options.own))
    for each in found:  # by the run that is resumed, which had the same file
        untried -= {each.system, each.strategy}
    for seed in range(options.seeds):
        missing = [each for each in attempts if each.seed == seed and each not in found]
        if not missing:
            continue
        stage = set_stage(interactions, endorsements, options, seed)
        clean: dict[str, list[NDArray[np.int32]]] = {}
        first = _firsts(missing, untried)
        untried = set()
        rest = [each for each in missing if each not in first]
        for part in filter(None, (first, rest)):
            clean |= _clean(stage, {each.system for each in part} - clean.keys(), backend)
            calls = [(stage, each, clean[each.system]) for each in part]
            for attempt, cells in backend.run(attempt_cells, calls, shared=stage):
                if isinstance(cells, str):
                    if given_up is None or part is first:
                        raise UsageError(cells)
                    given_up(attempt, cells)
                    continue
                found[attempt] = cells
                if journal is not None:
                    journal.append(cells)
                if progress is not None:
                    progress("attacking", len(found), len(attempts))
    return [cell for attempt in attempts for cell in found.get(attempt, ())]


def _firsts(attempts: Sequence[Attempt], names: set[str]) -> list[Attempt]:
    """Return an attempt with each system and each strategy of these names."""
    tried: set[str] = set()
    firsts = []
    # A white-box attacker searches for minutes.
    for attempt in sorted(attempts, key=lambda each: each.strategy == WHITE_BOX):
        fresh = {attempt.system, attempt.strategy} & names - tried
        if fresh:
            tried |= fresh
            firsts.append(attempt)
    return firsts


def _clean(
    stage: Stage, systems: Collection[str], backend: Backend
) -> dict[str, list[NDArray[np.int32]]]:
    if not systems:
        return {}
    calls = [(stage, system) for system in sorted(systems)]
    return dict(backend.run(_named_lists, calls, shared=stage))


def _named_lists(stage: Stage, system: str) -> tuple[str, list[NDArray[np.int32]]]:
    return system, clean_lists(stage, system)
