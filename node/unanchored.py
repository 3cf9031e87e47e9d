"""The list that no endorsement anchors: heard are those whom ego has followed, unless by luck.

Anybody can bring it about that he is one of them, so what stands in it is marked.
"""

import numpy as np
from numpy.typing import NDArray

from tastemesh.node.basis import Basis, Question
from tastemesh.ranking.exploration import explore, explore_beside, heard_holders
from tastemesh.ranking.view import View
from tastemesh.reputation.adoption import adoption, surprise
from tastemesh.reputation.luck import skilled


def explored(
    view: View, voices: NDArray[np.float64], question: Question, basis: Basis
) -> NDArray[np.float64]:
    """Score every item for ego by what it took up after others; see `ranking/exploration.py`.

    Where it wishes for what goes with some items, by what everybody holds beside these.

    Args:
        view: the window as arrays.
        voices: float64[users]; 1 for whom ego hears, 0 for others.
        question: ego's.
        basis: of this moment.

    Returns:
        float64[items].
    """
    matrix, arrivals, egos = basis.matrix, basis.arrivals, question.egos
    if question.wishes:
        return explore_beside(matrix, egos, question.profile, voices)
    counts = heard_holders(matrix, voices)
    surprises = surprise(counts, float(np.count_nonzero(matrix.volumes * voices)))
    followed = adoption(
        arrivals,
        egos,
        surprises,
        basis.volumes,
        view.item_numbers(question.rejected),
    )
    heard = voices > 0
    passed = skilled(arrivals, egos, surprises, counts.astype(np.int64), heard)
    return explore(
        matrix,
        np.square(followed) * passed,
        egos,
        question.profile,
        standing=voices,
        taken_s=arrivals.time_s,
        behind=view.share_after(egos, np.flatnonzero(~heard).astype(np.int32)),
    )
