"""Web3Recommend's published experiments with its literal rule, ours beside, on Last.fm's plays.

Theirs: hidden favourites over alpha, how much a list changes over alpha and beta, and what Sybils
gain in a line, side by side, and on a large share of all users. Gain is their measure, the Sybil
items' share of all scores; exposure@10 is beside it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from docs.figures.networks import Network, attackers_of, similarity_network, with_sybils
from docs.figures.workshop import PLAYS, Workshop, rows_of, with_interval
from tastemesh.sim.attack.backends import open_backend
from tastemesh.sim.attack.plots import COLOURS, MARKERS, Plot, Theme
from tastemesh.sim.attack.summary import interval
from tastemesh.sim.systems.tastemesh import Tastemesh
from tastemesh.sim.systems.web3recommend import Web3Recommend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCUMENT = "reproduction.md"
SEEDS, ROOTS, LIST_LENGTH = 3, 30, 10
ALPHA, BETA = 0.1, 0.8  # their app
ALPHAS = (0.01, 0.1, 0.3, 0.5, 0.8)
BETAS = (0.0, 0.5, 0.8, 1.0)
SYBILS = (1, 3, 10, 30, 100)
GIGA_SYBILS = 5  # of each attacker: as many as a user trusts
GIGA_SHARE = 0.5
PERSISTENCE = 0.9  # theirs
OURS = "tastemesh"


class Finding(msgspec.Struct, frozen=True):
    """One number.

    Attributes:
        experiment: `recall`, `recall-leak`, `overlap`, `linear`, `parallel` or `giga`.
        rule: `tastemesh`, or Web3Recommend's alpha and beta.
        count: Sybils of each attacker; 0 without an attack.
        seed: of roots and walks.
        value: recall, overlap or gain, a mean over roots.
        exposure: share of roots with a Sybil item in their top ten; 0 without an attack.
    """

    experiment: str
    rule: str
    count: int
    seed: int
    value: float
    exposure: float = 0.0


def make(workshop: Workshop) -> None:
    """Repeat the experiments; three tables and two plots."""
    found = workshop.kept("reproduction", list[Finding], lambda: _measure(workshop))
    workshop.write(DOCUMENT, "relevance", _relevance(found))
    workshop.write(DOCUMENT, "sybils", _sybils(found))
    workshop.write(DOCUMENT, "giga", _giga(found))
    workshop.draw("reproduction-sybils", _sybil_plot(found))


def _measure(workshop: Workshop) -> list[Finding]:
    network = similarity_network(workshop.interactions(PLAYS))
    calls = [
        (network, kind, seed)
        for seed in range(SEEDS)
        for kind in ("relevance", "linear", "parallel", "giga")
    ]
    with open_backend("local", jobs=workshop.jobs) as backend:
        return [each for part in backend.run(experiment, calls, shared=network) for each in part]


def experiment(
    network: Network, kind: str, seed: int, counts: Sequence[int] = SYBILS
) -> list[Finding]:
    """Run one kind of experiment on one seed.

    Args:
        network: without attackers.
        kind: `relevance`, `linear`, `parallel` or `giga`.
        seed: of roots and walks.
        counts: Sybils of each attacker, of `linear` and `parallel`.
    """
    rng = np.random.default_rng([seed, 21])
    degree = np.bincount(network.trust.source, minlength=len(network.interactions.user_ids))
    able = np.flatnonzero(degree > 3).astype(np.int32)
    if kind == "giga":
        drawn = rng.permutation(able)
        attackers = np.sort(drawn[: int(GIGA_SHARE * len(drawn))])
        roots = np.sort(drawn[len(attackers) :][:ROOTS])
        attacked = with_sybils(network, attackers, GIGA_SYBILS, "parallel", same_items=True)
        attacked = msgspec.structs.replace(
            attacked, targets=np.repeat(attacked.targets[:1], len(roots), axis=0)
        )
        settings = [(ALPHA, beta) for beta in BETAS] + [(a, 0.0) for a in ALPHAS if a != ALPHA]
        return _gains(attacked, roots, kind, GIGA_SYBILS, seed, settings)
    roots = np.sort(rng.permutation(able)[:ROOTS])
    if kind == "relevance":
        return _relevances(network, roots, seed)
    found = []
    attackers = attackers_of(network, roots)
    alone = ~np.isin(attackers, roots) & ~np.isin(roots, attackers)
    for count in counts:
        attacked = with_sybils(network, attackers[alone], count, kind, same_items=False)
        settings = [(ALPHA, 0.0), (ALPHA, BETA), (0.005, BETA)]
        found += _gains(attacked, roots[alone], kind, count, seed, settings)
    return found


def _gains(
    network: Network,
    roots: NDArray[np.int32],
    kind: str,
    count: int,
    seed: int,
    settings: Sequence[tuple[float, float]],
) -> list[Finding]:
    found = []
    for rule in (*settings, None):
        scores = _scores(network, roots, seed, rule)
        gain = np.take_along_axis(scores, network.targets, axis=1).sum(axis=1)
        top = _listed(scores, network, roots, LIST_LENGTH)
        shown = (top[:, :, None] == network.targets[:, None, :]).any(axis=(1, 2))
        found.append(
            Finding(kind, _named(rule), count, seed, float(gain.mean()), float(shown.mean()))
        )
    return found


def _named(rule: tuple[float, float] | None) -> str:
    return OURS if rule is None else f"alpha {rule[0]:g}, beta {rule[1]:g}"


def _scores(
    network: Network, roots: NDArray[np.int32], seed: int, rule: tuple[float, float] | None
) -> NDArray[Any]:
    if rule is None:
        ours = Tastemesh(seed)
        ours.fit(network.interactions, network.trust, ours.grid(True)[0])
        return ours.scores(roots)
    theirs = Web3Recommend(seed)
    alpha, beta = rule
    theirs.fit(
        network.interactions, network.trust, {"alpha": alpha, "beta": beta, "trust": "given"}
    )
    return theirs.scores(roots)


def _listed(
    scores: NDArray[Any], network: Network, roots: NDArray[np.int32], k: int
) -> NDArray[np.int64]:
    """Return the k best items that a root does not hold, shape [roots, k]; -1 for a score of 0."""
    left = scores.copy()
    train = network.interactions
    place = np.full(len(train.user_ids), -1)
    place[roots] = np.arange(len(roots))
    mine = place[train.user] >= 0
    left[place[train.user[mine]], train.item[mine]] = 0.0
    best = np.argsort(-left, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(left, best, axis=1) > 0, best, -1)


def _relevances(network: Network, roots: NDArray[np.int32], seed: int) -> list[Finding]:
    """Hide each root's strongest item; with trust made before that, as theirs, and after."""
    train = network.interactions
    hidden = np.empty(len(roots), np.int64)
    kept = np.ones(len(train), bool)
    for row, root in enumerate(roots.tolist()):
        mine = np.flatnonzero(train.user == root)
        at = mine[np.argmax(train.weight[mine])]
        hidden[row], kept[at] = train.item[at], False
    without = train.rows(kept)
    leaking = msgspec.structs.replace(network, interactions=without)
    honest = similarity_network(without)
    found = []
    for name, fresh in (("recall-leak", leaking), ("recall", honest)):
        for rule in (*((alpha, 0.0) for alpha in ALPHAS), None):
            top = _listed(_scores(fresh, roots, seed, rule), fresh, roots, 100)
            recall = float((top == hidden[:, None]).any(axis=1).mean())
            found.append(Finding(name, _named(rule), 0, seed, recall))
    base = _listed(_scores(network, roots, seed, (ALPHA, 0.0)), network, roots, 100)
    for rule in ((ALPHA, 0.0), *((ALPHA, beta) for beta in BETAS[1:])):
        other = _listed(_scores(network, roots, seed + 100, rule), network, roots, 100)
        overlap = [_rank_biased_overlap(a, b) for a, b in zip(base, other, strict=True)]
        found.append(Finding("overlap", _named(rule), 0, seed, float(np.mean(overlap))))
    return found


