"""Every code block of the documentation's pages; README and the others have a file beside this."""

import subprocess
import sys
from pathlib import Path

import pytest

from tastemesh.node.settings import EMBEDDED_BROKER_URL
from tests.pages import ROOT, blocks, check_page, folder

PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if blocks(page)]


def test_what_pages_say_reaches_no_node_of_whoever_runs_the_tests(
    tmp_path: Path, small_data: Path
) -> None:
    told = "from tastemesh.node.home import EMBEDDED_BROKER_URL as url; print(url)"
    with folder(tmp_path, small_data) as place:
        run = subprocess.run(
            [sys.executable, "-c", told],
            env=place.environment,
            capture_output=True,
            text=True,
            check=True,
        )
    assert run.stdout.startswith("mqtt://127.0.0.1:")
    assert run.stdout.strip() != EMBEDDED_BROKER_URL


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_does_what_it_says(page: Path, tmp_path: Path, small_data: Path) -> None:
    check_page(page, tmp_path, small_data)
