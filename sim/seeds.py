"""One scenario under several seeds: its figures on the average, and how sure that is."""

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

import msgspec
import numpy as np

from tastemesh.sim.attack.summary import interval

_SHARES = (0.0, 1.0)
_COUNTS = (0.0, inf)
_OF_THE_RUN = {
    "coverage": _SHARES,
    "coverage_subscribed": _SHARES,
    "coverage_subscribed_least": _SHARES,
    "converged_s": _COUNTS,
    "bytes_per_node_hour": _COUNTS,
    "events": _COUNTS,
}
_OF_AN_ADVERSARY = (
    "exposure@10", "exposure_of_the_deceiveds_friends@10", "window_share", "convicted_by"
)  # fmt: skip


class Figure(msgspec.Struct, frozen=True):
    """One figure over the seeds.

    Attributes:
        mean: over the seeds that have it.
        ci95: 95 % interval of the mean, by Student's t; None of one seed.
        seeds: how many have it: who never converges has no `converged_s`.
    """

    mean: float
    ci95: tuple[float, float] | None
    seeds: int


def summarised(runs: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """Return the main figures of runs over their seeds.

    Args:
        runs: what `run_scenario` gave for each seed of one scenario.

    Returns:
        By the figure's keys in a result, joined by dots; those that no seed has are left out.
    """
    channels = sorted({channel for run in runs for channel in run["hourly_bytes_by_channel"]})
    found: dict[str, list[float]] = {}
    within: dict[str, tuple[float, float]] = {}
    for run in runs:
        for name, value, limits in _figures(run, channels):
            if value is not None:
                found.setdefault(name, []).append(value)
                within[name] = limits
    return {
        name: Figure(
            float(np.mean(values)),
            interval(np.array(values), within[name]) if len(values) > 1 else None,
            len(values),
        )
        for name, values in found.items()
    }


def _figures(
    run: Mapping[str, Any], channels: Sequence[str]
) -> Iterator[tuple[str, float | None, tuple[float, float]]]:
    for key, limits in _OF_THE_RUN.items():
        yield key, run[key], limits
    for channel in channels:
        moved = run["hourly_bytes_by_channel"].get(channel, 0)
        yield f"hourly_bytes_by_channel.{channel}", moved, _COUNTS
    for key, verdict in run["censorship"].items():
        if isinstance(verdict, Mapping):  # on a broker that withholds somebody
            yield f"censorship.{key}.named", verdict["named"], _SHARES
        else:
            yield f"censorship.{key}", verdict, _SHARES
    for number, each in enumerate(run["adversaries"]):
        for key in _OF_AN_ADVERSARY:
            yield f"adversaries.{number}.{key}", each[key], _SHARES
