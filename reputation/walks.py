"""MeritRank walks: personalised hitting times from ego over the endorsement graph.

MeritRank (Nasrulin, Ishmaev, Pouwelse, BRAINS 2022, arXiv 2207.09950), base algorithm
"personalised hitting time": a walk starts at ego, stops with probability alpha before each step,
and else follows an endorsement with probability in proportion to its weight among its author's.
m(v) is the share of the walks that hit v.

Deviation: a walk hits an identity once at most, and the divisor is the number of walks. With
visits instead, a cycle with one's own identities multiplies one's mass by up to 1/(alpha(2 -
alpha)); with the sum of hits as divisor, a penalty on one identity lifts all others (meritrank
research, 1.4 and 4.4).
Deviation: an identity that ego itself distrusts is a wall: the walk ends there and the wall scores
nothing. What the walk carried is lost rather than shared out. MeritRank knows no distrust;
meritrank-python subtracts from everybody on the way, which lets an attacker choose who pays.

Randomness is a function of (seed, walk, step), not a stream that all walks share: a walk changes
only if the row of an identity on its way changes. So, for one seed, statements by identities that
no walk can reach change nothing, bit for bit, and the order in which statements arrived never
matters. A node's seed is the ego's id (ADR 7), which others know: whoever is endorsed can fit his
edges to the draws, within their noise. A seed that follows the graph's content would let anybody
draw the noise anew with an edge from nowhere.

Two kernels give the same trace: numpy, all walks step by step, and numba where the `fast` extra is
installed (`tastemesh.reputation.walk_kernel`).
"""

import hashlib

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking.compiling import is_compiled
from tastemesh.reputation.graph import EndorsementGraph
from tastemesh.reputation.parameters import WalkParameters
from tastemesh.reputation.rows import EndorsementArrays

_SEED_DOMAIN = b"tastemesh/1/walks\x00"
_MASK_64 = (1 << 64) - 1

# splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014):
# the increment is 2^64 divided by the golden ratio, the rest is its finaliser.
GOLDEN = 0x9E3779B97F4A7C15
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB


