"""Ours with one deviation from the papers undone at a time: what each of them costs and buys.

`tastemesh attack` and `evaluate` take these by name like any other system; docs/adr/0009 has what
came out. Undone are

- of the walks (MeritRank, Nasrulin et al., BRAINS 2022): that a walk counts once for whomever it
  hits (`visits`), that the divisor is fixed (`relative`), that connectivity decay is smooth
  (`cliff`: the published threshold; `no-decay`: none), that distrust is a wall (`no-walls`), and
  the stop probability (`alpha-30`);
- of trust: the bounded tilt by adoption (`multiplier-1`, `multiplier-5`);
- of the ranking: that contacts are combined by Pixie's booster (`added-up`), that no single contact
  is capped (`capped`), that open evidence is heard (`closed`), and that it is heard by standing
  (`crowd`: everybody alike).

Two options that are off by default are here as well: `diverse` and `exploring`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import msgspec
import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from tastemesh.node.basis import Basis, Question
from tastemesh.node.scorer import Scorer, ScorerParameters
from tastemesh.ranking.contacts import Shares
from tastemesh.reputation.introducers import connectivity_decay
from tastemesh.reputation.literal import literal_connectivity_decay
from tastemesh.reputation.parameters import WalkParameters
from tastemesh.reputation.trust import endorsed_mass, scaled_columns
from tastemesh.reputation.walks import WalkMass, counted, trace_walks
from tastemesh.sim.systems.tastemesh import Tastemesh

BASE = "tastemesh"


class _Visits(Scorer):
    """Counts every visit of a walk and not only the first, as the published rule does."""

    def _mass(self, ego: bytes, walks: WalkMass) -> Shares:
        arrays = self._endorsements.csr()
        index = self._endorsements.index_of(ego)
        if index is None or not len(walks.contacts):
            return super()._mass(ego, walks)
        units = np.diff(arrays.cumulative[arrays.offsets]).astype(np.float64)
        rows = np.repeat(np.arange(len(arrays.ids)), np.diff(arrays.offsets))
        shares = np.diff(arrays.cumulative) / units[rows]
        walls = self._endorsements.walls(ego)
        open_ends = ~np.isin(rows, walls) & ~np.isin(arrays.subjects, walls)
        onward = (rows != index) & (arrays.subjects != index) & open_ends
        alpha = self.parameters.trust.walks.alpha
        size = (len(arrays.ids), len(arrays.ids))
        steps = sp.csc_array(
            ((1 - alpha) * shares[onward], (arrays.subjects[onward], rows[onward])), shape=size
        )
        visits = splu(sp.csc_array(sp.eye_array(size[0]) - steps))
        row = slice(int(arrays.offsets[index]), int(arrays.offsets[index + 1]))
        starts = np.zeros((size[0], len(walks.contacts)))
        starts[walks.contacts, np.arange(len(walks.contacts))] = (1 - alpha) * shares[row]
        starts[walls] = 0.0
        found = visits.solve(starts)
        home = (arrays.subjects == index) & open_ends
        returned = (1 - alpha) * np.bincount(rows[home], weights=shares[home], minlength=size[0])
        again = 1.0 / (1.0 - float((returned @ found).sum()))
        mass: Shares = sp.csr_array((found * again).T)
        return scaled_columns(mass, connectivity_decay(walks, beta=self.parameters.trust.beta))


class _Cliff(Scorer):
    """Cuts at a threshold of 99 %, as published, where nearly all walks pass one identity."""

    def _mass(self, ego: bytes, walks: WalkMass) -> Shares:
        decay = literal_connectivity_decay(walks, beta=self.parameters.trust.beta)
        return scaled_columns(walks.contact_mass, decay)


class _Relative(Scorer):
    """Divides by all hits, so that what one loses others gain."""

    def _mass(self, ego: bytes, walks: WalkMass) -> Shares:
        mass = endorsed_mass(walks, self.parameters.trust.beta)
        total = float(mass.sum())
        factor = np.full(mass.shape[1], 1.0 / total if total > 0 else 1.0)
        return scaled_columns(mass, factor)


class _NoWalls(Scorer):
    """Lets walks pass through whom ego distrusts, who only counts for nothing himself."""

    def _walks(self, ego: bytes) -> WalkMass:
        graph = self._endorsements
        index = graph.index_of(ego)
        parameters = self.parameters.trust.walks
        if index is None:
            return super()._walks(ego)
        arrays = graph.csr()
        none = np.empty(0, np.int32)
        trace = trace_walks(arrays, index, walls=none, seed=ego, parameters=parameters)
        contacts = arrays.subjects[arrays.offsets[index] : arrays.offsets[index + 1]]
        return counted(trace, contacts, len(arrays.ids), parameters.walk_count)

    def _mass(self, ego: bytes, walks: WalkMass) -> Shares:
        heard = np.ones(len(walks.hits))
        heard[self._endorsements.walls(ego)] = 0.0
        return scaled_columns(super()._mass(ego, walks), heard)


class _Crowd(Scorer):
    """Hears open evidence from everybody alike, endorsed or not."""

    def _questions(
        self,
        egos: Sequence[bytes],
        rejected: Sequence[Sequence[str]],
        basis: Basis,
        likes: Sequence[Collection[str]],
    ) -> list[Question]:
        return [
            msgspec.structs.replace(asked, voices=np.ones_like(asked.voices))
            for asked in super()._questions(egos, rejected, basis, likes)
        ]


def _ranked(**changes: float) -> ScorerParameters:
    base = ScorerParameters()
    return msgspec.structs.replace(base, ranking=msgspec.structs.replace(base.ranking, **changes))


def _trusting(**changes: float | WalkParameters) -> ScorerParameters:
    base = ScorerParameters()
    return msgspec.structs.replace(base, trust=msgspec.structs.replace(base.trust, **changes))


_WALKS = ScorerParameters().trust.walks

VARIANTS: Mapping[str, tuple[ScorerParameters, type[Scorer]]] = {
    "visits": (ScorerParameters(), _Visits),
    "relative": (ScorerParameters(), _Relative),
    "cliff": (ScorerParameters(), _Cliff),
    "no-decay": (_trusting(beta=0.0), Scorer),
    "no-walls": (ScorerParameters(), _NoWalls),
    "alpha-30": (_trusting(walks=msgspec.structs.replace(_WALKS, alpha=0.3)), Scorer),
    "multiplier-1": (_trusting(multiplier=1.0), Scorer),
    "multiplier-5": (_trusting(multiplier=5.0), Scorer),
    "added-up": (_ranked(contact_exponent=1.0), Scorer),
    "capped": (_ranked(contact_share_max=0.5), Scorer),
    "closed": (_ranked(open_gain=1.0), Scorer),
    "crowd": (ScorerParameters(), _Crowd),
    "diverse": (ScorerParameters(diversity=0.3), Scorer),
    "exploring": (ScorerParameters(exploration_share=0.2), Scorer),
}
"""What is done otherwise, by the name that follows `tastemesh-`."""


class Variant(Tastemesh):
    """Ours with one deviation undone.

    Args:
        undone: a key of `VARIANTS`.
        seed: as of `Tastemesh`.
    """

    def __init__(self, undone: str, seed: int = 0) -> None:
        parameters, rule = VARIANTS[undone]
        super().__init__(seed, parameters, rule)
        self.name = f"{BASE}-{undone}"


def variant_systems() -> dict[str, Callable[[int], Variant]]:
    """Return a maker for each variant, by its full name."""
    return {f"{BASE}-{name}": partial(Variant, name) for name in VARIANTS}
