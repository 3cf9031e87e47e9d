"""Ours: what a node would list, computed by the code that a node runs.

The training part becomes one window and one endorsement graph, and `tastemesh.node.scorer` ranks
for each user in turn. What an experiment's data lack is filled in:

- arrival: interactions arrive in the order of their times, those of one time at once; without times
  in an order drawn by lot, as a node always sees some order. What an attack adds there comes before
  or after all that (`Interactions.turn`), so that it does not deal out the honest order anew;
- weights: a holding weighs log(1 + w) / log(1 + the user's largest w), in (0, 1]. One rule for
  plays, ratings and counts;
- ids: the file's, as bytes.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import WEIGHT_SCALE
from tastemesh.node.advice import cut
from tastemesh.node.scorer import Scorer, ScorerParameters
from tastemesh.ranking.influence import sybil_bound_by_contact
from tastemesh.ranking.largest import kth_largest
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph, EndorsementLimits
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.system import Parameters

_TIME_MAX_S = np.iinfo(np.int32).max  # what a window holds: until 2038
_EDGE_LIMIT_MAX = 1 << 24
_OUT_EDGE_LIMIT = Limits().author_endorsement_count  # the newest: nobody stands by more
_NOTHING = np.empty(0, np.int32)


class Tastemesh:
    """The secure default: anchored lists for who has endorsed, exploration for who has not."""

    name = "tastemesh"

    unverified_share = 0.0
    """How much of the last lists was marked: no endorsement stands behind it."""

    def __init__(
        self,
        seed: int = 0,
        parameters: ScorerParameters | None = None,
        rule: type[Scorer] = Scorer,
    ) -> None:
        self._seed = seed
        self._rule = rule
        self._parameters = parameters or ScorerParameters()

    def grid(self, endorsed: bool) -> list[Parameters]:
        """Return the settings to choose from; the node's own comes first."""
        return [{"recency_items": self._parameters.recency_items}]

    def fit(
        self, train: Interactions, endorsements: Endorsements | None, parameters: Parameters
    ) -> None:
        """Fill the window and the graph."""
        self._view = window_of(train, self._seed)
        self._ids = [name.encode() for name in train.user_ids]
        self._position = {name: at for at, name in enumerate(train.item_ids)}
        self._numbers = self._view.item_numbers(train.item_ids)
        chosen = msgspec.structs.replace(
            self._parameters, recency_items=float(parameters["recency_items"])
        )
        self._scorer = self._rule(self._view, graph_of(endorsements), chosen)

    def rank(self, users: NDArray[np.int32], k: int) -> NDArray[np.int32]:
        """Return each user's best items, shape [n, k]."""
        ranked = np.full((len(users), k), -1, dtype=np.int32)
        marked = 0
        egos = [self._ids[user] for user in users.tolist()]
        scores = self._scorer.score_many(egos, [()] * len(egos), self._scorer.basis(0))
        for row, (ego, scored) in enumerate(zip(egos, scores, strict=True)):
            listed = cut(self._view, scored, k, ego, excluded=_NOTHING)
            ranked[row, : len(listed)] = [self._position[line.item] for line in listed]
            marked += sum(line.unverified for line in listed)
        self.unverified_share = marked / max(1, int((ranked >= 0).sum()))
        return ranked

    @property
    def has_marked_slots(self) -> bool:
        """Whether anchored lists have slots that anybody can buy: no bound holds for these."""
        return self._parameters.exploration_share > 0

    @property
    def heads_are_shorter_lists(self) -> bool:
        """Whether the first k of a longer list are the list of k.

        They are not where marked slots stand evenly over a list, or where its entries are varied.
        """
        return not self.has_marked_slots and not self._parameters.diversity

    def scores(self, users: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return each item's share of a user's anchored scores.

        Args:
            users: positions, n of them.

        Returns:
            float64[n, items]; a row sums to 1, or to 0 where nothing is anchored. Own items have 0.
        """
        found = np.zeros((len(users), len(self._numbers)))
        known = self._numbers >= 0
        for row, user in enumerate(users.tolist()):
            scores = self._scorer.score(self._ids[user], 0).scores.items
            found[row, known] = scores[self._numbers[known]] / max(float(scores.sum()), 1e-300)
        return found

    def nearness(self, user: int, item: int, list_length: int) -> float:
        """Return an item's score in scores of the last item on a user's anchored list.

        Args:
            user: position of the user.
            item: position of the item.
            list_length: of the list that is at stake.

        Returns:
            At least 0; above 1 it is on the list, unless the user has it. 0 where nothing is
            anchored.
        """
        scores = self._scorer.score(self._ids[user], 0).scores.items
        number = self._numbers[item]
        if number < 0 or scores[number] <= 0:
            return 0.0
        others = np.delete(scores, number)
        last = float(kth_largest(others[None], list_length)[0]) if len(others) else 0.0
        return float(scores[number]) / last if last > 0 else np.inf

    def openings(self, user: int) -> NDArray[np.float64]:
        """Return how much of a user's mass somebody newly trusted would draw by holding each item.

        Args:
            user: position of the user.

        Returns:
            float64[items], by position: what passed through the item, divided by kappa and the
            trust that holds it already.
        """
        scores = self._scorer.score(self._ids[user], 0).scores
        drawn = scores.passed / (scores.parameters.kappa + scores.held)
        found = np.zeros(len(self._numbers))
        known = self._numbers >= 0
        found[known] = drawn[self._numbers[known]]
        return found

    def trust_in(
        self, user: int, others: NDArray[np.int32], list_length: int
    ) -> tuple[float, float]:
        """Return a user's trust in some identities, and what it can buy them at most.

        Args:
            user: position of the user.
            others: positions of the identities.
            list_length: of the list that is at stake.

        Returns:
            (their share of the user's trust; the most that an item of theirs alone can score by
            theorem 1, in scores of the last item on the list, at least that share and at most 1:
            below 1 it cannot get there).
        """
        scored = self._scorer.score(self._ids[user], 0)
        numbers = self._view.user_numbers([self._ids[other] for other in others.tolist()])
        shares: NDArray[np.float64] = scored.trust.shares[:, numbers[numbers >= 0]].sum(axis=1)
        mass = min(1.0, float(shares.sum()))
        best = np.sort(scored.scores.items)[::-1][:list_length]
        last = float(best[-1]) if len(best) == list_length else 0.0
        last *= 1.0 - scored.variety.strength
        bound = sybil_bound_by_contact(shares, scored.scores)
        most = bound / last if last > 0 else float(bound > 0)
        return mass, min(1.0, max(mass, most))


def window_of(train: Interactions, seed: int = 0) -> View:
    """Return the interactions as a window.

    Args:
        train: distinct pairs.
        seed: of the order of arrival where there are no times.
    """
    if train.time_s is None:
        order, record = _drawn_arrival(train, seed)
        time_s = np.zeros(len(train), np.int64)
    else:
        order = np.argsort(train.time_s, kind="stable")
        time_s = np.clip(train.time_s, 0, _TIME_MAX_S)[order]
        record = np.cumsum(np.diff(time_s, prepend=-1) > 0)
    largest = np.zeros(len(train.user_ids))
    np.maximum.at(largest, train.user, train.weight)
    weight = np.log1p(train.weight) / np.log1p(largest[train.user])
    users = [name.encode() for name in train.user_ids]
    view = View()
    view.extend(
        [users[user] for user in train.user[order].tolist()],
        [train.item_ids[item] for item in train.item[order].tolist()],
        np.clip(weight, 1e-6, 1.0)[order],
        time_s,
        record,
    )
    return view


def _drawn_arrival(train: Interactions, seed: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return undated rows in the order in which they arrive, and the record that each is in."""
    turn = np.zeros(len(train), np.int8) if train.turn is None else train.turn
    early, usual, late = (np.flatnonzero(turn == when) for when in (-1, 0, 1))
    lot = np.random.default_rng([seed, 5]).permutation(len(usual))
    order = np.concatenate([early, usual[lot], late])
    begins = np.ones(len(train), np.int64)
    begins[1 : len(early)] = 0
    begins[len(early) + len(usual) + 1 :] = 0
    return order, np.cumsum(begins)


def graph_of(endorsements: Endorsements | None) -> EndorsementGraph:
    """Return endorsements as a node would hold them, with room for all; the strongest counts as 1.

    The weakest counts as one step of the wire: less would be 0, and withdraw.

    Args:
        endorsements: distinct pairs, or None.
    """
    if endorsements is None:
        return EndorsementGraph()
    limit = min(max(len(endorsements), 1), _EDGE_LIMIT_MAX)
    graph = EndorsementGraph(EndorsementLimits(out_edge_limit=_OUT_EDGE_LIMIT, edge_limit=limit))
    size = np.abs(endorsements.weight.astype(np.float64))
    size = np.maximum(size / size.max(initial=1e-9), 1.0 / WEIGHT_SCALE)
    weights = np.copysign(size, endorsements.weight).tolist()
    when = endorsements.time_s
    order = np.arange(len(endorsements)) if when is None else np.argsort(when, kind="stable")
    ids = [name.encode() for name in endorsements.ids]
    for seq, at in enumerate(order.tolist()):
        graph.endorse(
            ids[endorsements.source[at]],
            ids[endorsements.subject[at]],
            weights[at],
            epoch=0,
            seq=seq,
        )
    return graph