class Trace(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """First hits of all walks, h of them; those of one walk stand in the order they happened.

    Attributes:
        walk: int32[h]; number of the walk, 0 and up.
        node: int32[h]; index of the identity hit, never ego and never a wall.
        contact: int32[h]; through which of ego's endorsements the walk had last left ego, counted
            within ego's row. A direct hit on a contact has that contact itself.
    """

    walk: NDArray[np.int32]
    node: NDArray[np.int32]
    contact: NDArray[np.int32]


class WalkMass(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How often the walks hit whom, in all and by the contact they came through.

    Attributes:
        walk_count: the fixed divisor W.
        trace: the hits themselves.
        hits: int64[n]; walks that hit each identity.
        contacts: int32[k]; indices of the identities that ego endorses, walls excluded.
        contact_hits: int64 sparse array [k, n]; walks that first hit v after leaving ego through
            contacts[k]. Its columns sum to `hits`.
    """

    walk_count: int
    trace: Trace
    hits: NDArray[np.int64]
    contacts: NDArray[np.int32]
    contact_hits: sp.csr_array

    @property
    def mass(self) -> NDArray[np.float64]:
        """m(v) in [0, 1], float64[n]; 0 for ego, for walls and for whom no walk hit."""
        return self.hits / self.walk_count

    @property
    def contact_mass(self) -> sp.csr_array:
        """Mass by contact, float64 sparse array [k, n]."""
        hits = self.contact_hits
        shares = hits.data / self.walk_count
        return sp.csr_array((shares, hits.indices, hits.indptr), shape=hits.shape)


_NO_TRACE = Trace(
    walk=np.empty(0, np.int32), node=np.empty(0, np.int32), contact=np.empty(0, np.int32)
)


def walk_mass(
    graph: EndorsementGraph,
    ego: bytes,
    *,
    seed: bytes,
    parameters: WalkParameters | None = None,
) -> WalkMass:
    """Walks from ego and counts.

    Args:
        graph: the endorsements; indices of the result are the graph's at this moment.
        ego: id of the identity whose view this is; one that endorsed nobody gets no mass at all.
        seed: any bytes, hashed; the same graph and seed give the same result.
        parameters: alpha and the number of walks.

    Returns:
        The mass of every identity in the graph.
    """
    parameters = parameters or WalkParameters()
    arrays = graph.csr()
    trace = _traced(graph, ego, seed, parameters)
    index = graph.index_of(ego)
    contacts = np.empty(0, np.int32)
    if index is not None:
        contacts = arrays.subjects[arrays.offsets[index] : arrays.offsets[index + 1]]
    return counted(trace, contacts, len(arrays.ids), parameters.walk_count)


def whom_walks_hit(
    graph: EndorsementGraph, ego: bytes, *, seed: bytes, parameters: WalkParameters
) -> NDArray[np.intp]:
    """Walks from ego and counts nothing: for who asks about everybody's mass whether there is any.

    Args:
        graph: as for `walk_mass`.
        ego: as for `walk_mass`.
        seed: as for `walk_mass`.
        parameters: as for `walk_mass`.

    Returns:
        Indices of the identities whose `walk_mass` is above 0, rising.
    """
    index = graph.index_of(ego)
    if index is not None and is_compiled(None):
        from tastemesh.reputation.walk_kernel import hit_compiled

        arrays = graph.csr()
        start = _start(arrays, index, graph.walls(ego), seed)
        return hit_compiled(arrays, index, *start, parameters)
    return np.flatnonzero(np.bincount(_traced(graph, ego, seed, parameters).node))


def _traced(graph: EndorsementGraph, ego: bytes, seed: bytes, parameters: WalkParameters) -> Trace:
    index = graph.index_of(ego)
    if index is None:
        return _NO_TRACE
    walls = graph.walls(ego)
    return trace_walks(graph.csr(), index, walls=walls, seed=seed, parameters=parameters)


def trace_walks(
    arrays: EndorsementArrays,
    ego: int,
    *,
    walls: NDArray[np.int32],
    seed: bytes,
    parameters: WalkParameters,
    compiled: bool | None = None,
) -> Trace:
    """Makes the walks; the paths themselves, for rules that need them.

    Args:
        arrays: positive endorsements.
        ego: index of the start.
        walls: indices at which a walk ends without a hit, int32.
        seed: any bytes, hashed.
        parameters: alpha and the number of walks.
        compiled: the numba kernel (True), numpy (False), or whichever is there (None). Both give
            the same hits; numba's come walk by walk, numpy's step by step.

    Returns:
        All first hits.

    Raises:
        UsageError: ego is no index of these arrays.
    """
    if not 0 <= ego < len(arrays.ids):
        raise UsageError(f"ego index {ego}; expected 0 to {len(arrays.ids) - 1}")
    start = _start(arrays, ego, walls, seed)
    if is_compiled(compiled):
        from tastemesh.reputation.walk_kernel import trace_compiled

        return trace_compiled(arrays, ego, *start, parameters)
    return _trace_numpy(arrays, ego, *start, parameters)


def _start(
    arrays: EndorsementArrays, ego: int, walls: NDArray[np.int32], seed: bytes
) -> tuple[NDArray[np.int64], NDArray[np.bool_], tuple[int, int]]:
    """Return the weight that leaves each identity, who is never hit, and what keys the draws."""
    units = np.diff(arrays.cumulative[arrays.offsets])
    units[walls] = 0  # nothing leaves a wall
    blocked = np.zeros(len(arrays.ids), np.bool_)
    blocked[walls] = True
    blocked[ego] = True
    digest = hashlib.sha256(_SEED_DOMAIN + seed).digest()
    return units, blocked, (int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big"))


def stop_threshold(alpha: float) -> int:
    """A walk stops where the upper 32 bits of its draw are below this.

    >>> stop_threshold(0.5) == 2**31
    True
    """
    return round(alpha * (1 << 32))


def _trace_numpy(
    arrays: EndorsementArrays,
    ego: int,
    units: NDArray[np.int64],
    blocked: NDArray[np.bool_],
    keys: tuple[int, int],
    parameters: WalkParameters,
) -> Trace:
    first_edge = int(arrays.offsets[ego])
    before = arrays.cumulative[arrays.offsets[:-1]]
    ends = arrays.cumulative[1:]
    threshold = np.uint64(stop_threshold(parameters.alpha))

    walk = np.arange(parameters.walk_count, dtype=np.int32)
    stream = _mix(walk.astype(np.uint64) * np.uint64(GOLDEN) + np.uint64(keys[0]))
    stream ^= np.uint64(keys[1])
    at = np.full(len(walk), ego, np.int32)
    contact = np.full(len(walk), -1, np.int32)
    path = np.empty((0, len(walk)), np.int32)  # earlier stops of the walks still going
    hits: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]] = []
    for step in range(1, parameters.step_limit + 1):
        draw = _mix(stream + np.uint64(step * GOLDEN & _MASK_64))
        choices = units[at]
        going = np.flatnonzero((draw >> np.uint64(32) >= threshold) & (choices > 0))
        if not len(going):
            break
        walk, stream, draw, at = walk[going], stream[going], draw[going], at[going]
        # Below 2^32 * 2^30: a row holds at most 65,536 statements of 10,000 units each.
        lot = (draw & np.uint64(0xFFFFFFFF)).astype(np.int64) * choices[going] >> 32
        edge = np.searchsorted(ends, before[at] + lot, side="right")
        contact = np.where(at == ego, edge - first_edge, contact[going]).astype(np.int32)
        at = arrays.subjects[edge]
        path = path[:, going]
        new = ~blocked[at] & (path != at).all(axis=0)
        path = np.vstack((path, at))
        hits.append((walk[new], at[new], contact[new]))
    if not hits:
        return _NO_TRACE
    walks, nodes, contacts = (np.concatenate(column) for column in zip(*hits, strict=True))
    return Trace(walk=walks, node=nodes, contact=contacts)


def counted(trace: Trace, contacts: NDArray[np.int32], count: int, walk_count: int) -> WalkMass:
    """Count hits.

    Args:
        trace: of all walks.
        contacts: whom ego endorses, int32[k].
        count: identities in the graph.
        walk_count: walks, the fixed divisor.
    """
    # Sorting the pairs as numbers is 3 times as fast as scipy's conversion (measured).
    pairs = np.sort(trace.contact.astype(np.int64) * count + trace.node)
    firsts = np.flatnonzero(np.diff(pairs, prepend=-1))
    rows, columns = np.divmod(pairs[firsts], max(count, 1))
    offsets = np.searchsorted(rows, np.arange(len(contacts) + 1))
    hits = np.diff(firsts, append=len(pairs))
    return WalkMass(
        walk_count=walk_count,
        trace=trace,
        hits=np.bincount(trace.node, minlength=count),
        contacts=contacts,
        contact_hits=sp.csr_array((hits, columns, offsets), shape=(len(contacts), count)),
    )


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finaliser, modulo 2^64."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(MIX_1)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(MIX_2)
    return state ^ (state >> np.uint64(31))
