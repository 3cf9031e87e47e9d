"""What every answer carries, the page's files, and who may fetch them."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

import tastemesh
from tastemesh.node.daemon import dashboard_url
from tastemesh.node.dashboard import load_assets
from tastemesh.node.http.app import create_app
from tests.brokers import BrokerProcess
from tests.node.daemons import running

PAGE = sorted(load_assets())


@pytest.fixture
async def stranger(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Nothing that is asked here needs the node to be open."""
    app = create_app(tastemesh.open_node(tmp_path), "t" * 43)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def test_the_page_is_served_without_the_token_under_a_strict_policy(
    stranger: httpx.AsyncClient,
) -> None:
    assert "/" in PAGE
    for path in PAGE:
        answer = await stranger.get(path)
        assert answer.status_code == 200
        policy = dict(
            part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
        )
        assert policy.pop("default-src") == "'none'"
        for source in ("script-src", "style-src", "img-src", "connect-src"):
            assert policy.pop(source) == "'self'"
        for door in ("base-uri", "form-action", "frame-ancestors"):
            assert policy.pop(door) == "'none'"
        assert policy == {"require-trusted-types-for": "'script'", "trusted-types": "'none'"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers


async def test_the_page_holds_nothing_inline_and_nothing_from_elsewhere(
    stranger: httpx.AsyncClient,
) -> None:
    page = (await stranger.get("/")).text
    assert "<style" not in page
    assert "style=" not in page
    assert "<script>" not in page
    for path in PAGE:
        text = (await stranger.get(path)).text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, path
        assert "https://" not in text, path
        for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert sink not in text, path


async def test_every_refusal_carries_the_headers_too(stranger: httpx.AsyncClient) -> None:
    for path in ("/v1/status", "/dashboard/../../api.token", "/dashboard/__init__.py"):
        answer = await stranger.get(path)
        assert answer.status_code == 401
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("site", "mode", "path", "status"),
    [
        ("cross-site", "navigate", "/", 200),  # a link in a chat
        ("cross-site", "no-cors", "/", 403),
        ("same-site", "no-cors", "/dashboard/icon.svg", 403),  # another port of this machine
        ("cross-site", "navigate", "/metrics", 403),
        ("same-origin", "cors", "/v1/status", 401),
        ("none", "navigate", "/", 200),
    ],
)
async def test_a_page_of_another_site_may_link_here_and_nothing_else(
    stranger: httpx.AsyncClient, site: str, mode: str, path: str, status: int
) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    assert (await stranger.get(path, headers=headers)).status_code == status


def test_the_token_is_in_the_fragment_and_not_in_the_journal(tmp_path: Path) -> None:
    base = "http://127.0.0.1:1"
    with (tmp_path / "journal").open("w") as journal:
        told = os.fstat(journal.fileno())
        for stream, expected in (
            (f"{told.st_dev}:{told.st_ino}", f"{base}/"),
            ("1:2", f"{base}/#token=abc"),  # of the terminal's own service
        ):
            environ = {"JOURNAL_STREAM": stream}
            assert dashboard_url(base, "abc", environ, journal.fileno()) == expected
    with (tmp_path / "file").open("w") as file:
        assert dashboard_url(base, "abc", {}, file.fileno()) == f"{base}/#token=abc"
        closed = file.fileno()
    assert dashboard_url(base, "abc", {}, closed) == f"{base}/"


@pytest.mark.broker
async def test_run_prints_the_address_and_stops_although_somebody_follows(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    flags = ("--broker", nats_broker.url, "--http-port", 0)
    async with running(tmp_path / "home", *flags) as daemon:
        assert daemon.process.stdout
        name, address = (await daemon.process.stdout.readline()).decode().split()
        url, _, token = address.partition("/#token=")
        assert name == "dashboard"
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx.AsyncClient(base_url=url, headers=headers) as client,
            client.stream("GET", "/v1/events") as events,
        ):
            lines = events.aiter_lines()
            assert await anext(lines) == ": following"
            assert await daemon.stop() == 0
            assert [line async for line in lines if line] == []
        assert not [line for line in daemon.log if "exceeded" in line or "error" in line]
