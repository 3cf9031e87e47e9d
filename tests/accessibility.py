"""axe-core over a page in a real browser: what it finds wrong for whoever does not see or click."""

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

_RUN = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.flatMap(
  (rule) => rule.nodes.map((node) => `${rule.id}: ${node.target.join(" ")} ${node.failureSummary}`))
"""


async def violations(page: "Page") -> list[str]:
    """Return every violation of every rule of axe-core, WCAG's and those beyond it.

    The script goes in as a debugger's would, past the page's policy.
    """
    script = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    await page.evaluate(f"() => {{ {script} }}")
    found: list[str] = await page.evaluate(_RUN)
    return found
