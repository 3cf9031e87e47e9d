"""The report of an attack experiment: complete, by itself, and true to the cells."""

import re
from pathlib import Path

import msgspec
import pytest

from tastemesh.errors import UsageError
from tastemesh.sim.attack import words
from tastemesh.sim.attack.cells import Cell
from tastemesh.sim.attack.page import Section, page
from tastemesh.sim.attack.report import prepare_report, write_report
from tastemesh.sim.attack.stage import WITHOUT_ENDORSEMENTS
from tastemesh.sim.attack.tables import Table, share
from tastemesh.sim.systems.registry import SYSTEMS, VARIANTS

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def written(cells: list[Cell], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report") / "new"
    loose = [
        msgspec.structs.replace(cell, group=WITHOUT_ENDORSEMENTS, bound=None, exposure_at_10=0.5)
        for cell in cells
        if cell.system == "tastemesh"
    ]
    prepare_report(directory)
    files = write_report(directory, [*cells, *loose], "a <small> community")
    assert sorted(files) == sorted(directory.iterdir())
    return directory


def test_each_plot_is_there_for_light_and_dark(written: Path) -> None:
    plots = {path.stem for path in written.glob("*.png")}
    names = {"identities-0-edges", "identities-1-edges", "edges", "cost", "bound", "accuracy"}
    assert plots == names | {f"{name}-dark" for name in names}
    assert all(path.read_bytes().startswith(PNG) for path in written.glob("*.png"))
    papers = {path.stem: path.read_text() for path in written.glob("*.svg")}
    assert set(papers) == names
    assert all("<svg" in paper and "<image" not in paper for paper in papers.values())


def test_the_page_needs_nothing_but_itself(written: Path) -> None:
    text = (written / "index.html").read_text()
    assert not re.search(r"https?://|<script|<link", text)
    assert "a &lt;small&gt; community" in text
    assert text.count("data:image/png;base64,") == 12
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in re.findall("<img[^>]+>", text))


def test_it_says_what_the_cells_say(written: Path, cells: list[Cell]) -> None:
    text = (written / "attack.md").read_text()
    assert "20 ways" not in text
    assert "3 ways to do it meet 3 recommenders" in text
    assert "mints up to 40 identities, deceives up to 1 honest person into endorsing them," in text
    assert "(1 row)" not in (written / "index.html").read_text()
    assert "| tastemesh | 0% |" in text
    page_text = (written / "index.html").read_text()
    assert "tastemesh: without an attack edge no attack shows the target to anybody" in page_text
    assert "Tries to come in twice, so that no single identity has it all." in page_text
    assert "Of tastemesh, as nothing is proved of the others." in page_text
    assert "at most 100%" not in page_text
    worst = max(c.exposure_at_10 or 0.0 for c in cells if c.system == "userknn")
    assert worst > 0
    assert "| userknn | 1% |" in text
    assert "Users who have endorsed nobody" in text
    assert "| copycat | tastemesh | 40 | 1 | .500 | 0.80 |" in text


def test_cells_without_an_exposure_are_left_out(cells: list[Cell], tmp_path: Path) -> None:
    nobody = [
        msgspec.structs.replace(
            cell, egos=0, exposure_at_10=None, sybil_gain=None, sybil_mass=None, bound=None
        )
        if cell.attack_edges
        else cell
        for cell in cells
    ]
    prepare_report(tmp_path)
    write_report(tmp_path, nobody, "friends of the deceived")
    text = (tmp_path / "attack.md").read_text()
    assert re.search(r"\| userknn \| [.\d]+% \|  \| [.\d]+ \|", text)
    assert re.search(r"\| copycat \| tastemesh \| 1 \| 1 \| \d+ \| 0 \|  \|  \|", text)
    write_report(tmp_path, [cell for cell in nobody if cell.attack_edges], "nobody else")
    assert "nobody was asked who is not deceived" in (tmp_path / "index.html").read_text()


def test_one_cell_is_enough(cells: list[Cell], tmp_path: Path) -> None:
    prepare_report(tmp_path)
    (one,) = {cell.identities for cell in cells[:1]}
    write_report(tmp_path, cells[:1], "one cell")
    text = (tmp_path / "attack.md").read_text()
    assert f"mints up to {one:,} identit{'y' if one == 1 else 'ies'} and tries" in text
    assert "Here 1 way to do it meets 1 recommender on the same data: one cell." in text
    assert "figures are means over 1 seed." in text


def test_plots_of_an_earlier_report_go_and_other_pictures_stay(
    cells: list[Cell], tmp_path: Path
) -> None:
    earlier = write_report(tmp_path, cells, "more")
    own = [
        tmp_path / "holiday.png",
        tmp_path / "identities-x-edges.png",
        tmp_path / "cost.txt",
        tmp_path / "edges-1.svg",
    ]
    for path in own:
        path.touch()
    files = write_report(tmp_path, [cell for cell in cells if not cell.attack_edges], "less")
    assert set(tmp_path.iterdir()) == {*files, *own}
    assert set(files) < set(earlier)


def test_a_directory_that_cannot_be_written_to_is_said_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--report"):
        prepare_report(tmp_path / "file" / "below")


def test_a_report_that_is_never_written_leaves_the_directory_as_it_was(tmp_path: Path) -> None:
    prepare_report(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "index.html").write_text("an earlier report")
    prepare_report(tmp_path)
    assert (tmp_path / "index.html").read_text() == "an earlier report"


def test_words_in_a_page_are_only_words() -> None:
    hostile = "<blink>"
    table = Table(hostile, hostile, (hostile, "x"), ((hostile, "1"),))
    section = Section(hostile, (hostile,), {hostile: hostile}, tables=[table], folded=[table])
    text = page(hostile, hostile, [section])
    assert hostile not in text


def test_every_system_is_said_in_a_sentence(cells: list[Cell], tmp_path: Path) -> None:
    every = [
        msgspec.structs.replace(cells[0], system=name, attack_edges=0)
        for name in (*SYSTEMS, *VARIANTS)
    ]
    write_report(tmp_path, every, "all of them")
    assert "See docs" not in (tmp_path / "index.html").read_text()
    assert set(SYSTEMS) == set(words.SYSTEMS)


@pytest.mark.parametrize(("value", "text"), [(1.0, "1"), (0.9996, "1.000"), (0.01, ".010")])
def test_shares(value: float, text: str) -> None:
    assert share(value) == text


def test_a_bar_in_a_name_of_ones_own_begins_no_column() -> None:
    table = Table("t", "n", ("system", "exposure@10"), (("this|that", "1"),))
    assert table.markdown().endswith("| this\\|that | 1 |\n")
