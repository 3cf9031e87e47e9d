"""What a node sends and receives as its network grows: by simulation, full nodes."""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import tastemesh
from docs.figures.workshop import Workshop, rows_of
from tastemesh.sim.attack.plots import COLOURS, MARKERS, Plot, Theme
from tastemesh.sim.company import fitting_size
from tastemesh.sim.links import LinkPolicy
from tastemesh.sim.run import run_scenario
from tastemesh.sim.scenario import Bounds, Scenario

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCUMENT = "scale.md"
SEED = 0
RECORDS_PER_HOUR = 10.0

SMALL = Bounds(inbound_bytes_per_s=128, window_statements=6_250)
"""A thirty-second of the default budget and window: met by as much fewer people."""

# Bounds of a node and numbers of nodes. The default's budget of 4,096 B/s would be met by 4,500
# people, more than fit into memory with windows to hold what such nodes read.
SWEEPS: Mapping[str, tuple[Bounds, tuple[int, ...]]] = {
    "4,096 B/s, the default": (Bounds(), (50, 100, 200, 400, 1_000)),
    "128 B/s": (SMALL, (50, 100, 200, 400, 1_000, 10_000)),
}

# What travels on a channel; the rest is proofs, of which there are none here.
CHANNELS: Mapping[str, str] = {"r": "records", "n": "reconciliation", "h": "presence"}


class Traffic(msgspec.Struct, frozen=True):
    """One run.

    Attributes:
        nodes: how many.
        hourly_bytes: a node's and hour's, in and out, by channel.
        coverage: share of the records of the shards that a node reads which it holds; the mean.
        events: inputs handled.
    """

    nodes: int
    hourly_bytes: dict[str, float]
    coverage: float
    events: int


def scenario(nodes: int, bounds: Bounds) -> Scenario:
    """Return what is run: people who come within a minute and say ten things an hour.

    Nobody endorses anybody, so that reading is all that is measured, not a crowd's first minute.

    Args:
        nodes: how many.
        bounds: of each.
    """
    return Scenario(
        description="steady traffic",
        nodes=nodes,
        # A node is a newcomer, who reconciles with four at once, for 300 s, and draws other shards
        # every 600. What is counted is 350 s to 700 s, in which three in five draw.
        seconds=760.0,
        records_per_hour=RECORDS_PER_HOUR,
        quiet_s=60.0,
        friends=0,
        skew_ms=5_000,
        arrive_s=60.0,
        asked=0,
        links=LinkPolicy(loss=0.01, duplication=0.002),
        bounds=bounds,
    )


def measure(nodes: int, bounds: Bounds) -> Traffic:
    """Run one network.

    Args:
        nodes: how many.
        bounds: of each.
    """
    processes = fitting_size(nodes)
    found = run_scenario(scenario(nodes, bounds), SEED, lambda *_: None, processes=processes)
    return Traffic(
        nodes, found["hourly_bytes_by_channel"], found["coverage_subscribed"], found["events"]
    )


def make(workshop: Workshop) -> None:
    """Run the sweeps, smallest first; what is kept is not run again."""
    found: dict[str, list[Traffic]] = {}
    lines: list[tuple[str, ...]] = []
    for name, (bounds, sizes) in SWEEPS.items():
        found[name] = []
        for nodes in sizes:
            kept = f"scale-{_traffic_digest()}-{bounds.inbound_bytes_per_s}-{nodes}"
            run = workshop.kept(kept, Traffic, partial(measure, nodes, bounds))
            found[name].append(run)
            parts = [run.hourly_bytes.get(channel, 0.0) for channel in CHANNELS]
            shown = [f"{part / 1e6:.2f}" for part in [*parts, sum(parts)]]
            lines.append((name, f"{nodes:,}", *shown, f"{run.coverage:.4f}"))
    header = ("budget for records", "nodes", *CHANNELS.values(), "MB in all", "coverage")
    workshop.write(DOCUMENT, "scale", rows_of(header, lines))
    workshop.draw("scale", _plot(found))


def _traffic_digest() -> str:
    """Return 8 hex digits that change with the code of protocol and simulator."""
    digest = sha256()
    package = Path(tastemesh.__file__).parent
    for path in sorted([*(package / "gossip").rglob("*.py"), *(package / "sim").glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def _plot(found: Mapping[str, list[Traffic]]) -> Plot:
    def plot(figure: "Figure", theme: Theme) -> None:
        figure.set_size_inches(10, 3.8)
        panels = figure.subplots(1, len(found))
        for axes, (name, runs) in zip(panels, found.items(), strict=True):
            sizes = [run.nodes for run in runs]
            for number, (channel, what) in enumerate(CHANNELS.items()):
                hourly = [run.hourly_bytes.get(channel, 0.0) / 1e6 for run in runs]
                axes.plot(sizes, hourly, marker=MARKERS[number], color=COLOURS[number], label=what)
            whole = [sum(run.hourly_bytes.values()) / 1e6 for run in runs]
            axes.plot(sizes, whole, color=theme.ink, linestyle="--", label="in all")
            axes.set_xscale("log")
            axes.set_ylim(bottom=0)
            axes.set_title(f"{name} for records")
            axes.set_xlabel("nodes")
            axes.grid(color=theme.grid, linewidth=0.6)
        panels[0].set_ylabel("MB a node and hour, in and out")
        panels[0].legend()

    return plot
