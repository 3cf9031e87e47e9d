"""Personalised PageRank on the node's own products: the problem that the peers solve too.

On a bipartite graph two steps lead from users to users, and in coordinates scaled by the root of
the users' volumes that double step is symmetric, with eigenvalues in [0, 1]. So the equation

    (I - d^2 S) y = (1 - d) W^-1/2 start

is one for conjugate gradients (Hestenes and Stiefel 1952): about a third of the rounds that plain
iteration takes at d = .85. The residual is measured in the masses themselves, as the peers do.
"""

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.holdings import HoldingMatrix

DAMPING = 0.85
_MAX_ROUNDS = 1_000


def pagerank(
    matrix: HoldingMatrix, user: int, residual: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Walk from one user until the L1 residual of the users' masses is at most that asked for.

    Returns:
        (mass of users, mass of items, residual reached).

    Raises:
        ArithmeticError: it is not reached; never silently.
    """
    root = np.sqrt(matrix.volumes)
    inverse_root = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    volumes = matrix.item_volumes
    per_item = np.divide(1.0, volumes, out=np.zeros_like(volumes), where=volumes > 0)

    def double_step(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        at_items = matrix.spread(scaled * inverse_root) * per_item
        return DAMPING**2 * matrix.gather(at_items) * inverse_root

    solution = np.zeros(matrix.shape[0])
    left = np.zeros(matrix.shape[0])
    left[user] = (1.0 - DAMPING) * inverse_root[user]
    direction = left.copy()
    energy = float(left @ left)
    for _ in range(_MAX_ROUNDS):
        reached = float((np.abs(left) * root).sum())
        if reached <= residual:
            users = solution * root
            items = DAMPING * matrix.spread(solution * inverse_root)
            return users, items, reached
        moved = direction - double_step(direction)
        step = energy / float(direction @ moved)
        solution += step * direction
        left -= step * moved
        before, energy = energy, float(left @ left)
        direction = left + (energy / before) * direction
    raise ArithmeticError(
        f"residual {reached:g} after {_MAX_ROUNDS} rounds; asked for {residual:g}"
    )