def _rank_biased_overlap(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Return Webber's extrapolated overlap of two lists, 0 to 1."""
    depth = max(1, min(int((one >= 0).sum()), int((other >= 0).sum())))
    shared = np.array([len(set(one[:d]) & set(other[:d])) for d in range(1, depth + 1)])
    weights = PERSISTENCE ** np.arange(1, depth + 1)
    agreed = (1 - PERSISTENCE) / PERSISTENCE * float((shared / np.arange(1, depth + 1)) @ weights)
    return agreed + float(shared[-1]) / depth * float(PERSISTENCE**depth)


def _mean(
    found: Sequence[Finding], experiment: str, rule: str, count: int = 0, field: str = "value"
) -> str:
    values = [
        getattr(each, field)
        for each in found
        if (each.experiment, each.rule, each.count) == (experiment, rule, count)
    ]
    mine = np.array(values)
    return with_interval(float(mine.mean()), *interval(mine))


def _relevance(found: Sequence[Finding]) -> str:
    lines = []
    for alpha in ALPHAS:
        rule = _named((alpha, 0.0))
        lines.append((rule, _mean(found, "recall-leak", rule), _mean(found, "recall", rule), ""))
    for beta in BETAS:
        rule = _named((ALPHA, beta))
        lines.append((rule, "", "", _mean(found, "overlap", rule)))
    lines.append((OURS, _mean(found, "recall-leak", OURS), _mean(found, "recall", OURS), ""))
    header = ("rule", "hidden favourite in the top 100, trust made with it")
    return rows_of((*header, "trust made without it", "overlap with a first run at beta 0"), lines)


def _sybils(found: Sequence[Finding]) -> str:
    rules = [_named((ALPHA, 0.0)), _named((ALPHA, BETA)), _named((0.005, BETA)), OURS]
    lines = []
    for kind in ("linear", "parallel"):
        for rule in rules:
            gains = [_mean(found, kind, rule, n) for n in (1, 10, 100)]
            lines.append((kind, rule, *gains, _mean(found, kind, rule, 100, "exposure")))
    counts = ("1 Sybil: gain", "10", "100", "100: exposure@10")
    return rows_of(("attack", "rule", *counts), lines)


def _giga(found: Sequence[Finding]) -> str:
    rules = [_named((ALPHA, beta)) for beta in BETAS]
    rules += [_named((alpha, 0.0)) for alpha in ALPHAS if alpha != ALPHA]
    lines = [
        (
            rule,
            _mean(found, "giga", rule, GIGA_SYBILS),
            _mean(found, "giga", rule, GIGA_SYBILS, "exposure"),
        )
        for rule in (*rules, OURS)
    ]
    return rows_of(("rule", "gain", "exposure@10"), lines)


def _sybil_plot(found: Sequence[Finding]) -> Plot:
    rules = [_named((ALPHA, 0.0)), _named((ALPHA, BETA)), _named((0.005, BETA)), OURS]

    def plot(figure: "Figure", theme: Theme) -> None:
        figure.set_size_inches(10, 3.8)
        panels = figure.subplots(1, 4, sharex=True)
        pairs = [(kind, field) for kind in ("linear", "parallel") for field in _FIELDS]
        for axes, (kind, field) in zip(panels, pairs, strict=True):
            for number, rule in enumerate(rules):
                means = [
                    np.mean(
                        [
                            getattr(each, field)
                            for each in found
                            if (each.experiment, each.rule, each.count) == (kind, rule, count)
                        ]
                    )
                    for count in SYBILS
                ]
                axes.plot(SYBILS, means, marker=MARKERS[number], color=COLOURS[number], label=rule)
            axes.set_xscale("log")
            axes.set_ylim(bottom=0)
            axes.set_title(f"{kind}: {_FIELDS[field]}")
            axes.set_xlabel("Sybils")
            axes.grid(color=theme.grid, linewidth=0.6)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)

    return plot


_FIELDS = {"value": "gain", "exposure": "exposure@10"}
