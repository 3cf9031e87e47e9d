"""Every code block of README, CONTRIBUTING, and what stands beside examples and deployments."""

from pathlib import Path

import pytest

from tests.pages import ROOT, blocks, check_page

PAGES = [
    page
    for page in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "examples").rglob("*.md")),
        *sorted((ROOT / "deploy").rglob("*.md")),
    ]
    if blocks(page)
]


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_does_what_it_says(page: Path, tmp_path: Path, small_data: Path) -> None:
    check_page(page, tmp_path, small_data)
