"""The walks of `tastemesh.reputation.walks`, one at a time, compiled by numba (extra `fast`).

The same integers in the same places as the numpy kernel, so the same hits, bit for bit
(`tests/reputation/test_walks.py` compares them). 4 to 8 times as fast as numpy; compiling takes
some seconds once per machine, and once per process where no folder for numba's cache is writable.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.compiled import compiled
from tastemesh.reputation import walks
from tastemesh.reputation.parameters import WalkParameters
from tastemesh.reputation.rows import EndorsementArrays

_GOLDEN = np.uint64(walks.GOLDEN)
_MIX_1 = np.uint64(walks.MIX_1)
_MIX_2 = np.uint64(walks.MIX_2)
_LOW_32_BITS = np.uint64(0xFFFFFFFF)
_27, _30, _31, _32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)


def trace_compiled(
    arrays: EndorsementArrays,
    ego: int,
    units: NDArray[np.int64],
    blocked: NDArray[np.bool_],
    keys: tuple[int, int],
    parameters: WalkParameters,
) -> walks.Trace:
    """Makes the walks; see `tastemesh.reputation.walks.trace_walks`.

    Args:
        arrays: positive endorsements.
        ego: index of the start.
        units: int64[n]; weight that leaves each identity, 0 where a walk ends.
        blocked: bool[n]; identities that are never hit.
        keys: two 64-bit numbers from the seed.
        parameters: alpha and the number of walks.

    Returns:
        All first hits, walk by walk.
    """
    walk, node, contact, _ = _walks(arrays, ego, units, blocked, keys, parameters, True)
    return walks.Trace(walk=walk, node=node, contact=contact)


def hit_compiled(
    arrays: EndorsementArrays,
    ego: int,
    units: NDArray[np.int64],
    blocked: NDArray[np.bool_],
    keys: tuple[int, int],
    parameters: WalkParameters,
) -> NDArray[np.intp]:
    """Makes the same walks as `trace_compiled`, and notes nothing on the way but whom they hit.

    Returns:
        Indices, rising.
    """
    is_hit = _walks(arrays, ego, units, blocked, keys, parameters, False)[3]
    return np.flatnonzero(is_hit & ~blocked)


def _walks(
    arrays: EndorsementArrays,
    ego: int,
    units: NDArray[np.int64],
    blocked: NDArray[np.bool_],
    keys: tuple[int, int],
    parameters: WalkParameters,
    is_traced: bool,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    return _run(
        arrays.offsets,
        arrays.subjects,
        arrays.cumulative,
        ego,
        units,
        blocked,
        np.uint64(keys[0]),
        np.uint64(keys[1]),
        np.uint64(walks.stop_threshold(parameters.alpha)),
        parameters.walk_count,
        parameters.step_limit,
        is_traced,
    )


@numba.njit(inline="always")
def _mix(state: np.uint64) -> np.uint64:
    state = (state ^ (state >> _30)) * _MIX_1
    state = (state ^ (state >> _27)) * _MIX_2
    return state ^ (state >> _31)


def _walk(
    offsets: NDArray[np.int64],
    subjects: NDArray[np.int32],
    cumulative: NDArray[np.int64],
    ego: int,
    units: NDArray[np.int64],
    blocked: NDArray[np.bool_],
    walk_key: np.uint64,
    step_key: np.uint64,
    threshold: np.uint64,
    walk_count: int,
    step_limit: int,
    is_traced: bool,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    hits = np.empty((3, 4 * walk_count if is_traced else 0), np.int32)
    used = 0
    is_hit = np.zeros(len(units), np.bool_)  # or blocked, and on the way
    last_walk = np.full(len(units), -1, np.int32)  # the last walk that came by, per identity
    for walk in range(walk_count):
        stream = _mix(np.uint64(walk) * _GOLDEN + walk_key) ^ step_key
        at, contact = ego, -1
        for step in range(1, step_limit + 1):
            draw = _mix(stream + np.uint64(step) * _GOLDEN)
            if draw >> _32 < threshold or units[at] == 0:
                break
            share = np.int64(draw & _LOW_32_BITS)
            low, high = offsets[at], offsets[at + 1] - 1
            lot = cumulative[low] + ((share * units[at]) >> 32)
            edge = low + ((share * (high - low + 1)) >> 32)  # it, if all weigh the same
            while True:  # for the edge whose weight begins at or before the lot and ends beyond it
                if cumulative[edge] > lot:
                    high = edge - 1
                elif cumulative[edge + 1] <= lot:
                    low = edge + 1
                else:
                    break
                edge = (low + high) >> 1
            if at == ego:
                contact = edge - offsets[ego]
            at = subjects[edge]
            is_hit[at] = True
            if not is_traced or blocked[at] or last_walk[at] == walk:
                continue
            last_walk[at] = walk
            if used == hits.shape[1]:
                longer = np.empty((3, 2 * used), np.int32)
                longer[:, :used] = hits
                hits = longer
            hits[0, used], hits[1, used], hits[2, used] = walk, at, contact
            used += 1
    return hits[0, :used], hits[1, :used], hits[2, :used], is_hit


_run = compiled(_walk)
