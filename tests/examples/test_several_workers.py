"""The example of several workers, as its users meet it: real workers beside a real daemon."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import httpx
import pytest

import tastemesh
from examples.several_workers import create_app
from tests.node.client.servers import answer, server
from tests.node.daemons import DEADLINE_S, ENVIRONMENT, offline_home, serving
from tests.pages import ROOT

pytestmark = pytest.mark.slow

WORKERS = 3


@contextmanager
def service(home: Path) -> Iterator[str]:
    """Its address, while it runs."""
    command = [sys.executable, "-m", "examples.several_workers", str(home), "--port", "0"]
    with subprocess.Popen(
        [*command, "--workers", str(WORKERS)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0


def test_all_workers_share_one_node(tmp_path: Path) -> None:
    home = offline_home(tmp_path / "home")
    with service(home) as url, httpx.Client(base_url=url, timeout=DEADLINE_S) as browser:

        def visit(path: str, **fields: str) -> tuple[int, Any]:
            answer = browser.post(path, data=fields)
            return answer.status_code, answer.json()

        def listed(name: str) -> Any:
            return browser.get("/for-you", params={"name": name}).json()

        assert listed("ana")["items"] == []  # before there is a daemon
        assert visit("/plays", name="ana", item="a")[0] == 503
        with serving(home):
            for name in ("ana", "ben"):
                assert visit("/users", name=name) == (200, {"name": name})
            with ThreadPoolExecutor(6) as pool:
                played = pool.map(lambda n: visit("/plays", name="ana", item=f"{n}"), range(60))
                assert {status for status, _ in played} == {200}
            seen: set[int] = set()
            until_s = time.monotonic() + DEADLINE_S
            with ThreadPoolExecutor(6) as pool:
                while len(seen) < WORKERS and time.monotonic() < until_s:
                    lists = list(pool.map(listed, ["ben"] * 12))
                    seen |= {each["worker"] for each in lists}
                    assert {len(each["items"]) for each in lists} == {10}
            assert len(seen) == WORKERS
            assert visit("/users", name="A B")[0] == 400
            assert visit("/plays", name="ana")[0] == 400
            with tastemesh.connect(home) as node:
                said = node.export(identity="ana").interactions
            assert sorted(int(each.item) for each in said) == list(range(60))


def visit_app(app: WSGIApplication, method: str, path: str, query: str = "") -> tuple[str, Any]:
    """What an application answers in this process."""
    told: list[str] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query}
    environ["wsgi.input"] = io.BytesIO()  # type: ignore[assignment]
    (answer,) = app(environ, lambda status, headers: told.append(status))  # type: ignore[arg-type]
    return told[0], json.loads(answer)


def test_a_page_that_is_none_is_not_found() -> None:
    found = visit_app(create_app("home"), "GET", "/nowhere")
    assert found == ("404 Not Found", {"error": "no such page"})


def test_a_disk_that_is_full_is_not_the_fault_of_who_plays() -> None:
    full = answer(b'{"error":"disk is full"}', "503 Service Unavailable")
    with server(full) as there:
        app = create_app(there.url, "t" * 43)
        status, _ = visit_app(app, "POST", "/plays", "name=ana&item=a")
    assert status == "503 Service Unavailable"
