"""Whom endorsements name keeps the number that was found for him."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tastemesh.node.numbered import Numbered
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph

NOW_S = 1_700_000_000
BEN = bytes([2]) * 32


class Asked(View):
    """Counts the ids whose numbers are looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def user_numbers(self, users: Sequence[bytes]) -> NDArray[np.int32]:
        self.count += len(users)
        return super().user_numbers(users)


def test_of_all_whom_endorsements_name_only_who_can_have_another_number_is_looked_up() -> None:
    view, graph = Asked(), EndorsementGraph()
    strangers = [bytes([number]) * 32 for number in range(10, 250)]
    for seq, stranger in enumerate(strangers[:200], 1):
        graph.endorse(stranger, BEN, 1.0, epoch=0, seq=seq)
        view.append(stranger, ["a"], 1.0, NOW_S, seq)
    numbered = Numbered(view, graph)
    numbered.numbers()
    record = 200
    for turn, stranger in enumerate(strangers[200:]):
        view.count = 0
        if turn % 3 == 0:  # his index becomes another's
            graph.remove_author(strangers[turn])
        if turn % 2 == 0:
            record += 1
            view.append(stranger, ["b"], 1.0, NOW_S, record)
        graph.endorse(stranger, BEN, 1.0, epoch=0, seq=1)
        found = numbered.numbers().tolist()
        assert view.count < 30
        assert found == [view.user_number(name) for name in graph.ids]
