"""What a node answers to questions, as values: apart from what makes them, which loads SciPy.

A client of a daemon reads them in a process of its own, and there may be many of those.
"""

import msgspec


class AdviceReason(msgspec.Struct, frozen=True, gc=False):  # no way round in it
    """One contact behind a recommendation.

    Attributes:
        contact: id of the identity that the user endorsed, as hex; empty for the pool of those
            whom no endorsement reaches.
        share: of the item's score, 0 to 1.
        record_ids: signed records that carry it, heaviest first, as hex.
    """

    contact: str
    share: float
    record_ids: tuple[str, ...]


class Advice(msgspec.Struct, frozen=True, gc=False):
    """One recommended item.

    Attributes:
        item: its id.
        score: above 0; comparable within one list only.
        unverified: True if nobody whom the user trusts stands behind it, or if it has one of the
            places that are filled by what anybody holds (`exploration_share`).
        reasons: heaviest first.
    """

    item: str
    score: float
    unverified: bool
    reasons: tuple[AdviceReason, ...]


class SybilBound(msgspec.Struct, frozen=True):
    """What hostile identities would need to get onto this user's list; docs/theory.md, section 2.

    Attributes:
        trust_needed: the least share of this user's trust, 0 to 1, that hostile identities must
            have together before an item that only they hold could score what the tenth on his list
            does now, however many they are, whatever they hold next, and through however many of
            the people whom he endorses they are reached. 0 where the list has fewer than ten items.
            Marked slots are not meant: those can be bought.
        heaviest_contact: the endorsed person through whom most trust comes, as hex; empty if the
            user endorsed nobody whose trust reaches anybody in the window.
        heaviest_share: how much of the trust comes from the user through him, 0 to 1; not what
            others think of him.
    """

    trust_needed: float
    heaviest_contact: str
    heaviest_share: float


class Listed(msgspec.Struct, frozen=True):
    """A list as it is given.

    Attributes:
        lines: best first.
        age_ms: since it was made; 0 for one that was made for this question.
    """

    lines: list[Advice]
    age_ms: int


class Voice(msgspec.Struct, frozen=True, gc=False):  # no way round in it
    """Somebody who holds an item.

    Attributes:
        identity: id as hex.
        contact: id, as hex, of the endorsed person through whom most trust in him comes; his own
            where the user endorses him.
    """

    identity: str
    contact: str


class Backing(msgspec.Struct, frozen=True, gc=False):
    """The people behind an item.

    Attributes:
        voices: most trusted first, at most 32.
        count: how many there are in all.
        acquainted: pairs among those named, their contacts included, of whom one endorses the
            other; a contact and those whom he brought are not counted. 0: independent voices.
    """

    voices: list[Voice]
    count: int
    acquainted: int


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody in a neighbourhood.

    Attributes:
        identity: id as hex.
        distance: 0 the user himself, 1 whom he endorses or distrusts, 2 whom the former endorse.
        trust: share of the user's trust that is placed in this person, 0 to 1.
        through: share of it that came over this person, 0 to 1; 0 beyond distance 1.
        weight: what the user himself states, in [-1, 1]; 0 where he states nothing.
        interactions: how many this node holds of the person.
        convicted: whether he is proved to have equivocated; nothing that he says counts.
    """

    identity: str
    distance: int
    trust: float
    through: float
    weight: float
    interactions: int
    convicted: bool


class Vouching(msgspec.Struct, frozen=True, kw_only=True):
    """An endorsement between two people of a neighbourhood.

    Attributes:
        source: whose word it is, as hex.
        subject: about whom, as hex.
        weight: trust in [-1, 1], not 0; below 0 only from the user himself.
    """

    source: str
    subject: str
    weight: float


class Neighbourhood(msgspec.Struct, frozen=True, kw_only=True):
    """Whom one user's trust reaches.

    Attributes:
        people: the user first, then nearest and most trusted first.
        endorsements: between these people, at most 1,000, from the nearest first.
        reached: how many identities the user's trust reaches, shown here or not.
        sybil_bound: what hostile identities would need to get onto the user's list.
    """

    people: list[Person]
    endorsements: list[Vouching]
    reached: int
    sybil_bound: SybilBound
