"""The example service, as its users meet it: over HTTP, and in a real browser."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from examples.music_app.accounts import now_s
from examples.music_app.app import create_app
from examples.music_app.database import Database
from tastemesh.node.broker import EmbeddedBroker
from tastemesh.node.http.server import HttpServer
from tests.accessibility import violations

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module")]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SITE = "http://music.example"
PASSWORD = "a long password"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("music")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(folder: Path) -> AsyncIterator[FastAPI]:
    """One service for all tests; each has visitors of its own."""
    async with EmbeddedBroker(folder / "broker") as broker:
        app = create_app(folder, (broker.url,), with_sample=True)
        async with app.router.lifespan_context(app):
            yield app


@asynccontextmanager
async def visiting(app: FastAPI, name: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """A browser's worth of cookies, signed up where there is a name."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url=SITE,
        headers={"Origin": SITE},
        follow_redirects=True,
    ) as visitor:
        if name:
            fields = {"name": name, "password": PASSWORD}
            assert "For you" in (await visitor.post("/sign-up", data=fields)).text
        yield visitor


async def id_of(visitor: httpx.AsyncClient, name: str) -> str:
    """What the form beside a name sends."""
    page = (await visitor.get("/people", params={"q": name})).text
    return page.partition('name="id" value="')[2].partition('"')[0]


async def number_of(visitor: httpx.AsyncClient, title: str) -> str:
    page = (await visitor.get("/tracks", params={"q": title})).text
    return page.partition('name="track" value="')[2].partition('"')[0]


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/nothing", 404, "There is no such page."),
        ("GET", "/static/nothing.css", 404, "There is no such page."),
        ("GET", "/static/../app.py", 404, "There is no such page."),
        ("POST", "/tracks", 405, "Method Not Allowed."),
    ],
)
async def test_a_page_that_there_is_not_is_said_on_a_page(
    app: FastAPI, method: str, path: str, status: int, said: str
) -> None:
    async with visiting(app) as visitor:
        answer = await visitor.request(method, path)
        assert (answer.status_code, said in answer.text) == (status, True)
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (answer.headers.get("allow") == "GET") == (status == 405)


async def test_friends_make_the_page_and_it_says_so(app: FastAPI) -> None:
    async with visiting(app, "una") as zoe:
        assert "only what strangers play" in (await zoe.get("/")).text
        await zoe.post("/endorse", data={"id": await id_of(zoe, "Ana"), "back": "/people"})
        page = (await zoe.get("/")).text
        assert "Ana plays it, and so do 2 people they trust." in page
        assert "Journey in Satchidananda" in page
        track = {"track": await number_of(zoe, "Journey")}
        page = (await zoe.post("/play", data=track)).text
        listed, _, played = page.partition("What you played")
        assert "Journey in Satchidananda" not in listed
        assert "Journey in Satchidananda" in played
        await zoe.post("/not-for-me", data={"track": await number_of(zoe, "Karma")})
        listed, _, played = (await zoe.get("/")).text.partition("What you played")
        assert "Karma" not in listed
        assert "Karma" not in played
        await zoe.post("/withdraw", data={"id": await own_friend(zoe)})
        assert "only what strangers play" in (await zoe.get("/")).text


def content(folder: Path, pattern: str) -> bytes:
    return b"".join(each.read_bytes() for each in folder.glob(pattern))


async def own_friend(visitor: httpx.AsyncClient) -> str:
    page = (await visitor.get("/people")).text
    return page.partition('action="/withdraw"')[2].partition('value="')[2].partition('"')[0]


async def test_accounts_open_to_their_passwords_alone(app: FastAPI, folder: Path) -> None:
    async with visiting(app, "zoe") as zoe, visiting(app) as other:
        for name, password, status, said in (
            ("ZOE", PASSWORD, 409, "taken"),
            ("", PASSWORD, 400, "A name has"),
            ("<b>", PASSWORD, 400, "A name has"),
            ("xia", "short", 400, "A password has 8 to 200"),
        ):
            fields = {"name": name, "password": password}
            answer = await other.post("/sign-up", data=fields)
            assert (answer.status_code, said in answer.text) == (status, True), name
        for name in ("zoe", "nobody"):
            answer = await other.post("/log-in", data={"name": name, "password": "guess"})
            assert (answer.status_code, "do not belong together" in answer.text) == (403, True)
        answer = await other.post("/log-in", data={"name": "Zoe", "password": PASSWORD})
        cookie = answer.history[0].headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert zoe.cookies["session"] != other.cookies["session"]
        stored = content(folder, "music.sqlite3*")
        for secret in (PASSWORD, zoe.cookies["session"]):
            assert secret.encode() not in stored
        old = other.cookies["session"]
        await other.post("/log-out")
        other.cookies.set("session", old)
        assert "Welcome back" in (await other.get("/")).text
        assert "For you" in (await zoe.get("/")).text


