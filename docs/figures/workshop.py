"""Where figures come from and go to: data sets, finished cells, documents, pictures."""

import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

import tastemesh
from tastemesh.errors import UsageError
from tastemesh.sim.attack.backends import open_backend
from tastemesh.sim.attack.cells import Cell
from tastemesh.sim.attack.journal import Journal
from tastemesh.sim.attack.options import AttackOptions, fingerprint
from tastemesh.sim.attack.plots import THEMES, Plot, drawn
from tastemesh.sim.attack.runner import run_attacks
from tastemesh.sim.community import synthetic_community
from tastemesh.sim.datasets import load_endorsements, load_interactions
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.tastemesh import Tastemesh

Found = TypeVar("Found")

TAGS = "lastfm-hetrec/user_taggedartists.dat"
TAG_COLUMNS = "user=userID,item=artistID,day=day,month=month,year=year"
PLAYS = "lastfm-hetrec/user_artists.dat"
FRIENDS = "lastfm-hetrec/user_friends.dat"

_WITNESSES = 60  # of the built-in community, by whose lists a rule is known


class Workshop(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure is made with.

    Attributes:
        data: folder of the data sets' folders.
        work: folder of finished cells.
        docs: folder of the documents.
        jobs: processes.
    """

    data: Path
    work: Path
    docs: Path
    jobs: int = 1

    def interactions(self, name: str, columns: str | None = None) -> Interactions:
        """Load a file of the data folder."""
        return load_interactions(self.data / name, columns=columns)

    def endorsements(self, name: str, people: Interactions) -> Endorsements:
        """Load who endorses whom, aligned with the users of some interactions."""
        return load_endorsements(self.data / name).aligned(people.user_ids)

    def tags(self) -> tuple[Interactions, Endorsements]:
        """Return Last.fm's dated tag events (HetRec 2011), and friends as endorsements."""
        interactions = self.interactions(TAGS, TAG_COLUMNS)
        return interactions, self.endorsements(FRIENDS, interactions)

    def cells(
        self,
        name: str,
        interactions: Interactions,
        endorsements: Endorsements | None,
        options: AttackOptions,
    ) -> list[Cell]:
        """Run an attack experiment; what the work folder has of it is not repeated."""
        mark = fingerprint(interactions, endorsements, options)
        journal = Journal(self.work / f"{name}-{mark[:8]}.jsonl", mark)

        def progress(stage: str, done: int, total: int) -> None:
            print(f"{name}: {stage} {done}/{total}", file=sys.stderr)

        with open_backend("local", jobs=self.jobs) as backend:
            return run_attacks(
                interactions, endorsements, options, progress, backend=backend, journal=journal
            )

    def kept(self, name: str, kind: type[Found], make: Callable[[], Found]) -> Found:
        """Return a result of the work folder, made and kept there if it is not.

        Args:
            name: of the file, without ending.
            kind: its type, for msgspec.
            make: makes it.
        """
        path = self.work / f"{name}.json"
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=kind)
        found = make()
        path.write_bytes(msgspec.json.encode(found))
        return found

    def write(self, document: str, name: str, text: str) -> None:
        """Put text between the marks of a figure in a document.

        Args:
            document: below the documents' folder.
            name: of the figure, as `<!-- figure NAME -->` has it.
            text: Markdown.

        Raises:
            UsageError: the document has no such marks.
        """
        path = self.docs / document
        start, end = f"<!-- figure {name} -->", f"<!-- end of {name} -->"
        whole = path.read_text()
        before, found, rest = whole.partition(start)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise UsageError(f"{document}: no figure {name}; expected {start} ... {end}")
        path.write_text(f"{before}{start}\n{text.strip()}\n{end}{after}")

    def draw(self, name: str, plot: Plot) -> None:
        """Draw a plot into images/NAME.png of the documents."""
        folder = self.docs / "images"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.png").write_bytes(drawn(plot, THEMES["light"]))


def rule_digest() -> str:
    """Return 12 hex digits that change when ours ranks otherwise or attacks are others.

    Finished cells are kept under it, so that those of a former rule are not taken for today's. It
    goes by what ours scores in the built-in community, so that making it faster costs no cells, and
    by the source of the attacks.
    """
    digest = sha256()
    for path in sorted((Path(tastemesh.__file__).parent / "sim" / "adversaries").glob("*.py")):
        digest.update(path.read_bytes())
    tastes, trust = synthetic_community(_WITNESSES, seed=0)
    everybody = np.arange(_WITNESSES, dtype=np.int32)
    ours = Tastemesh()
    ours.fit(tastes, trust, ours.grid(True)[0])
    digest.update(np.round(ours.scores(everybody), 9).tobytes())
    return digest.hexdigest()[:12]


def rows_of(header: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    shown = [header, tuple("---" for _ in header), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in shown)


def with_interval(mean: float | None, low: float = 0.0, high: float = 0.0, places: int = 3) -> str:
    """Return a share as the documents write it; nothing where there is none.

    >>> with_interval(0.25, 0.2, 0.31), with_interval(0.0, 0.0, 0.0)
    ('.250 [.200, .310]', '0')
    """
    if mean is None:
        return ""
    if low == high and mean in (0.0, 1.0):
        return str(int(mean))
    shown = [f"{value:.{places}f}" for value in (mean, low, high)]
    mean_, low_, high_ = (value.removeprefix("0") for value in shown)
    return f"{mean_} [{low_}, {high_}]"
