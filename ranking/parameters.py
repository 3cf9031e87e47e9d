"""Parameters of the ranking, with where each default comes from."""

import msgspec

from tastemesh.errors import UsageError


class SalsaParameters(msgspec.Struct, frozen=True, kw_only=True):
    """How mass moves between users and items.

    Attributes:
        rho: share of the mass that starts at ego's own holdings, 0 to 1; the rest starts at others
            in proportion to trust.
        theta: exponent of a user's volume, 0 (trust voting) to 1 (SALSA's walk).
        kappa: resistance of an item to little trust, above 0: identities whose trust sums to
            epsilon capture at most epsilon/(kappa + epsilon) of the mass that leaves it.
        alpha: transitivity decay: what a further round loses, 0 to 1 (1 excluded).
        rounds: how often mass is at the users, 1 to 20.
        popularity_exponent: p in score / (kappa + D)^p, D the trust that holds the item; 0 to 1.
        contact_exponent: q in (sum over contacts of s_c^q)^(1/q), 0.25 to 1; 1 adds them up, 1/2 is
            Pixie's multi-hit booster (Eksombatchai et al., WWW 2018, 3.1).
        contact_share_max: most of an item's score that may come from one contact, above 0 to 1; 1
            does not cap.
    """

    rho: float = 0.95
    theta: float = 0.3
    kappa: float = 0.003
    alpha: float = 0.3
    rounds: int = 2
    popularity_exponent: float = 0.0
    contact_exponent: float = 1.0
    contact_share_max: float = 1.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("rho", 0.0, 1.0),
            ("theta", 0.0, 1.0),
            ("kappa", 1e-6, 1.0),
            ("alpha", 0.0, 0.99),
            ("rounds", 1, 20),
            ("popularity_exponent", 0.0, 1.0),
            ("contact_exponent", 0.25, 1.0),
            ("contact_share_max", 0.01, 1.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} {value}; expected {low:g} to {high:g}")
