"""What a ranking is made from: of all egos at one moment, and of each ego."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.contacts import ContactTrust
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.reputation.adoption import Arrivals


class Basis(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What every ego's scores at one moment are made from.

    Attributes:
        matrix: who holds what.
        newest: the same as of the newest interaction.
        arrivals: who held what first.
        numbers: int32[identities]; the view's number of each identity that endorsements name, -1
            where it holds nothing.
        held: the identities that hold something, rising.
        volumes: int32[users]; how many items each holds.
    """

    matrix: HoldingMatrix
    newest: HoldingMatrix
    arrivals: Arrivals
    numbers: NDArray[np.int32]
    held: NDArray[np.intp]
    volumes: NDArray[np.int32]


class Question(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one ego's ranking is made from.

    Attributes:
        ego: id.
        egos: its user numbers, public and private; -1 where it holds nothing.
        rejected: items that it said no to.
        profile: float64[items]; its taste, or what it wishes its list to be like.
        wishes: whether it is the latter.
        trust: by contact.
        voices: float64[users]; everybody's standing.
    """

    ego: bytes
    egos: list[int]
    rejected: Sequence[str]
    profile: NDArray[np.float64]
    wishes: bool
    trust: ContactTrust
    voices: NDArray[np.float64]
