"""MeritRank's connectivity decay as published, for comparison in the attack lab only.

From the walks made anyway, with T(v) the walks that reach v and T(v|k) those that had passed k
before (k neither ego nor v):

    ratio(v) = max over k of T(v|k) / T(v);  where ratio(v) >= threshold, the score is x (1 - beta)

The threshold is 1 in the authors' notebooks and .99 in Web3Recommend; their code multiplies by the
ratio as well, the same thing at 1 (meritrank research, 1.3). A node runs the smooth rule of
`tastemesh.reputation.introducers` instead, which says why.

Deviation: the authors renormalise scores after the cut, which lifts bystanders; this module returns
factors, for the fixed divisor.
"""

import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.reputation.introducers import BETA, bridge_ratio
from tastemesh.reputation.walks import WalkMass


def literal_connectivity_decay(
    walks: WalkMass, *, beta: float = BETA, threshold: float = 0.99
) -> NDArray[np.float64]:
    """The factor for each identity's mass by the published rule.

    Args:
        walks: the counted walks from ego; n identities.
        beta: what a bridge costs, 0 to 1.
        threshold: share of walks through one other identity from which on it is a bridge, (0, 1].
            .99 as in Web3Recommend.

    Returns:
        float64[n], each 1 or 1 - beta.

    Raises:
        UsageError: beta or threshold is outside its range.
    """
    if not 0.0 <= beta <= 1.0:
        raise UsageError(f"beta {beta}; expected 0 to 1")
    if not 0.0 < threshold <= 1.0:
        raise UsageError(f"threshold {threshold}; expected above 0, at most 1")
    return np.where(bridge_ratio(walks) >= threshold, 1.0 - beta, 1.0)
