"""The documentation's site in a real browser: its theme's scripts run, and its switches work."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

mkdocs_config = pytest.importorskip("mkdocs.config", reason="mkdocs is not installed")
playwright_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder; give its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
async def test_scripts_run_and_colours_can_be_chosen(tmp_path: Path) -> None:
    from mkdocs.commands.build import build

    build(mkdocs_config.load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path)))
    faults: list[str] = []
    with served(tmp_path) as url:
        async with playwright_api.async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
            )
            page = await browser.new_page(color_scheme="light")
            page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
            for name in ("404.html", "", "scale/", "protocol/", "theory/"):
                await page.goto(f"{url}/{name}")
            await page.evaluate("document.querySelector('[data-bs-theme-value=dark]').click()")
            assert await page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
            await browser.close()
    assert faults == []
