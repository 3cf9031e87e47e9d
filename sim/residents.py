"""What a scenario's people hold, say and whom they endorse, laid out before the run.

Made up, circles of taste on a graph of friends; or read from data, in which case the nodes are
people who know each other and each takes up his own items in his own order.
"""

from collections.abc import Iterator
from functools import cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import WEIGHT_SCALE, Endorsement, Interaction
from tastemesh.sim.community import connected_neighbourhood
from tastemesh.sim.datasets import load_endorsements, load_interactions
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.scenario import Community, Scenario
from tastemesh.sim.topology import Shape, endorsed

_ITEMS_PER_PERSON = 4  # size of the catalogue, so that tastes overlap (guess)
_COMMON_SHARE = 0.25  # of what is taken up, what everybody knows; as in `sim.community`
_ZIPF_EXPONENT = 0.7  # likewise
_TALKATIVE = 10  # times as many records
_FIRST_MS = 1_000  # after a node's start, its user says whom he endorses and what he has


class Residents(msgspec.Struct, frozen=True):
    """The people of a scenario, by the number of their node.

    Attributes:
        interactions: what they take up; `time_s` is the virtual second, 0 for what they had before.
        at_ms: when each is said, int64[rows], virtual time; the history just after the start.
        endorsements: whom they endorse at the start; None if nobody does.
        starts_ms: when each node starts, int64[nodes].
    """

    interactions: Interactions
    at_ms: NDArray[np.int64]
    endorsements: Endorsements | None
    starts_ms: NDArray[np.int64]

    def endorsements_of(self, person: int, ids: list[bytes]) -> tuple[Endorsement, ...]:
        """Return what somebody says of others, given everybody's ids: as much as one may say."""
        people = self.endorsements
        if people is None:
            return ()
        rows = np.flatnonzero(people.source == person)[: Limits().author_endorsement_count]
        largest = float(np.abs(people.weight).max(initial=1e-9))
        return tuple(
            Endorsement(ids[subject], round(weight / largest * WEIGHT_SCALE))
            for subject, weight in zip(
                people.subject[rows].tolist(), people.weight[rows].tolist(), strict=True
            )
        )

    def said_by(self, person: int) -> Iterator[tuple[int, tuple[Interaction, ...]]]:
        """Return what somebody takes up and when (ms): his history at once, then one by one."""
        rows = np.flatnonzero(self.interactions.user == person)
        rows = rows[np.argsort(self.at_ms[rows], kind="stable")]
        if not len(rows):
            return
        said = [
            Interaction(self.interactions.item_ids[item], "listen", WEIGHT_SCALE)
            for item in self.interactions.item[rows].tolist()
        ]
        said_rows = np.arange(len(said))
        moments, starts = np.unique(self.at_ms[rows], return_index=True)
        for moment, part in zip(moments.tolist(), np.split(said_rows, starts[1:]), strict=True):
            yield moment, tuple(said[at] for at in part.tolist())