async def test_guessing_ends_after_ten_wrong_passwords(app: FastAPI, folder: Path) -> None:
    async with visiting(app, "yan"), visiting(app) as other:
        async with Database(folder / "music.sqlite3") as database:
            for _ in range(9):
                await database.note_failure("YAN", now_s())
        wrong = {"name": "yan", "password": "guess"}
        assert (await other.post("/log-in", data=wrong)).status_code == 403
        right = await other.post("/log-in", data={"name": "yan", "password": PASSWORD})
        assert right.status_code == 429


async def test_what_a_form_cannot_do(app: FastAPI) -> None:
    async with visiting(app) as stranger:
        for path in ("/play", "/endorse", "/withdraw", "/privacy", "/leave", "/not-for-me"):
            assert (await stranger.post(path, data={"id": "0" * 64})).status_code == 403
        assert (await stranger.get("/people")).status_code == 403
    async with visiting(app, "wim") as zoe:
        for origin in ("http://evil.example", "null", ""):
            answer = await zoe.post("/leave", headers={"Origin": origin})
            assert (answer.status_code, "another site" in answer.text) == (403, True)
        for data, said in (
            ({"id": "nobody"}, "64 hex digits"),
            ({}, "64 hex digits"),
            ({"id": "0" * 9_000}, "too large"),
        ):
            answer = await zoe.post("/endorse", data=data)
            assert (answer.status_code in (400, 413), said in answer.text) == (True, True)
        own = (await zoe.get("/people")).text.partition('breaks">')[2][:64]
        assert "endorse himself" in (await zoe.post("/endorse", data={"id": own})).text
        assert (await zoe.post("/play", data={"track": "999"})).status_code == 404
        assert (await zoe.post("/play", content=b"\xff=\xff")).status_code == 400
        found = await zoe.get("/tracks", params={"q": "<script>alert(1)</script>%_"})
        assert "<script>" not in found.text
        assert found.headers["content-security-policy"].startswith("default-src 'none'")
        elsewhere = await zoe.post(
            "/play", data={"track": "1", "back": "//evil.example"}, follow_redirects=False
        )
        assert elsewhere.headers["location"] == "/"


async def test_private_plays_stay_here_and_leaving_takes_everything_back(app: FastAPI) -> None:
    node = app.state.node
    async with visiting(app, "vera") as zoe:
        identity = (await zoe.get("/people")).text.partition('breaks">')[2][:64]
        local = next(name for name, each in node.identities.items() if each == identity)
        track = {"track": await number_of(zoe, "Karma")}
        await zoe.post("/privacy", data={"private": "yes"})
        await zoe.post("/play", data=track)
        assert node.records_of(identity) == []
        assert "Karma" in (await zoe.get("/")).text
        await zoe.post("/privacy", data={"private": ""})
        await zoe.post("/play", data={"track": await number_of(zoe, "Pastel")})
        assert len(node.records_of(identity)) == 1
        assert "Welcome back" in (await zoe.post("/leave")).text
        said = await node.export(identity=local)
        assert said.interactions == []
        answer = await zoe.post("/log-in", data={"name": "vera", "password": PASSWORD})
        assert answer.status_code == 403
    async with visiting(app, "vera") as namesake:  # nobody signs up in between: the last number
        other = (await namesake.get("/people")).text.partition('breaks">')[2][:64]
        assert other != identity
        assert node.identities[local] == identity


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
async def test_in_a_browser(app: FastAPI) -> None:
    """From the front door to reasons, by the names that a screen reader says, on a phone too."""
    api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    faults: list[str] = []
    async with HttpServer(app, 0) as server, api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = await browser.new_page(viewport={"width": 360, "height": 780}, color_scheme="dark")
        page.set_default_timeout(10_000)
        page.on("console", lambda message: faults.append(message.text))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(server.url)
        faults += await violations(page)
        door = page.get_by_role("region", name="New here")
        await door.get_by_label("Name").fill("tim")
        await door.get_by_label("Password").fill(PASSWORD)
        await door.get_by_role("button", name="Sign up").click()
        await page.get_by_role("link", name="People").click()
        await page.get_by_role("button", name="Endorse: Ana").click()
        await page.get_by_role("button", name="Withdraw: Ana").wait_for()
        faults += await violations(page)
        await page.get_by_role("link", name="Albums").click()
        await page.get_by_role("button", name="Play: Karma").click()
        faults += await violations(page)
        await page.get_by_role("link", name="For you").click()
        await page.get_by_text("Ana plays it, and so do").first.wait_for()
        faults += await violations(page)
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        await browser.close()
    assert [url for url in asked if not url.startswith(server.url)] == []
    assert faults == []
