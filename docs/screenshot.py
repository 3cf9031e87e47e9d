"""Makes the README's picture of the dashboard: two real nodes, one broker, a made-up community.

Usage: python docs/screenshot.py [FOLDER]

Needs playwright (in the test extra) and Chromium. Writes dashboard.png, in FOLDER also
dashboard-dark.png and dashboard-phone.png.
"""

import asyncio
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from tastemesh.gossip.limits import Limits
from tastemesh.node.broker import EmbeddedBroker
from tastemesh.node.http.app import create_app
from tastemesh.node.http.server import HttpServer
from tastemesh.node.http.stream import Streams
from tastemesh.node.node import Node, open_node
from tastemesh.node.plays import Play
from tastemesh.node.settings import NodeConfig

IMAGES = Path(__file__).parent / "images"
TOKEN = "only-for-the-picture-of-a-dashboard"  # noqa: S105 (of a node that lives for a minute)

# Circles of friends with what they listen to; the last circle is nobody's friend.
CIRCLES = {
    "Ana": (
        ("Ana", "Hana", "Kofi", "Lena", "Mateo"),
        (
            "Alice Coltrane, Journey in Satchidananda",
            "Pharoah Sanders, Karma",
            "Mulatu Astatke, Mulatu of Ethiopia",
            "Yusef Lateef, Eastern Sounds",
            "Dorothy Ashby, Afro-Harping",
            "Nina Simone, Pastel Blues",
            "Andrew Hill, Point of Departure",
            "Abdullah Ibrahim, Water from an Ancient Well",
        ),
    ),
    "Ben": (
        ("Ben", "Nadia", "Omar", "Priya"),
        (
            "Nick Drake, Bryter Layter",
            "Vashti Bunyan, Just Another Diamond Day",
            "Bert Jansch, L.A. Turnaround",
            "Linda Perhacs, Parallelograms",
            "Arthur Russell, Another Thought",
            "Sibylle Baier, Colour Green",
            "Karen Dalton, In My Own Time",
        ),
    ),
    "Fatima": (
        ("Fatima", "Goran", "Ines", "Samir", "Tove"),
        (
            "Harold Budd, The Pavilion of Dreams",
            "Hiroshi Yoshimura, Music for Nine Post Cards",
            "Laraaji, Day of Radiance",
            "Pauline Oliveros, Deep Listening",
            "Midori Takada, Through the Looking Glass",
            "Jon Hassell, Vernal Equinox",
            "Éliane Radigue, Trilogie de la Mort",
        ),
    ),
    "Jun": (("Jun", "Emeka"), ("Fela Kuti, Expensive Shit", "Ali Farka Touré, The Source")),
}
OWN = (
    "Alice Coltrane, Ptah, the El Daoud",
    "Pharoah Sanders, Karma",
    "Harold Budd, The Pavilion of Dreams",
    "Nick Drake, Bryter Layter",
    "Dorothy Ashby, Afro-Harping",
    "Laraaji, Day of Radiance",
)
BLOCKED = "Loud Larry"


async def main(folder: Path) -> None:
    """Run the nodes and take the pictures."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        async with EmbeddedBroker(home / "broker") as broker:
            # Brokers are judged after seconds instead of a minute: a picture has no time.
            limits = Limits(relay_spread_ms=400, sync_period_ms=1_000, presence_period_ms=1_000)
            urls = (broker.url,)
            theirs = NodeConfig(home=home / "theirs", brokers=urls, limits=limits)
            ours = NodeConfig(home=home / "ours", brokers=urls, limits=limits)
            async with open_node(theirs) as others, open_node(ours) as node:
                names = await _live(others, node)
                await asyncio.sleep(6)  # for the broker to be judged
                await _take(node, names, folder)


async def _live(others: Node, node: Node) -> dict[str, str]:
    """Let everybody listen and endorse; return the names by id."""
    await asyncio.gather(others.connected(), node.connected())
    rng = random.Random(4)  # noqa: S311 (the same picture each time)
    people = [name for circle, _ in CIRCLES.values() for name in circle] + [BLOCKED]
    made = await others.add_identities([_local(name) for name in people])
    id_of = {name: each.id for name, each in zip(people, made, strict=True)}
    for circle, albums in CIRCLES.values():
        for name in circle:
            heard = rng.sample(albums, k=max(1, round(len(albums) * 0.7)))
            elsewhere = [album for _, more in CIRCLES.values() for album in more]
            heard += rng.sample(elsewhere, k=3)
            plays = [Play(item=f"album:{album}") for album in dict.fromkeys(heard)]
            await others.record_many(plays, identity=_local(name))
            friends = [friend for friend in circle if friend != name]
            chosen = friends if name == circle[0] else rng.sample(friends, k=min(1, len(friends)))
            weights = dict.fromkeys((id_of[friend] for friend in chosen), 1.0)
            await others.endorse_many(weights, identity=_local(name))
    await node.record_many([Play(item=f"album:{album}", kind="like") for album in OWN[:3]])
    await node.record_many([Play(item=f"album:{album}") for album in OWN[3:5]])
    await node.record(f"album:{OWN[5]}", private=True)
    await node.endorse_many(
        {id_of["Ana"]: 1.0, id_of["Ben"]: 1.0, id_of["Fatima"]: 0.8, id_of["Jun"]: 0.5}
        | {id_of[BLOCKED]: -1.0}
    )
    await asyncio.gather(others.drain(), node.drain())
    return {identity: name for name, identity in id_of.items()}


def _local(name: str) -> str:
    return name.lower().replace(" ", "-")


async def _take(node: Node, names: dict[str, str], folder: Path) -> None:
    streams = Streams()
    async with (
        HttpServer(create_app(node, TOKEN, streams=streams), 0) as server,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        url = f"{server.url}/#token={TOKEN}"
        wide, phone = (1280, 940), (360, 780)
        await _picture(browser, url, names, folder / "dashboard.png", "light", wide, False)
        if folder != IMAGES:
            dark, small = folder / "dashboard-dark.png", folder / "dashboard-phone.png"
            await _picture(browser, url, names, dark, "dark", wide, True)
            await _picture(browser, url, names, small, "light", phone, True)
            await _picture(browser, url, names, folder / "whole.png", "light", wide, True)
        await browser.close()
        streams.close()


async def _picture(
    browser: Browser,
    url: str,
    names: dict[str, str],
    path: Path,
    scheme: str,
    size: tuple[int, int],
    is_whole: bool,
) -> None:
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=1.5 if path.parent == IMAGES else 1,
    )
    stored = json.dumps(json.dumps(names))
    await context.add_init_script(f"localStorage.setItem('tastemesh.names', {stored})")
    page = await context.new_page()
    await page.goto(url)
    await page.get_by_text("Live", exact=True).wait_for()
    await page.locator("#list > li").first.wait_for()
    await page.screenshot(path=path, full_page=is_whole)
    await context.close()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target))
