"""Web3Recommend's networks: trust by similar taste, and Sybils hung on some of its users.

Its experiments (Madhwal and Pouwelse, 2023) start from a real listening network, whose users trust
the five most similar, and hang Sybils on trusted users: in a line, side by side, or (giga) on a
large share of all users. All Sybils of one attacker hold the same three items, which nobody else
does.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.similarity_trust import affinities, most_similar

SYBIL_ITEMS = 3  # theirs


class Network(msgspec.Struct, frozen=True):
    """Interactions and trust, with attackers or without.

    Attributes:
        interactions: of honest users, then of Sybils.
        trust: aligned with them.
        targets: items of the Sybils that each root is shown, int64[roots, 3]; empty without.
    """

    interactions: Interactions
    trust: Endorsements
    targets: NDArray[np.int64]


def similarity_network(interactions: Interactions) -> Network:
    """Let everybody trust the five most similar, as their code has it."""
    count = len(interactions.user_ids)
    share = affinities(interactions.user, interactions.weight, count)
    shape = (count, len(interactions.item_ids))
    similar = most_similar(csr_array((share, (interactions.user, interactions.item)), shape=shape))
    source = np.repeat(np.arange(count, dtype=np.int32), np.diff(similar.indptr))
    trust = Endorsements(
        ids=interactions.user_ids,
        source=source,
        subject=similar.indices.astype(np.int32),
        weight=similar.data.astype(np.float32),
    )
    return Network(interactions, trust, np.empty((0, SYBIL_ITEMS), np.int64))


def attackers_of(network: Network, roots: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return for each root whom it trusts most: their single attacker is a direct neighbour."""
    trust = network.trust
    found = []
    for root in roots.tolist():
        mine = np.flatnonzero(trust.source == root)
        found.append(int(trust.subject[mine[np.argmax(trust.weight[mine])]]))
    return np.array(found, dtype=np.int32)


def with_sybils(
    network: Network, attackers: NDArray[np.int32], count: int, shape: str, *, same_items: bool
) -> Network:
    """Hang Sybils on attackers, who stop trusting anybody else: their best play.

    Args:
        network: without attackers.
        attackers: positions; one for each root, or all of a giga attack.
        count: Sybils of each attacker, 1 and up.
        shape: `linear`, a line of trust; or `parallel`, trust to and from the attacker.
        same_items: all Sybils of all attackers hold the same three items.
    """
    interactions, trust = network.interactions, network.trust
    distinct = np.unique(attackers)
    first, first_item = len(interactions.user_ids), len(interactions.item_ids)
    sybils = first + np.arange(len(distinct) * count, dtype=np.int32)
    group = (
        np.zeros(len(sybils), np.int64)
        if same_items
        else np.repeat(np.arange(len(distinct)), count)
    )
    items = first_item + group[:, None] * SYBIL_ITEMS + np.arange(SYBIL_ITEMS)
    groups = 1 if same_items else len(distinct)
    names = tuple(f"sybil-item:{n}" for n in range(groups * SYBIL_ITEMS))
    rows = sybils.reshape(len(distinct), count)
    if shape == "linear":
        chain = np.column_stack([distinct, rows])
        source, subject = chain[:, :-1].ravel(), chain[:, 1:].ravel()
    else:
        up, down = np.repeat(distinct, count), rows.ravel()
        source, subject = np.r_[up, down], np.r_[down, up]
    honest = ~np.isin(trust.source, distinct)
    users = (*interactions.user_ids, *(f"sybil:{n}" for n in range(len(sybils))))
    strongest = float(trust.weight.max())
    attacked = msgspec.structs.replace(
        trust,
        ids=users,
        source=np.r_[trust.source[honest], source].astype(np.int32),
        subject=np.r_[trust.subject[honest], subject].astype(np.int32),
        weight=np.r_[trust.weight[honest], np.full(len(source), strongest)].astype(np.float32),
    )
    held = Interactions(
        user_ids=users,
        item_ids=(*interactions.item_ids, *names),
        user=np.r_[interactions.user, np.repeat(sybils, SYBIL_ITEMS)].astype(np.int32),
        item=np.r_[interactions.item, items.ravel()].astype(np.int32),
        weight=np.r_[interactions.weight, np.ones(items.size)].astype(np.float32),
    )
    order = np.searchsorted(distinct, attackers)
    own = np.zeros(len(attackers), np.int64) if same_items else order
    targets = first_item + own[:, None] * SYBIL_ITEMS + np.arange(SYBIL_ITEMS)
    return Network(held, attacked, targets)
