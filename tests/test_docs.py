"""Every code block of the documentation's pages; README and the others have a file beside this."""

from pathlib import Path

import pytest

from tests.pages import ROOT, blocks, check_page

PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if blocks(page)]


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_does_what_it_says(page: Path, tmp_path: Path, small_data: Path) -> None:
    check_page(page, tmp_path, small_data)
