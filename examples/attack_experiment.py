"""A scripted attack experiment: how many must be deceived for fake identities to get through?

An attacker with a hundred identities that copy their victims' histories deceives ever more honest
people into endorsing one of them, until half of the others see his item. From the repository:

    python -m examples.attack_experiment

`tastemesh attack` measures the same over whole grids, on your data; a script is for questions that
depend on the answers before, as here.
"""

from collections.abc import Iterator

from tastemesh.sim.attack.options import AttackOptions
from tastemesh.sim.attack.runner import run_attacks
from tastemesh.sim.attack.summary import Row, summary
from tastemesh.sim.community import synthetic_community

PEOPLE = 90
IDENTITIES = 100
SYSTEMS = ("tastemesh", "userknn")
REACHED = 0.5  # share of people who see the item: the attacker is content
DECEIVED = (0, 1, 2, 4, 8, 16, 32)


def escalate(system: str, strategy: str = "copycat", seeds: int = 3) -> Iterator[Row]:
    """Deceive more and more people, as long as it is not enough.

    Args:
        system: whose lists are attacked.
        strategy: of `tastemesh attack`.
        seeds: repetitions behind each figure.

    Yields:
        One row for each number of deceived people.
    """
    interactions, endorsements = synthetic_community(PEOPLE, seed=1)
    for edges in DECEIVED:
        options = AttackOptions(
            strategies=(strategy,),
            systems=(system,),
            identities=(IDENTITIES,),
            attack_edges=(edges,),
            seeds=seeds,
            egos=40,
        )
        (row,) = summary(run_attacks(interactions, endorsements, options))
        yield row
        if row.exposure is not None and row.exposure >= REACHED:
            return


def main() -> None:
    """Print what each step reached."""
    print(f"{IDENTITIES} copycats among {PEOPLE} people; an item that only they hold")
    for system in SYSTEMS:
        print(f"\n{system}\n  deceived   see it   trust in them")
        for row in escalate(system):
            trust = "" if row.sybil_mass is None else f"{row.sybil_mass:13.1%}"
            print(f"  {row.attack_edges:8}   {row.exposure or 0.0:6.0%}   {trust}")


if __name__ == "__main__":
    main()
