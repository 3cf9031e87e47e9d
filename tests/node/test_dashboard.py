"""The dashboard in a real browser: headless Chromium, a real node, a real broker.

Each test has a local user of its own on the one node, so that they share its start.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import pytest
import pytest_asyncio

from tastemesh.node.broker import EmbeddedBroker
from tastemesh.node.http.app import create_app
from tastemesh.node.http.rates import RateLimits, Rates
from tastemesh.node.http.server import HttpServer
from tastemesh.node.http.stream import Streams
from tastemesh.node.node import Node, open_node
from tastemesh.node.plays import Play
from tastemesh.node.settings import NodeConfig
from tests.accessibility import violations

playwright_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.broker,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

TOKEN = "t" * 43
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCRIPT_ITEM = "x:<img src=/y onerror=\"window.hit='item'\"><script>window.hit='item'</script>"
SCRIPT_NAME = "<img src=/y onerror=window.hit=1>"


class House(NamedTuple):
    """A node that is served, and a browser."""

    node: Node
    url: str
    browser: "Browser"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """ana holds four songs and endorses ben and cem, who hold some of them."""
    folder: Path = tmp_path_factory.mktemp("house")
    streams = Streams()
    rates = Rates(RateLimits(unknown_burst=10_000))  # a page is loaded twenty times here
    async with (
        EmbeddedBroker(folder / "broker") as broker,
        open_node(NodeConfig(home=folder / "home", brokers=(broker.url,))) as node,
        HttpServer(create_app(node, TOKEN, streams=streams, rates=rates), 0) as server,
        playwright_api.async_playwright() as playwright,
    ):
        ids = {each.name: each.id for each in await node.add_identities(["ana", "ben", "cem"])}
        held = {"ana": ("a", "b", "c", SCRIPT_ITEM), "ben": ("a", "b"), "cem": ("a", "c")}
        for name, items in held.items():
            plays = [Play(item=each if ":" in each else f"song:{each}") for each in items]
            await node.record_many(plays, identity=name)
        await node.endorse_many({ids["ben"]: 1.0, ids["cem"]: 1.0}, identity="ana")
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield House(node, server.url, browser)
        await browser.close()
        streams.close()


@asynccontextmanager
async def opened(
    house: House,
    user: str,
    *,
    endorses: tuple[str, ...] = ("ana",),
    names: dict[str, str] | None = None,
    **options: Any,
) -> AsyncIterator["Page"]:
    """The page as `user` sees it; fails on anything in the console, or asked of anybody else."""
    node = house.node
    await node.add_identities([user])
    if endorses:
        await node.endorse_many({node.identities[n]: 1.0 for n in endorses}, identity=user)
    context: BrowserContext = await house.browser.new_context(**options)
    faults: list[str] = []

    def check(request: "Request") -> None:
        if not request.url.startswith(house.url):
            faults.append(request.url)

    def listen(message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            faults.append(f"{message.text} {message.location['url']}")

    context.on("request", check)
    await context.add_init_script(f"sessionStorage.setItem('tastemesh.identity', '{user}')")
    stored = json.dumps(json.dumps(names or {}))
    await context.add_init_script(f"localStorage.setItem('tastemesh.names', {stored})")
    context.set_default_timeout(10_000)
    page = await context.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto(f"{house.url}/#token={TOKEN}")
    await page.get_by_text("Live", exact=True).wait_for()
    yield page
    assert faults == []
    await context.close()


async def listed(page: "Page") -> list[str]:
    return await page.locator("#list h3").all_inner_texts()


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text())


async def becomes(page: "Page", wanted: list[str]) -> None:
    """Wait until the list shows exactly these."""
    await page.wait_for_function(
        "wanted => JSON.stringify([...document.querySelectorAll('#list h3')]"
        ".map(h => h.textContent).sort()) === JSON.stringify(wanted)",
        arg=sorted(wanted),
    )


async def test_it_opens_from_its_link_and_keeps_the_token_to_itself(house: House) -> None:
    async with opened(house, "opens") as page:
        assert page.url == f"{house.url}/"
        assert await page.evaluate("sessionStorage['tastemesh.token']") == TOKEN
        assert TOKEN not in await page.evaluate("JSON.stringify(localStorage) + document.cookie")
        assert TOKEN not in await page.content()
        assert len(await listed(page)) == 4
        assert (
            await page.locator("#own-id").get_attribute("title") == house.node.identities["opens"]
        )


async def test_reasons_are_told_as_people(house: House) -> None:
    ana, ben = house.node.identities["ana"], house.node.identities["ben"]
    async with opened(house, "reads", names={ana: "Ana", ben: "Ben"}) as page:
        line = page.locator("#list > li", has=page.get_by_role("heading", name="a", exact=True))
        told = "Ana and 2 people they trust; none of them knows the others."
        assert await line.locator(".because").inner_text() == told
        await line.get_by_role("button", name="Why: song:a").click()
        row = await line.get_by_role("table").inner_text()
        assert "Ana, Ben and cem" in row or "Ana, cem and Ben" in row
        async with page.expect_download() as saved:
            await line.get_by_role("button", name="Save the evidence").click()
        evidence = await asyncio.to_thread(_read_json, await (await saved.value).path())
        assert (evidence["item"], evidence["grounds"][0]["contact"]) == ("song:a", ana)


def _line(voices: list[tuple[str, str]], count: int, acquainted: int = 0) -> dict[str, Any]:
    reasons = [{"contact": c, "share": 0.5} for c in dict.fromkeys(c for _, c in voices)]
    told = [{"identity": identity, "contact": contact} for identity, contact in voices]
    return {
        "unverified": False,
        "reasons": reasons or [{"contact": "Ana", "share": 1}],
        "backing": {"voices": told, "count": count, "acquainted": acquainted},
    }


SENTENCES = [
    ([("Ana", "Ana")], 1, 0, "Ana."),
    ([("Ana", "Ana"), ("x", "Ana")], 2, 0, "Ana and 1 person they trust."),
    (
        [("Ana", "Ana"), ("x", "Ana"), ("y", "Ana")],
        4,
        0,
        "Ana and 3 people they trust; none of them knows the others.",
    ),
    (
        [("Ben", "Ben"), ("Ana", "Ana"), ("x", "Ana")],
        3,
        1,
        "Ben, Ana and 1 person they trust; two of them know each other.",
    ),
    ([("x", "Ana"), ("y", "Ben")], 2, 1, "2 people Ana and Ben trust; they know each other."),
    ([("x", "Ana")], 1, 0, "1 person Ana trusts."),
    (
        [("Ana", "Ana"), ("x", "Ben")],
        2,
        0,
        "Ana and 1 person Ben trusts; neither knows the other.",
    ),
    (
        [("a", "a"), ("b", "b"), ("c", "c"), ("d", "d")],
        5,
        3,
        "a, b, c and 2 people you or they trust; some of them know each other.",
    ),
    ([], 0, 0, "Found through Ana."),
]


async def test_sentences_are_what_a_person_would_say(house: House) -> None:
    context = await house.browser.new_context()
    page = await context.new_page()
    await page.goto(house.url)
    told = await page.evaluate(
        """async (lines) => {
          const { because } = await import("/dashboard/sentences.js");
          return lines.map((line) => because(line, (id) => id));
        }""",
        [_line(voices, count, acquainted) for voices, count, acquainted, _ in SENTENCES],
    )
    assert told == [sentence for *_, sentence in SENTENCES]
    marked = await page.evaluate(
        """async (lines) => {
          const { because } = await import("/dashboard/sentences.js");
          return lines.map((line) => because(line, (id) => id));
        }""",
        [
            _line([], 0) | {"unverified": True},
            _line([], 0) | {"unverified": True, "reasons": []},
        ],
    )
    assert marked == [
        "A find: this place is filled by what anybody holds, trusted or not.",
        "Nobody whom you endorse stands behind this.",
    ]
    bounds = await page.evaluate(
        """async () => {
          const { bound } = await import("/dashboard/sentences.js");
          const say = (trust_needed, heaviest_contact, heaviest_share) =>
            bound({trust_needed, heaviest_contact, heaviest_share}, (id) => id, false);
          return [say(0.125, "Ana", 0.1), say(0.125, "Ana", 0.5), say(0, "Ana", 1), say(0, "", 0)];
        }"""
    )
    assert [each["figure"] for each in bounds] == ["13%", "13%", "", ""]
    assert bounds[0]["text"].endswith("behind your list 10% comes through Ana, the largest part.")
    assert "enough if Ana were deceived" in bounds[1]["text"]
    assert [each["text"][:12] for each in bounds[2:]] == ["No bound yet"] * 2
    await context.close()


async def test_a_node_without_brokers_says_that_it_is_meant_to_be_offline(house: House) -> None:
    context = await house.browser.new_context()
    page = await context.new_page()
    await page.goto(house.url)
    await page.evaluate(
        """async (status) => {
          const { drawNode } = await import("/dashboard/node.js");
          drawNode(status, []);
        }""",
        house.node.status() | {"brokers": [], "meter": {}},
    )
    told = await page.locator("#node").text_content() or ""
    assert "BrokersNone: your node’s settings say offline." in told
    assert "Each only carries" not in told
    await context.close()


async def test_a_node_in_trouble_says_so(house: House) -> None:
    status = house.node.status()
    broker = status["brokers"][0]["broker"]
    status["meter"] = {
        broker: {
            "connected": True,
            "expected": 200,
            "coverage": 0.85,
            "lateness_ms": 1234.5,
            "replayed": 2,
            "withheld": ["a" * 64],
        }
    }
    status["brokers"] += [
        status["brokers"][0] | {"broker": "b:1", "connected": False, "reason": "no"},
        status["brokers"][0] | {"broker": "c:1", "lost_count": 12, "last_loss": "c:1: it left"},
        status["brokers"][0]
        | {"broker": "d:1", "connected": False, "lost_count": 3}
        | dict.fromkeys(("reason", "last_loss"), "d:1: it left"),
    ]
    status["storage"] |= {"fault": "disk full"}
    status["storage"]["salvaged"] = {
        "file": "window.sqlite3.damaged-1",
        "problem": "page 7 is <b>bad</b>",
        "records": 1840,
        "lost_records": 1,
        "private": 1,
        "lost_private": 2,
    }
    status["rejected"] = {"bad-signature": 3, "duplicate": 5, "new-reason": 1}
    context = await house.browser.new_context()
    page = await context.new_page()
    await page.goto(house.url)
    await page.evaluate(
        """async (status) => {
          const { drawNode } = await import("/dashboard/node.js");
          drawNode(status, ["e".repeat(64)]);
        }""",
        status,
    )
    told = await page.locator("#node").text_content() or ""
    for sentence in (
        "Delivered 85% of 200 records that are known to exist.",
        "1,235 ms behind the first copy on average.",
        "Sent 2 old records again.",
        "Seems to withhold what aaaaaa…aaaa says: more is missing than chance explains.",
        "b:1not connectedno",
        "The connection was lost 12 times in the last ten minutes (c:1: it left).",
        "d:1not connectedd:1: it leftThe connection was lost 3 times in the last ten minutes. What",
        "Nothing can be stored: disk full",
        "was damaged (page 7 is <b>bad</b>). Saved: 1,840 records and 1 private interaction. At"
        " least 1 record was not; the network brings them back. 2 private interactions are gone,"
        " unless a backup has them. The damaged file is window.sqlite3.damaged-1; delete it",
        "3 signature wrong",
        "1 new-reason",
        "5 copies of what was known already",
        "1 identity signed two different records under one number",
    ):
        assert sentence in told
    assert await page.locator("#trouble").text_content() == "Nothing can be stored"
    assert await page.locator("#trouble").get_attribute("hidden") is None
    await context.close()


async def test_what_hides_in_an_id_is_shown_and_so_is_what_tells_two_apart(house: House) -> None:
    (author,) = await house.node.add_identities(["hides"])
    await author.record("song:\u202egnp.exe\u200b")
    await author.record_many([Play(item="two:3"), Play(item="copy:3")])
    async with opened(house, "reads", endorses=("hides",)) as page:
        await page.get_by_role("heading", name=r"\u{202e}gnp.exe\u{200b}").wait_for()
        for item in ("two:3", "copy:3"):
            await page.get_by_role("button", name=f"I know it: {item}").click()
            await page.locator("#history").get_by_text(f"3 {item[:-2]}").wait_for()
        await page.get_by_role("button", name=r"I like it: song:\u{202e}gnp.exe\u{200b}").click()
        await page.locator("#history").get_by_text(r"\u{202e}gnp.exe\u{200b} song").wait_for()
        assert not {"\u202e", "\u200b"} & set(await page.content())
    for name in ("hides", "reads"):  # the other tests know what their lists hold
        await house.node.forget(everything=True, identity=name)


async def test_blanks_and_signs_that_no_font_draws_are_shown(house: House) -> None:
    (author,) = await house.node.add_identities(["blanks"])
    shown = {
        "\u00a0": r"\u{a0}",
        "song:\u3164": r"\u{3164}",
        "a\u034fb": r"a\u{34f}b",
        " a  b\u3000c ": r"\u{20}a \u{20}b\u3000c\u{20}".replace(r"\u3000", "\u3000"),
        "I \u2764\ufe0f it": "I \u2764\ufe0f it",
    }
    await author.record_many([Play(item=each) for each in shown])
    async with opened(house, "looks", endorses=("blanks",)) as page:
        await becomes(page, list(shown.values()))
        await page.get_by_role("button", name=r"I like it: \u{a0}").click()
        forget = page.locator("#history").get_by_role("button", name=r"Forget: \u{a0}")
        await forget.wait_for()
        assert r"Recorded: \u{a0}." in await page.locator("#notice").inner_text()
    for name in ("blanks", "looks"):
        await house.node.forget(everything=True, identity=name)


async def test_what_is_recorded_leaves_the_list_and_can_be_forgotten(house: House) -> None:
    node = house.node
    async with opened(house, "records") as page:
        await becomes(page, ["a", "b", "c", SCRIPT_ITEM.removeprefix("x:")])
        await page.get_by_role("button", name="I know it: song:a").click()
        await becomes(page, ["b", "c", SCRIPT_ITEM.removeprefix("x:")])
        published = node.records_of(node.identities["records"])
        await page.get_by_label("Keep what I say private").check()
        await page.get_by_label("What did you come across?").fill("song:b")
        await page.get_by_role("button", name="Record", exact=True).press("Enter")
        await becomes(page, ["c", SCRIPT_ITEM.removeprefix("x:")])
        assert node.records_of(node.identities["records"]) == published
        assert await page.locator("#history .mark").inner_text() == "private"
        await page.get_by_role("button", name="Not for me: song:c").click()
        await becomes(page, [SCRIPT_ITEM.removeprefix("x:")])
        await page.locator("#history").get_by_text("did not like it").wait_for()
        await page.get_by_role("button", name="Forget: song:a").click()
        await page.get_by_role("button", name="Sure? Press again: song:a").click()
        await becomes(page, ["a", SCRIPT_ITEM.removeprefix("x:")])
        await page.get_by_role("button", name="Forget everything", exact=True).click()
        await page.get_by_role("button", name="Sure? Press again", exact=True).click()
        await page.locator("#notice").get_by_text("Forgotten: 2 things that you said.").wait_for()
        await becomes(page, ["a", "b", "c", SCRIPT_ITEM.removeprefix("x:")])


async def test_a_list_may_be_like_an_item_and_there_is_a_way_back(house: House) -> None:
    (dan,) = await house.node.add_identities(["dan"])
    await dan.record_many([Play(item=f"song:{name}") for name in ("b", "d", "e")])
    async with opened(house, "browses", endorses=("ben", "dan")) as page:
        await becomes(page, ["b", "a", "d", "e"])
        await page.get_by_role("button", name="More like this: song:a").click()
        await becomes(page, ["b", "d", "e"])
        heading = page.get_by_role("heading", name="More like a")
        assert await heading.evaluate("(it) => document.activeElement === it")
        await page.get_by_text("What the people you trust have beside this one").wait_for()
        await page.get_by_role("button", name="Why: song:b").click()
        async with page.expect_download() as saving:
            await page.get_by_role("button", name="Save the evidence: song:b").click()
        evidence = await house.node.evidence("song:b", identity="browses", like=["song:a"])
        saved = json.loads(await asyncio.to_thread((await (await saving.value).path()).read_bytes))
        assert saved == json.loads(msgspec.json.encode(evidence))
        await dan.record("song:f")
        await becomes(page, ["b", "d", "e", "f"])  # it goes on like this
        await page.get_by_role("button", name="I know it: song:e").click()
        await becomes(page, ["b", "d", "f"])
        await page.get_by_role("button", name="Back to your list").click()
        await page.get_by_role("heading", name="For you").wait_for()
        await page.locator("#history").get_by_role("button", name="More like this: song:e").click()
        await page.get_by_role("heading", name="More like e").wait_for()
    for user in (dan, house.node.identity("browses")):  # others hold nothing else, for other tests
        await user.forget(everything=True)
    async with opened(house, "strolls", endorses=()) as page:
        await page.get_by_role("button", name="More like this: song:a").click()
        await page.get_by_text("What strangers have beside this one").wait_for()
        await page.get_by_text("You endorse nobody yet, so each item is marked").wait_for()


async def test_an_id_that_is_too_long_is_refused_and_not_cut(house: House) -> None:
    async with opened(house, "records") as page:
        before = await house.node.export(identity="records")
        asked = page.get_by_label("What did you come across?")
        await asked.fill("é" * 128 + "u")
        await page.get_by_role("button", name="Record", exact=True).click()
        await page.locator("#notice").get_by_text("This id has 257 bytes; 256 fit.").wait_for()
        assert await asked.input_value() == "é" * 128 + "u"
        assert await house.node.export(identity="records") == before


async def test_somebody_is_endorsed_named_and_blocked_by_keyboard(house: House) -> None:
    node = house.node
    ana, ben = node.identities["ana"], node.identities["ben"]
    async with opened(house, "endorses", endorses=()) as page:
        assert (
            "Nobody endorsed yet: paste a friend’s id" in await page.locator("#people").inner_text()
        )
        assert node.identities["endorses"] in await page.locator("#people").inner_text()
        assert await page.locator("#list .mark").count() == len(await listed(page)) > 0
        assert "Exploration." in await page.locator("#list-note").inner_text()
        await page.locator("#list").get_by_role("button", name="Why").first.click()
        why = page.locator("#list .why").first
        assert "No signed record of anybody whom you trust" in await why.inner_text()
        assert await why.locator("table, button").count() == 0
        assert not await page.locator("#list-end").is_visible()
        await page.get_by_label("A friend’s id").fill(ana)
        await page.locator("#endorse-name").fill("Ana Lima")
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Ana Lima, endorsed").wait_for()
        assert await page.locator("#list .mark").count() == 0
        assert "That is all" in await page.locator("#list-end").inner_text()

        await page.get_by_role("button", name="you", exact=True).focus()
        await page.keyboard.press("End")
        await page.keyboard.press("Home")
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Ana Lima").wait_for()
        await page.get_by_role("button", name="Block Ana Lima").press("Space")
        await page.get_by_role("button", name="Unblock Ana Lima").wait_for()
        focused = "document.activeElement !== document.body"
        await page.wait_for_function(focused)  # the button went, the keyboard did not
        said = (await node.export(identity="endorses")).endorsements
        assert [(each.peer, each.weight) for each in said] == [(ana, -1.0)]
        await becomes(page, ["a", "b", "c"])  # what others than Ana hold, marked

        await page.get_by_label("A friend’s id").fill(node.identities["cem"])
        await page.get_by_role("button", name="Block", exact=True).click()
        await page.get_by_role("button", name="cem, blocked").wait_for()
        await page.get_by_label("A friend’s id").fill(f"  {ben} ")
        await page.get_by_role("button", name="Endorse", exact=True).click()
        await page.get_by_role("button", name="Table").click()
        rows = page.get_by_role("region", name="People, as a table").get_by_role("row")
        await rows.filter(has_text="ben").filter(has_text="endorsed").wait_for()
        await rows.filter(has_text="Ana Lima").filter(has_text="blocked").wait_for()


async def test_what_happens_shows_by_itself(house: House) -> None:
    async with opened(
        house, "watches", endorses=("eva",) if "eva" in house.node.identities else ()
    ) as page:
        (eva,) = await house.node.add_identities(["eva"])
        await house.node.endorse(eva.id, identity="watches")
        await eva.record("song:brand-new")
        await becomes(page, ["brand-new"])
        await eva.record("song:newer")
        await becomes(page, ["brand-new", "newer"])


async def test_scripts_in_items_and_names_are_text(house: House) -> None:
    ana = house.node.identities["ana"]
    async with opened(house, "attacked", names={ana: SCRIPT_NAME}) as page:
        assert SCRIPT_ITEM.removeprefix("x:") in await listed(page)
        for button in await page.get_by_role("button", name="Why").all():
            await button.click()
        await page.get_by_role("button", name="I like it: x:").click()
        await page.locator("#history").get_by_text("liked it").wait_for()
        await page.get_by_role("button", name="Table").click()
        assert SCRIPT_NAME in await page.locator("#people").inner_text()
        assert await page.evaluate("[typeof window.hit, document.images.length]") == [
            "undefined",
            0,
        ]


async def test_users_of_one_node_are_chosen_from(house: House) -> None:
    async with opened(house, "chooser") as page:
        chooser = page.get_by_label("Identity")
        assert {"ana", "ben", "cem", "chooser", "me"} <= set(
            await chooser.locator("option").all_inner_texts()
        )
        assert await chooser.input_value() == "chooser"
        await chooser.select_option("me")
        await page.wait_for_function(
            "id => document.getElementById('own-id').title === id", arg=house.node.identities["me"]
        )


async def _first_of_many(route: "Route") -> None:
    answer = await route.fetch()
    await route.fulfill(response=answer, json=await answer.json() | {"next": "zoe"})


@pytest.mark.parametrize(("wanted", "shown"), [("of-another-home", "me"), ("ana", "ana")])
async def test_of_more_users_than_it_lists_it_shows_one_who_is_there(
    house: House, wanted: str, shown: str
) -> None:
    context = await house.browser.new_context()
    await context.add_init_script(f"sessionStorage.setItem('tastemesh.identity', '{wanted}')")
    page = await context.new_page()
    await page.route("**/v1/identities?*", _first_of_many)
    await page.goto(f"{house.url}/#token={TOKEN}")
    await page.get_by_text("Live", exact=True).wait_for()
    assert await page.get_by_label("Identity").input_value() == shown
    await context.close()


async def test_without_the_token_there_is_a_door_and_nothing_behind_it(house: House) -> None:
    context = await house.browser.new_context()
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(house.url)
    await page.get_by_role("heading", name="Open your node").wait_for()
    assert not [url for url in asked if "/v1/" in url]
    await page.get_by_label("Token").fill("guess")
    await page.get_by_role("button", name="Open").click()
    with pytest.raises(playwright_api.Error, match="TrustedHTML"):
        await page.evaluate("document.body.innerHTML = '<b>x</b>'")
    await page.get_by_text("This is not the token of this node.").wait_for()
    assert await page.evaluate("sessionStorage.length") == 0
    assert not await page.locator("#home").is_visible()
    await page.get_by_label("Token").fill(TOKEN)
    await page.keyboard.press("Enter")
    await page.get_by_text("Live", exact=True).wait_for()
    await context.close()


async def _busy(route: "Route") -> None:
    await route.fulfill(status=503, json={"error": "the disk is asleep"})


async def test_what_fails_once_is_no_fault_for_ever(house: House) -> None:
    context = await house.browser.new_context()
    page = await context.new_page()
    await page.goto(f"{house.url}/#token={TOKEN}")
    live = page.locator("#live")
    await live.get_by_text("Live", exact=True).wait_for()
    await page.route("**/v1/neighbourhood?*", _busy, times=1)
    await house.node.record("song:seen-late", private=True)  # the page looks, and fails
    await live.get_by_text("The node does not answer; trying again").wait_for()
    await house.node.record("song:seen-later", private=True)
    await live.get_by_text("Live", exact=True).wait_for()

    await page.route("**/v1/neighbourhood?*", _busy, times=1)
    asked = page.get_by_label("What did you come across?")
    await asked.fill("song:said")
    await page.keyboard.press("Enter")
    await page.locator("#notice").get_by_text("Recorded: said.").wait_for()
    await page.wait_for_function("document.getElementById('record-item').value === ''")
    await page.route("**/v1/interactions", lambda route: route.abort())
    await asked.fill("song:unsaid")
    await page.keyboard.press("Enter")
    await page.locator("#notice").get_by_text("The node does not answer.").wait_for()
    assert await asked.input_value() == "song:unsaid"
    await context.close()
    await house.node.forget(everything=True)


async def test_a_disk_that_cannot_be_read_leaves_what_is_in_memory(house: House) -> None:
    context = await house.browser.new_context()
    page = await context.new_page()
    await page.route("**/v1/interactions?*", _busy)
    await page.goto(f"{house.url}/#token={TOKEN}")
    await page.get_by_text("Live", exact=True).wait_for()
    history = page.locator("#history")
    await history.get_by_text("It cannot be read just now: the disk is asleep").wait_for()
    assert len(await listed(page)) > 0
    await page.unroute("**/v1/interactions?*")
    await house.node.record("song:readable")
    await history.get_by_text("readable").wait_for()
    await context.close()
    await house.node.forget(everything=True)


async def test_only_a_refusal_costs_the_token(house: House) -> None:
    context = await house.browser.new_context()
    page = await context.new_page()
    await page.route("**/v1/identities?*", _busy, times=1)
    await page.goto(f"{house.url}/#token={TOKEN}")
    await page.get_by_text("the disk is asleep Load the page again").wait_for()
    await page.reload()
    await page.get_by_text("Live", exact=True).wait_for()
    await context.close()


async def test_a_page_of_another_origin_gets_nothing(house: House) -> None:
    context = await house.browser.new_context()
    page = await context.new_page()
    statuses: list[int] = []
    page.on("response", lambda response: statuses.append(response.status))
    await page.goto("about:blank")
    reached = await page.evaluate(
        """async ([url, token]) => {
          const ways = [{}, {headers: {Authorization: `Bearer ${token}`}}];
          url += "/v1/status";
          ways.push({mode: "no-cors"});
          const tries = ways.map((way) => fetch(url, way).then(() => "read", () => "refused"));
          return Promise.all(tries);
        }""",
        [house.url, TOKEN],
    )
    assert reached == ["refused"] * 3
    assert set(statuses) <= {403}
    await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(house: House, scheme: Literal["light", "dark"]) -> None:
    """WCAG and beyond, at the door and in the house, on a phone too, with reasons shown."""
    viewport: Any = {"width": 360 if scheme == "dark" else 1280, "height": 780}
    names = {house.node.identities["ana"]: "N" * 40}
    async with opened(
        house, f"axe-{scheme}", names=names, color_scheme=scheme, viewport=viewport
    ) as page:
        await page.get_by_role("button", name="Why").first.click()
        assert await violations(page) == []
        await page.get_by_role("button", name="Table").click()
        assert await violations(page) == []
        await page.evaluate("document.body.append(document.createElement('input'))")
        assert "label" in " ".join(await violations(page))  # it does look
        door = await page.context.new_page()  # a tab of its own has no token
        await door.goto(house.url)
        await door.get_by_role("heading", name="Open your node").wait_for()
        assert await violations(door) == []


async def test_every_control_has_a_name(house: House) -> None:
    async with opened(house, "hears") as page:
        for button in await page.get_by_role("button", name="Why").all():
            await button.click()
        await page.get_by_role("button", name="you", exact=True).press("ArrowRight")
        await page.keyboard.press("Enter")
        await page.get_by_label("Your name for them").first.wait_for()
        session = await page.context.new_cdp_session(page)
        tree = (await session.send("Accessibility.getFullAXTree"))["nodes"]
        roles = {"button", "textbox", "checkbox", "combobox", "link", "meter", "table", "region"}
        controls = [
            (node["role"]["value"], node.get("name", {}).get("value", "").strip())
            for node in tree
            if not node.get("ignored") and node["role"]["value"] in roles
        ]
        assert len(controls) > 30
        assert [role for role, name in controls if not name] == []
        names = [name for role, name in controls if role == "button"]
        assert sorted(names) == sorted(set(names)), "two buttons cannot be told apart"
        assert await page.evaluate("document.documentElement.lang") == "en"
        levels = await page.evaluate(
            "[...document.querySelectorAll('#home :is(h1, h2, h3)')].map(h => Number(h.tagName[1]))"
        )
        steps = [after - before for before, after in pairwise(levels)]
        assert (levels[0], max(steps)) == (1, 1)


CONTRAST = """() => {
  const luminance = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((part) => {
      const c = part / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (!/, 0\\)$/.test(color)) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const says = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const isSeen = element.checkVisibility({opacityProperty: true}) && !element.closest("svg");
    if (!says || !isSeen) continue;
    const [text, ground] = [getComputedStyle(element).color, behind(element)].map(luminance);
    const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    if (ratio < 4.5) faint.push([element.outerHTML.slice(0, 80), ratio]);
  }
  return faint;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_can_be_read_by_day_and_by_night(house: House, scheme: str) -> None:
    async with opened(house, f"sees-{scheme}", color_scheme=scheme) as page:
        await page.get_by_role("button", name="I like it: song:a").click()
        await page.locator("#history li").first.wait_for()
        paper = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        is_dark = sum(int(part) for part in paper[4:-1].split(", ")) < 3 * 128
        assert is_dark == (scheme == "dark")
        assert await page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("endorses", [("ana", "ben"), ("ana",), ()])
async def test_nothing_is_cut_off_at_360_pixels(house: House, endorses: tuple[str, ...]) -> None:
    async with opened(
        house,
        f"phone-{len(endorses)}",
        endorses=endorses,
        names={house.node.identities[name]: "N" * 40 for name in endorses},
        viewport={"width": 360, "height": 740},
    ) as page:
        width = "document.scrollingElement.scrollWidth"
        assert await page.evaluate(width) == 360
        await page.get_by_role("button", name="I like it: x:").click()
        await page.locator("#history li").first.wait_for()
        for button in await page.get_by_role("button", name="Why").all():
            await button.click()
        if endorses:
            await page.get_by_role("button", name="you", exact=True).press("End")
            await page.keyboard.press("Enter")
            assert await page.evaluate(width) == 360
            await page.get_by_role("button", name="Table").click()
        assert await page.evaluate(width) == 360


async def test_a_name_keeps_its_share_whichever_way_it_is_written(house: House) -> None:
    ids = house.node.identities
    names = {ids["ben"]: "שלום דוד", ids["cem"]: "محمد علي"}
    async with opened(house, "reads-both", endorses=("ben", "cem"), names=names) as page:
        places = await page.locator("#list .shares bdi").evaluate_all(
            """names => names.map((name) => {
              const share = document.createRange();
              share.selectNodeContents(name.nextSibling);
              return [name.getBoundingClientRect().right, share.getBoundingClientRect().left];
            })"""
        )
        assert len(places) >= 2
        assert all(name <= share for name, share in places)


async def test_a_long_name_is_cut_between_letters(house: House) -> None:
    ana = house.node.identities["ana"]
    async with opened(house, "cuts", names={ana: "n" + "🎧" * 20}) as page:
        labels = await page.locator("#people .label").all_text_contents()
        assert "n" + "🎧" * 10 + "…" in labels


async def test_the_focus_can_be_seen_and_live_updates_do_not_take_it(house: House) -> None:
    async with opened(house, "focuses") as page:
        button = page.get_by_role("button", name="Why: song:a")
        await button.focus()
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Tab")
        outline = await button.evaluate("e => getComputedStyle(e).outlineStyle")
        assert outline == "solid"
        await house.node.record("song:late", identity="ana")
        await page.get_by_role("heading", name="late").wait_for()
        assert await page.evaluate("document.activeElement.dataset.key") == "why song:a"
        await house.node.forget("song:late", identity="ana")
