"""Which figures there are. To add one is to write a function and add a line."""

from collections.abc import Callable, Mapping

import msgspec

from docs.figures import ablation, attacks, frontier, query_cost, reproduction, scale
from docs.figures.workshop import Workshop


class Figure(msgspec.Struct, frozen=True):
    """One figure, or several that are made together.

    Attributes:
        make: makes it; it takes data, finished cells and documents from the workshop.
        shows: what is seen, and where.
    """

    make: Callable[[Workshop], None]
    shows: str


FIGURES: Mapping[str, Figure] = {
    "attacks": Figure(attacks.make, "what each attack gets of each system; threat-model.md"),
    "honest": Figure(attacks.make_honest, "what each attack costs honest users; threat-model.md"),
    "white-box": Figure(attacks.make_white_box, "who knows the rule, the bound; threat-model.md"),
    "ablation": Figure(ablation.make, "each deviation undone, two data sets; adr/0009"),
    "frontier": Figure(frontier.make, "trust against relevance over alpha, beta, kappa; frontier"),
    "query-cost": Figure(query_cost.make, "a question's cost as the window grows; benchmarks.md"),
    "scale": Figure(scale.make, "bytes a node as its network grows, simulated; scale.md"),
    "reproduction": Figure(reproduction.make, "Web3Recommend's experiments; reproduction.md"),
}
