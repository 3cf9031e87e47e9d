"""Standing: how much of a voice an identity has where everybody is asked.

Evidence from the whole window (`tastemesh.ranking.evidence`) and the popularity of items are sums
over identities, so whoever makes more of them would be heard more. Ego therefore counts each
identity with its standing,

    c(v) = min(1, m(v) / m_ref),

m the mass of `tastemesh.reputation.walks`. A set of identities with mass epsilon has at most
epsilon / m_ref votes however it splits, and one that no chain of endorsements reaches has none, bit
for bit. Everybody who is reached well counts alike, so that this is still evidence from many and
not trust a second time.
"""

import numpy as np
from numpy.typing import NDArray


def standing(mass: NDArray[np.float64], reference_mass: float) -> NDArray[np.float64]:
    """Return everybody's voice.

    Args:
        mass: float64[n]; endorsement mass, at least 0.
        reference_mass: m_ref, above 0; mass that gives a full voice.

    Returns:
        float64[n] in [0, 1].
    """
    return np.minimum(1.0, mass / reference_mass)