def settle(scenario: Scenario, seed: int) -> Residents:
    """Lay out what a scenario's people hold and say.

    Args:
        scenario: all of it.
        seed: of everything random.

    Raises:
        DataError: a file cannot be read.
        UsageError: the data has too few people, or the topology needs networkx, which is not
            installed.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 5]))
    starts_ms = (rng.random(scenario.nodes) * scenario.arrive_s * 1000).astype(np.int64)
    said = np.array([rng.poisson(mean) for mean in _means(scenario)], np.int64)
    if scenario.community.interactions:
        interactions, endorsements, live = _from_data(scenario, said)
    else:
        interactions, endorsements, live = _made_up(scenario, said, seed, rng)
    at_ms = starts_ms[interactions.user] + _FIRST_MS
    loud_ms = _loud_ms(scenario)
    for person, count in enumerate(live.tolist()):
        if count:
            rows = np.flatnonzero(interactions.user == person)[-count:]
            first = min(int(starts_ms[person]) + 2 * _FIRST_MS, loud_ms - 1)
            at_ms[rows] = np.sort(rng.integers(first, loud_ms, count))
    first_s = np.where(at_ms > starts_ms[interactions.user] + _FIRST_MS, at_ms // 1000, 0)
    dated = msgspec.structs.replace(interactions, time_s=first_s)
    return Residents(dated, at_ms, endorsements, starts_ms)


def _loud_ms(scenario: Scenario) -> int:
    return round((scenario.seconds - scenario.quiet_s) * 1000)


def _means(scenario: Scenario) -> list[float]:
    loud_ms = _loud_ms(scenario)
    usual = scenario.records_per_hour * loud_ms / 3_600_000 if loud_ms > 2 * _FIRST_MS else 0.0
    return [
        usual * (_TALKATIVE if number < scenario.talkative else 1)
        for number in range(scenario.nodes)
    ]


def _made_up(
    scenario: Scenario, said: NDArray[np.int64], seed: int, rng: np.random.Generator
) -> tuple[Interactions, Endorsements | None, NDArray[np.int64]]:
    """Draw everybody's items: mostly from his group's catalogue, the rest from everybody's."""
    community = scenario.community
    shape = Shape(
        count=scenario.nodes,
        friends=scenario.friends,
        groups=community.groups,
        mixing=community.mixing,
        seed=seed,
    )
    counts = said + community.history
    user = np.repeat(np.arange(scenario.nodes, dtype=np.int32), counts)
    size = max(1, _ITEMS_PER_PERSON * scenario.nodes // (community.groups + 1))
    appeal = 1.0 / np.arange(1, size + 1) ** _ZIPF_EXPONENT
    rank = rng.choice(size, len(user), p=appeal / appeal.sum())
    common = rng.random(len(user)) < _COMMON_SHARE
    circle = np.where(common, community.groups, shape.group[user])
    item = (circle * size + rank).astype(np.int32)
    knows = endorsed(community.topology, shape)
    source = np.repeat(np.arange(scenario.nodes), [len(each) for each in knows]).astype(np.int32)
    ids = tuple(f"n{number}" for number in range(scenario.nodes))
    names = tuple(f"item:{number}" for number in range(size * (community.groups + 1)))
    interactions = Interactions(
        user_ids=ids,
        item_ids=names,
        user=user,
        item=item,
        weight=np.ones(len(user), np.float32),
    )
    if not len(source):
        return interactions, None, said
    subject = np.array([friend for each in knows for friend in each], np.int32)
    weight = np.ones(len(source), np.float32)
    people = Endorsements(ids=ids, source=source, subject=subject, weight=weight)
    return interactions, people, said


@cache
def _loaded(community: Community) -> tuple[Interactions, Endorsements | None]:
    interactions = load_interactions(
        community.interactions,
        columns=community.columns or None,
        min_weight=community.min_weight or None,
        for_nodes=True,
    )
    if not community.endorsements:
        return interactions, None
    return interactions, load_endorsements(
        community.endorsements,
        columns=community.endorsement_columns or None,
        undirected=community.undirected,
    )


def _from_data(
    scenario: Scenario, said: NDArray[np.int64]
) -> tuple[Interactions, Endorsements | None, NDArray[np.int64]]:
    """Put one person of the data on each node; the last of his items are those he says live."""
    interactions, endorsements = _loaded(scenario.community)
    picked = connected_neighbourhood(interactions, endorsements, scenario.nodes, minimum_items=1)
    place = {name: number for number, name in enumerate(picked)}
    moved = np.array([place.get(name, -1) for name in interactions.user_ids], np.int32)
    rows = np.flatnonzero(moved[interactions.user] >= 0)
    if interactions.time_s is not None:
        rows = rows[np.argsort(interactions.time_s[rows], kind="stable")]
    owner = moved[interactions.user[rows]]
    rows = rows[np.argsort(owner, kind="stable")]
    held = np.bincount(moved[interactions.user[rows]], minlength=scenario.nodes)
    live = np.minimum(said, held)
    chosen: list[NDArray[np.int64]] = []
    ends = np.cumsum(held)
    for end, count, talk in zip(ends.tolist(), held.tolist(), live.tolist(), strict=True):
        kept = min(count, talk + scenario.community.history)
        chosen.append(rows[end - kept : end])
    rows = np.concatenate(chosen)
    part = Interactions(
        user_ids=tuple(picked),
        item_ids=interactions.item_ids,
        user=moved[interactions.user[rows]],
        item=interactions.item[rows],
        weight=np.ones(len(rows), np.float32),
    )
    if endorsements is None:
        return part, None, live
    seat = np.array([place.get(name, -1) for name in endorsements.ids], np.int32)
    source, subject = seat[endorsements.source], seat[endorsements.subject]
    inside = (source >= 0) & (subject >= 0)
    people = Endorsements(
        ids=tuple(picked),
        source=source[inside],
        subject=subject[inside],
        weight=endorsements.weight[inside],
    )
    return part, people if len(people) else None, live
