"""Parameters of the ranking, with where each default comes from.

"measured" refers to Last.fm tags (HetRec 2011), friendships as endorsements, split by global time;
NDCG@10 on the validation part. Most differences there are below the error of the measurement, so
where accuracy leaves room the default is the one with the smaller bound.
"""

import msgspec

from tastemesh.errors import UsageError


class SalsaParameters(msgspec.Struct, frozen=True, kw_only=True):
    """How mass moves between users and items, and how items are scored.

    Attributes:
        rho: share of the mass that starts at ego's own holdings, 0 to 1; the rest starts at others
            in proportion to trust. .95 measured.
        kappa: what an item gives back before anybody takes, as trust, 1e-6 to 1. From .001 to .03
            NDCG falls by .002, less than its error (measured); .01 halves what identities with a
            trust of .01 can capture.
        eta: exponent of (kappa + trust in the item's holders) when mass leaves an item, 0 to 1. 1
            is SALSA's walk: all that is not given back is shared out, however few hold the item.
        alpha: transitivity decay, what a further round loses; 0 to .99. .3 as for the walks of
            `tastemesh.reputation`.
        rounds: how often the mass is at the users, 1 to 20. 2: ego's holdings and trust, then those
            who share them. A third changes NDCG by less than .001 (measured).
        theta: exponent of a user's volume in the score, 0 (each holding counts in full) to 1 (each
            user has one vote to share out). .3 measured.
        popularity_exponent: p in (1 + D/kappa)^-p, D the trust in an item's holders; 0 to 1.
        contact_exponent: q in (sum over contacts of s_c^q)^(1/q), .25 to 1; 1 adds them up, 1/2 is
            Pixie's booster for items that several sources reach (Eksombatchai et al., WWW 2018).
        contact_share_max: most of an item's mass that one contact may supply, .5 to 1; 1 does not
            cap. Below 1 an item that only one contact knows is not listed.
        open_gain: C, the most by which evidence that nobody vouches for lifts an item that trust
            has found; 1 (not at all) to 100.
        open_exponent: how much less a holding says in that evidence where its holder has many, as
            an exponent of its holder's volume, 0 to 1; .3 to .7 differ by less than the error
            (measured).
        open_doubt: lambda of its regression, .001 to 1000: as many full voices as have to hold an
            item of ego's before it is believed half. 5 of 3, 5 and 10 (measured; also on
            MovieLens).
        open_backward: what it hears of items that somebody took up before the one shared with ego,
            0 to 1; 1 does not look at the order. Less is worth nothing to an ego that is as far as
            the others are (measured; `tastemesh.ranking.exploration` has who is not).
        open_popularity_exponent: its popularity discount, 0 to 1; RP3beta's beta.
    """

    rho: float = 0.95
    kappa: float = 0.01
    eta: float = 1.0
    alpha: float = 0.3
    rounds: int = 2
    theta: float = 0.3
    popularity_exponent: float = 0.0
    contact_exponent: float = 1.0
    contact_share_max: float = 1.0
    open_gain: float = 20.0
    open_exponent: float = 0.5
    open_doubt: float = 5.0
    open_backward: float = 1.0
    open_popularity_exponent: float = 0.5

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} {value}; expected {low:g} to {high:g}")


_RANGES = {
    "rho": (0.0, 1.0),
    "kappa": (1e-6, 1.0),
    "eta": (0.0, 1.0),
    "alpha": (0.0, 0.99),
    "rounds": (1, 20),
    "theta": (0.0, 1.0),
    "popularity_exponent": (0.0, 1.0),
    "contact_exponent": (0.25, 1.0),
    "contact_share_max": (0.5, 1.0),
    "open_gain": (1.0, 100.0),
    "open_exponent": (0.0, 1.0),
    "open_doubt": (1e-3, 1e3),
    "open_backward": (0.0, 1.0),
    "open_popularity_exponent": (0.0, 1.0),
}
