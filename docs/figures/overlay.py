"""Made-up tastes laid over a real trust graph, for a trust graph that comes without interactions.

Whoever trusts people comes to share some of their taste: each starts from a topic of its own and
takes over half of what those whom it trusts like, three times. So accuracy on these data says that
the ranking works where trust goes with taste, and not that it does in the world; what attackers get
depends on the graph, which is real.
"""

import msgspec
import numpy as np
import scipy.sparse as sp

from tastemesh.sim.interactions import Endorsements, Interactions

TOPICS = 30
TOPIC_ITEMS = 120
USER_ITEMS = 30  # near the median profile of HetRec Last.fm
ZIPF_EXPONENT = 0.7  # as of the built-in community
ROUNDS = 3
SHARPNESS = 2.0  # a taste's exponent when topics are drawn


def with_tastes(
    people: Endorsements, person_count: int, seed: int = 0
) -> tuple[Interactions, Endorsements]:
    """Lay tastes over the most connected part of a trust graph.

    Args:
        people: who trusts whom.
        person_count: how many to keep, those with the most trust edges in and out.
        seed: of the tastes; the same for every experiment on them.

    Returns:
        Undated interactions, and the trust among these people.
    """
    rng = np.random.default_rng([seed, 11])
    degree = np.bincount(np.concatenate([people.source, people.subject]), minlength=len(people.ids))
    kept = np.sort(np.argsort(-degree, kind="stable")[:person_count])
    place = np.full(len(people.ids), -1)
    place[kept] = np.arange(len(kept))
    inside = (place[people.source] >= 0) & (place[people.subject] >= 0)
    ids = tuple(people.ids[at] for at in kept.tolist())
    trust = msgspec.structs.replace(
        people,
        ids=ids,
        source=place[people.source[inside]].astype(np.int32),
        subject=place[people.subject[inside]].astype(np.int32),
        weight=people.weight[inside],
        time_s=None if people.time_s is None else people.time_s[inside],
    )
    positive = trust.weight > 0
    leads = sp.csr_array(
        (trust.weight[positive].astype(float), (trust.source[positive], trust.subject[positive])),
        shape=(len(ids), len(ids)),
    )
    out = np.maximum(np.asarray(leads.sum(axis=1)).ravel(), 1e-9)
    taste = np.eye(TOPICS)[rng.integers(TOPICS, size=len(ids))]
    for _ in range(ROUNDS):
        taste = 0.5 * taste + 0.5 * (leads @ taste) / out[:, None]
    appeal = np.arange(1, TOPIC_ITEMS + 1.0) ** -ZIPF_EXPONENT
    appeal /= appeal.sum()
    chances = taste**SHARPNESS
    chances /= chances.sum(axis=1, keepdims=True)
    items = [
        rng.choice(
            TOPICS * TOPIC_ITEMS, USER_ITEMS, replace=False, p=np.outer(chance, appeal).ravel()
        )
        for chance in _nowhere_zero(chances)
    ]
    rows = np.concatenate(items).astype(np.int32)
    interactions = Interactions(
        user_ids=ids,
        item_ids=tuple(
            f"topic-{n // TOPIC_ITEMS}:{n % TOPIC_ITEMS}" for n in range(TOPICS * TOPIC_ITEMS)
        ),
        user=np.repeat(np.arange(len(ids), dtype=np.int32), USER_ITEMS),
        item=rows,
        weight=np.ones(len(rows), np.float32),
    )
    return interactions, trust


def _nowhere_zero(chances: np.ndarray) -> np.ndarray:
    return 0.95 * chances + 0.05 / TOPICS  # a twentieth of what people take up is of any topic
