"""A client of a real daemon: threads, forked and fresh processes, restarts, and events."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import tastemesh
from tastemesh import Play
from tastemesh.errors import DaemonError
from tastemesh.node.events import Event, RecommendationsChanged, RecordAccepted
from tests.node.daemons import DEADLINE_S, ENVIRONMENT, offline_home, serving
from tests.pages import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a daemon that runs for all of these tests."""
    folder = offline_home(tmp_path_factory.mktemp("client") / "home")
    with serving(folder):
        yield folder


@pytest.fixture
def node(home: Path) -> Iterator[tastemesh.RemoteNode]:
    with tastemesh.connect(home) as node:
        yield node


@pytest.mark.parametrize("what", ["fork", "spawn", "listen"])
def test_a_client_is_shared_by_processes_and_its_events_are_not(home: Path, what: str) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.node.client.workers", str(home), what],
        cwd=ROOT,
        env=ENVIRONMENT,
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_any_number_of_threads_use_one_client(node: tastemesh.RemoteNode) -> None:
    def use(number: int) -> int:
        name = f"thread-{number % 4}"
        node.record(f"isrc:{number}", identity=node.identity(name).name)
        return len(node.recommend(5, identity=name))

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(use, range(64)))) == 64
    said = [node.export(identity=f"thread-{number}").interactions for number in range(4)]
    assert [len(each) for each in said] == [16] * 4


def test_a_url_and_a_token_do_as_well_and_a_wrong_token_does_not(home: Path) -> None:
    url = json.loads((home / "daemon.json").read_text())["http"]
    token = (home / "api.token").read_text()
    with tastemesh.connect(url.replace("127.0.0.1", "localhost"), token=token.strip()) as node:
        assert node.record("by url")
    with (
        tastemesh.connect(url, token=token.strip()[:-1] + "-") as node,
        pytest.raises(DaemonError, match="lets nobody in with this: expected Authorization"),
    ):
        node.record("by nobody")


def test_numbers_of_numpy_are_numbers(node: tastemesh.RemoteNode) -> None:
    ana = node.identity("numpy")
    assert ana.record("half", weight=float(np.float64(0.5)))
    assert ana.record("quarter", weight=np.float32(0.25))  # type: ignore[arg-type]
    assert ana.endorse_many({node.identity("other").id: np.float64(0.75)})
    assert [each.weight for each in ana.export().interactions] == [0.5, 0.25]
    assert [each.weight for each in ana.export().endorsements] == [0.75]


def test_more_users_than_a_page_or_a_request_has(node: tastemesh.RemoteNode) -> None:
    before = node.identities
    made = node.add_identities(f"many-{number}" for number in range(130))
    assert node.identities == before | {each.name: each.id for each in made}
    assert list(node.lists([each.name for each in made], 1)) == [each.name for each in made]


def test_an_older_play_in_a_later_request_is_known(node: tastemesh.RemoteNode) -> None:
    user = node.identity("history")
    done = user.import_history([Play(f"song {n % 48}", time_s=10.0 * n) for n in range(96)])
    assert (done.added, done.known, done.left_out) == (64, 32, 0)


def test_events_come_until_they_are_closed(node: tastemesh.RemoteNode) -> None:
    ana, ben = node.add_identities(["event-ana", "event-ben"])
    with node.events(watch=["event-ben"], k=3) as events:
        assert isinstance(first := next(events), RecommendationsChanged)
        assert first.identity == "event-ben"
        (record_id,) = ana.record("heard")
        ben.endorse(ana.id)
        heard: list[Event] = []
        for event in events:
            heard.append(event)
            if isinstance(event, RecommendationsChanged):
                break
    accepted = [each.record_id for each in heard if isinstance(each, RecordAccepted)]
    assert accepted[0] == record_id
    (changed,) = [each for each in heard if isinstance(each, RecommendationsChanged)]
    assert [line.item for line in changed.recommendations] == ["heard"]
    assert changed.recommendations == tuple(ben.recommend(3))
    assert list(events) == []


def test_a_restarted_daemon_is_found_on_its_new_port(tmp_path: Path) -> None:
    home = offline_home(tmp_path / "home")
    with tastemesh.connect(home) as node:
        with serving(home):
            port = _port(home)
            (record_id,) = node.record("before")
            heard: list[Event] = []
            events = node.events()
            listener = threading.Thread(target=lambda: heard.extend(events))
            listener.start()
        listener.join()  # a daemon that stops ends them
        assert heard == []
        with pytest.raises(DaemonError, match="no daemon runs for"):
            node.record("while it was away")
        (home / "api.token").unlink()
        with socket.create_server(("127.0.0.1", port)), serving(home):  # the old port is taken
            assert _port(home) != port
            (said,) = node.export().interactions
            assert said.item == "before"
            assert record_id != node.record("after")[0]


def test_a_daemon_that_is_killed_is_missed_at_once(tmp_path: Path) -> None:
    home = offline_home(tmp_path / "home")
    with tastemesh.connect(home) as node:
        with serving(home) as daemon:
            node.record("before")
            events = node.events()
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
            with pytest.raises(DaemonError, match="went away"):
                next(events)
            assert list(events) == []
            with pytest.raises(DaemonError, match="no daemon runs for"):
                node.record("after")
        with serving(home):
            assert [each.item for each in node.export().interactions] == ["before"]


def test_a_worker_loads_nothing_that_ranks_or_serves() -> None:
    probe = (
        "import sys, tastemesh; tastemesh.connect('home').close();"
        "heavy = {'numpy', 'scipy', 'sqlite3', 'aiomqtt', 'starlette', 'uvicorn', 'typer'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", probe], check=False, capture_output=True)
    assert run.returncode == 0, run.stderr


def _port(home: Path) -> int:
    return int(json.loads((home / "daemon.json").read_text())["http"].rpartition(":")[2])
