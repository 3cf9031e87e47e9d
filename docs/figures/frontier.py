"""Trust against relevance: what alpha, beta and kappa cost honest users and what they buy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from docs.figures.workshop import Workshop, rows_of
from tastemesh.node.scorer import ScorerParameters
from tastemesh.ranking.metrics import hits, ndcg
from tastemesh.sim.adversaries.staging import Attacked
from tastemesh.sim.adversaries.strategies import mount
from tastemesh.sim.attack.backends import open_backend
from tastemesh.sim.attack.options import AttackOptions
from tastemesh.sim.attack.plots import COLOURS, MARKERS, Plot, Theme
from tastemesh.sim.attack.stage import LIST_LENGTH, Stage, set_stage
from tastemesh.sim.attack.summary import interval
from tastemesh.sim.attack.tables import share
from tastemesh.sim.systems.tastemesh import Tastemesh

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCUMENT = "frontier.md"
STRATEGY, IDENTITIES, EDGES = "collude", 100, 5
OPTIONS = AttackOptions(seeds=3, egos=40)

SWEEPS: Mapping[str, tuple[float, ...]] = {
    "alpha": (0.05, 0.15, 0.3, 0.6),
    "beta": (0.0, 0.4, 0.8, 1.0),
    "kappa": (0.001, 0.01, 0.03, 0.1),
}


class Point(msgspec.Struct, frozen=True):
    """One setting on one seed.

    Attributes:
        name: of what is swept.
        value: of it; everything else is the default.
        seed: of split, egos and attack.
        ndcg: at 10, without an attack.
        mass: mean trust in the attackers.
        bound: mean over the egos of what the theorem allows the attackers' item.
        exposure: share of egos with the target in their top ten.
    """

    name: str
    value: float
    seed: int
    ndcg: float
    mass: float
    bound: float
    exposure: float


def make(workshop: Workshop) -> None:
    """Sweep, one parameter at a time; a table and a plot."""
    points = workshop.kept("frontier", list[Point], lambda: _measure(workshop))
    lines = []
    for name, values in SWEEPS.items():
        for value in values:
            mine = [each for each in points if (each.name, each.value) == (name, value)]
            accuracy = np.array([each.ndcg for each in mine])
            low, high = interval(accuracy)
            lines.append(
                (
                    name,
                    f"{value:g}",
                    f"{accuracy.mean():.4f} [{low:.4f}, {high:.4f}]",
                    f"{np.mean([each.mass for each in mine]):.2g}",
                    share(float(np.mean([each.bound for each in mine]))),
                    share(float(np.mean([each.exposure for each in mine]))),
                )
            )
    header = ("swept", "value", "ndcg@10", "sybil mass", "the bound", "exposure@10")
    workshop.write(DOCUMENT, "frontier", rows_of(header, lines))
    workshop.draw("frontier", _plot(points))


def _measure(workshop: Workshop) -> list[Point]:
    tags, friends = workshop.tags()
    points: list[Point] = []
    with open_backend("local", jobs=workshop.jobs) as backend:
        for seed in range(OPTIONS.seeds):
            stage = set_stage(tags, friends, OPTIONS, seed)
            assert stage.endorsements is not None
            attacked = mount(
                STRATEGY,
                stage.parts.train,
                stage.endorsements,
                stage.groups[0].egos,
                identities=IDENTITIES,
                attack_edges=EDGES,
                seed=seed,
            )
            calls = [
                (stage, attacked, name, value) for name, all_ in SWEEPS.items() for value in all_
            ]
            points += backend.run(point, calls, shared=stage)
    return points


def point(stage: Stage, attacked: Attacked, name: str, value: float) -> Point:
    """Measure one setting, without and under attack.

    Args:
        stage: of one seed.
        attacked: the attack on it.
        name: a key of `SWEEPS`.
        value: of it.
    """
    parameters = _changed(name, value)
    group = stage.groups[0]
    clean = Tastemesh(stage.seed, parameters)
    clean.fit(stage.parts.train, stage.endorsements, clean.grid(True)[0])
    lists = clean.rank(group.egos, LIST_LENGTH)
    accuracy = ndcg(hits(lists, group.relevant), np.diff(group.relevant.indptr), LIST_LENGTH)
    system = Tastemesh(stage.seed, parameters)
    system.fit(attacked.train, attacked.endorsements, system.grid(True)[0])
    top = system.rank(group.egos, LIST_LENGTH)
    trusted = np.array(
        [system.trust_in(ego, attacked.attackers, LIST_LENGTH) for ego in group.egos.tolist()]
    )
    return Point(
        name,
        value,
        stage.seed,
        float(accuracy.mean()),
        float(trusted[:, 0].mean()),
        float(trusted[:, 1].mean()),
        float((top == attacked.target).any(axis=1).mean()),
    )


def _changed(name: str, value: float) -> ScorerParameters:
    base = ScorerParameters()
    if name == "kappa":
        return msgspec.structs.replace(
            base, ranking=msgspec.structs.replace(base.ranking, kappa=value)
        )
    walks = base.trust.walks
    changes = (
        {"walks": msgspec.structs.replace(walks, alpha=value)} if name == "alpha" else {name: value}
    )
    return msgspec.structs.replace(base, trust=msgspec.structs.replace(base.trust, **changes))


def _plot(points: list[Point]) -> Plot:
    def plot(figure: "Figure", theme: Theme) -> None:
        figure.set_size_inches(10, 3.8)
        panels = figure.subplots(1, len(SWEEPS), sharex=True, sharey=True)
        accuracies: list[float] = []
        for number, (axes, (name, values)) in enumerate(zip(panels, SWEEPS.items(), strict=True)):
            means = []
            for value in values:
                mine = [each for each in points if (each.name, each.value) == (name, value)]
                means.append(
                    (
                        float(np.mean([each.bound for each in mine])),
                        float(np.mean([each.ndcg for each in mine])),
                    )
                )
            accuracies += [accuracy for _, accuracy in means]
            axes.plot(*zip(*means, strict=True), MARKERS[number], color=COLOURS[number], ls="-")
            for value, at in zip(values, means, strict=True):
                axes.annotate(
                    f"{value:g}", at, xytext=(0, 7), textcoords="offset points", ha="center"
                )
            axes.set_title(name)
            axes.set_xlabel("what the theorem allows an attacker")
            axes.grid(color=theme.grid, linewidth=0.6)
        panels[0].set_ylabel("ndcg@10 without an attack")
        panels[0].set_xlim(left=0)
        panels[0].set_ylim(0, 1.2 * max(accuracies))  # room for the values above their marks

    return plot
