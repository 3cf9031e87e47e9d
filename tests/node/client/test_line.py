"""What a client makes of a daemon that is gone, slow, full, or something else altogether."""

import asyncio
import datetime
import gc
import os
import pickle
import signal
import ssl
import threading
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tastemesh
from tastemesh import Play
from tastemesh.errors import ConfigError, DaemonError, StorageError, TastemeshError, UsageError
from tastemesh.node.http.access import Endpoint, announced, token_of
from tastemesh.node.http.gate import Gate
from tastemesh.node.http.rates import RateLimits, Rates
from tastemesh.node.http.server import HttpServer
from tests.brokers import free_port
from tests.node.client.servers import Deed, answer, hang_up, nothing, say, server
from tests.node.test_transport import make_certificates

TOKEN = "t" * 43
LISTED = b'{"recommendations":{"me":[]},"ages_s":{"me":0.0}}'
SAID = b'{"records":["00"]}'


def remote(url: str, **options: Any) -> tastemesh.RemoteNode:
    return tastemesh.connect(url, token=TOKEN, **options)


def refusal(text: str) -> bytes:
    return msgspec.json.encode({"error": text})


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        (
            answer(b"<html>hello</html>"),
            "does not answer as a node of tastemesh: JSON is malformed",
        ),
        (answer(b"<html>no</html>", "404 Not Found"), "tastemesh: status 404"),
        (answer(b'{"detail":"Not Found"}', "404 Not Found"), "tastemesh: status 404"),
        (answer(b'["error"]', "500 Oh"), "tastemesh: status 500"),
        (answer(b"", "302 Found", "Location: http://127.0.0.1/"), "tastemesh: status 302"),
        (answer(b'{"records":[1]}'), "tastemesh: Object missing required field `recommendations`"),
        (answer(b"\xff\xfe"), "does not answer as a node of tastemesh"),
        (say(b"SSH-2.0-OpenSSH_9.6\r\n"), "tastemesh: BadStatusLine SSH"),
        (say(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n"), "tastemesh: HTTPException"),
        (answer(LISTED, length=100, end=True), r"went away: IncompleteRead\(49 bytes read, 51"),
        (hang_up, "went away: Remote end closed"),
        (nothing, r"did not answer within 0\.3 s"),
        (answer(refusal("no"), "401 Unauthorized"), "lets nobody in with this: no"),
        (answer(refusal("no"), "421 Misdirected Request"), "lets nobody in with this: no"),
        (answer(refusal("no such path"), "404 Not Found"), r"^the daemon at http.*: no such path"),
        (answer(refusal("no"), "429 Too Many", "Retry-After: 60"), "is busy: no"),
        (answer(refusal("no"), "503 Oh", "Retry-After: 60"), "is busy: no"),
        (answer(b"[]", "429 Too Many", f"Retry-After: {'9' * 5_000}"), "tastemesh: status 429"),
    ],
)
def test_what_is_no_answer_is_one_error_that_says_so(deed: Deed, told: str) -> None:
    with server(deed) as there, remote(there.url, timeout_s=0.3) as node:
        with pytest.raises(DaemonError, match=told):
            node.recommend()
        for ask in (node.export, node.rotate, node.events):
            with pytest.raises(DaemonError):
                ask()
        with pytest.raises(DaemonError):
            node.explain("a")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", UsageError),
        ("413 Too Large", UsageError),
        ("503 Unavailable", StorageError),
        ("500 Oh", TastemeshError),
        ("409 Conflict", TastemeshError),
    ],
)
def test_what_a_daemon_refuses_is_the_error_that_a_node_raises(
    status: str, kind: type[TastemeshError]
) -> None:
    with server(answer(refusal("the text"), status)) as there, remote(there.url) as node:
        for ask in (node.recommend, node.rotate, node.events):
            with pytest.raises(TastemeshError, match=r"^the text$") as caught:
                ask()
            assert type(caught.value) is kind


def test_nothing_speaks_for_an_item_only_where_the_node_says_so() -> None:
    told = refusal("nothing speaks for 'a' here")
    with server(answer(told, "404 Not Found")) as there, remote(there.url) as node:
        assert (node.explain("a"), node.evidence("a")) == (None, None)
        with pytest.raises(DaemonError, match="nothing speaks"):
            node.recommend()


def test_connections_are_kept_and_one_that_has_ended_is_not_used() -> None:
    deeds = (answer(SAID), answer(SAID), answer(SAID, end=True), answer(SAID))
    with server(*deeds) as there, remote(there.url) as node:
        for _ in range(3):
            assert node.record("a") == ["00"]
        assert there.connection_count == 1
        (idle,) = node._line._kept()
        assert idle.connection.wire.sock.recv(1) == b""  # until its end is here
        assert node.record("a") == ["00"]
        assert there.connection_count == 2
        node.close()
        assert node.record("a") == ["00"]
        assert there.connection_count == 3
    assert len(there.requests) == 5


def test_a_client_that_is_let_go_of_leaves_no_connection_open() -> None:
    with server(answer(LISTED)) as there, warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        node = remote(there.url)
        node.recommend()
        connection = node._line._kept()[0].connection.wire
        del node
        gc.collect()
        assert connection.sock is None


def test_a_question_is_asked_again_where_a_kept_connection_ends_and_what_is_said_is_not() -> None:
    deeds = (answer(LISTED), hang_up, answer(LISTED), hang_up, answer(SAID))
    with server(*deeds) as there, remote(there.url) as node:
        assert node.recommend() == []
        assert node.recommend() == []
        assert there.connection_count == 2
        with pytest.raises(DaemonError, match="may have heard what was said, or not"):
            node.record("a")
        assert there.requests[-1] == "POST /v1/interactions HTTP/1.1"
        assert (len(there.requests), there.connection_count) == (4, 2)
        assert node.record("a") == ["00"]


def test_what_was_said_and_not_answered_in_time_is_in_doubt() -> None:
    with server(nothing) as there, remote(there.url, timeout_s=0.1) as node:
        with pytest.raises(DaemonError, match=r"within 0\.1 s; it may have heard"):
            node.record("a")
        with pytest.raises(DaemonError, match=r"within 0\.1 s$"):
            node.recommend()


def test_a_base_url_may_have_a_path_and_an_item_any_letters() -> None:
    told = b'{"item":"x","score":1.0,"unverified":true,"reasons":[],"backing":null}'
    with server(answer(told)) as there, remote(f"{there.url}/mount/") as node:
        found = node.explain("a/b? %é", identity="ana")
    assert found == tastemesh.Advice("x", 1.0, True, ())
    path = "/mount/v1/recommendations/a%2Fb%3F%20%25%C3%A9?identity=ana"
    assert there.requests == [f"GET {path} HTTP/1.1"]


def test_a_daemon_that_does_not_run_is_said_how_to_start(tmp_path: Path) -> None:
    with (
        tastemesh.connect(tmp_path / "a home") as node,
        pytest.raises(DaemonError, match=rf"tastemesh run --home '{tmp_path}/a home'$"),
    ):
        node.recommend()
    with tastemesh.connect(tmp_path / "home") as node:
        with pytest.raises(DaemonError, match=rf"tastemesh run --home {tmp_path}/home"):
            node.record("a")
        assert not (tmp_path / "home").exists()
        (tmp_path / "home").mkdir()
        dead = Endpoint(pid=os.getpid(), http=f"http://127.0.0.1:{free_port()}")
        with announced(tmp_path / "home", dead), pytest.raises(DaemonError, match="tastemesh run"):
            node.recommend()
    with remote(dead.http) as node, pytest.raises(DaemonError, match="nothing listens there"):
        node.recommend()


@pytest.mark.parametrize(
    ("where", "token", "told"),
    [
        ("", None, "expected the node's home, or a URL"),
        (5, None, "expected the node's home, or a URL"),
        (None, None, "expected the node's home, or a URL"),  # a variable that is not set
        ("a\0b", None, "expected the node's home, or a URL"),
        ("~nobody-of-this-name/home", None, "expected a folder"),
        ("home", TOKEN, "token is for a URL"),
        ("http://127.0.0.1:8765", None, "token is missing"),
        ("http://127.0.0.1:8765", "", "token is empty"),
        ("http://127.0.0.1:8765", "a\nb", "no line of ASCII"),
        ("http://127.0.0.1:8765", "é", "no line of ASCII"),
        ("http://", TOKEN, "expected one such as http"),
        ("http://127.0.0.1:x", TOKEN, "expected one such as http"),
        ("http://127.0.0.1:0", TOKEN, "expected one such as http"),
        ("http://127.0.0.1:8765/#token=a", TOKEN, "expected one such as http"),
        ("http://ana:secret@127.0.0.1:8765", TOKEN, "expected the token apart from it"),
        ("http://ana:secret@127.0.0.1:x/?a=1", TOKEN, "expected the token apart from it"),
        ("http://127.0.0.1:8765/a b", TOKEN, "expected one such as http"),
        ("http://127.0.0.1:8765/\x01", TOKEN, "expected one such as http"),
        ("http://127.0.0.1:8765/é", TOKEN, "expected one such as http"),
        ("http://a b/", TOKEN, "expected one such as http"),
        ("http://node..example/", TOKEN, "expected one such as http"),
        (" http://127.0.0.1:8765", TOKEN, "expected one such as http"),
        ("ftp://127.0.0.1:8765", None, "token is missing"),
        ("ftp://127.0.0.1:8765", TOKEN, "expected one such as http"),
        ("127.0.0.1:8765", TOKEN, "token is for a URL, http://"),
    ],
)
def test_an_address_that_is_none_is_refused_at_once(where: Any, token: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        tastemesh.connect(where, token=token)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("where", "ca_file", "told"),
    [
        ("http://127.0.0.1:8765", "ca.pem", "begins with https"),
        ("home", "ca.pem", "ca_file is for a URL"),
        ("https://127.0.0.1:8765", "nobody.pem", "nobody.pem does not exist"),
        ("https://127.0.0.1:8765", "ca.key", "ca.key holds no certificate"),
        ("https://127.0.0.1:8765", 1, "ca_file is 1; expected a file"),
    ],
)
def test_an_authority_that_is_none_is_refused_at_once(
    tmp_path: Path, where: str, ca_file: Any, told: str
) -> None:
    make_certificates(tmp_path)
    given = tmp_path / ca_file if isinstance(ca_file, str) else ca_file
    with pytest.raises(ConfigError, match=told):
        tastemesh.connect(where, token=None if where == "home" else TOKEN, ca_file=given)


def test_an_authority_is_found_in_a_home_as_a_node_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificates(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    tastemesh.connect("https://127.0.0.1:8765", token=TOKEN, ca_file="~/ca.pem")
    with pytest.raises(ConfigError, match="expected a file"):
        tastemesh.connect("https://127.0.0.1:8765", token=TOKEN, ca_file="~nobody-of-this-name/a")


async def test_an_authority_of_ones_own_is_trusted_where_its_file_is_named(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")

    async def listed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):  # hangs up when it sees who we are
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LISTED) + LISTED)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(listed, "127.0.0.1", 0, ssl=context) as there:
        url = f"https://127.0.0.1:{there.sockets[0].getsockname()[1]}"
        with remote(url) as node, pytest.raises(DaemonError, match="CERTIFICATE_VERIFY_FAILED"):
            await asyncio.to_thread(node.recommend)
        with remote(url, ca_file=str(tmp_path / "ca.pem")) as node:
            again = pickle.loads(pickle.dumps(node))
            assert await asyncio.to_thread(node.recommend) == []
            with again:
                assert await asyncio.to_thread(again.recommend) == []


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), "5"])
def test_a_timeout_that_is_none_is_refused(timeout_s: Any) -> None:
    with pytest.raises(UsageError, match="expected seconds, above 0"):
        tastemesh.connect("home", timeout_s=timeout_s)


async def lists(scope: Any, receive: Any, send: Any) -> None:
    """What a node answers whose users have no lists."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": LISTED})


async def test_a_token_may_be_what_was_read_from_its_file(tmp_path: Path) -> None:
    async with HttpServer(Gate(lists, token_of(tmp_path)), 0) as there:
        node = tastemesh.connect(there.url, token=(tmp_path / "api.token").read_text())
        with node:
            assert await asyncio.to_thread(node.recommend) == []


async def test_a_token_that_was_refused_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "api.token"
    token = token_of(tmp_path)
    async with HttpServer(Gate(lists, token), 0) as there:
        with (
            announced(tmp_path, Endpoint(pid=os.getpid(), http=there.url)),
            tastemesh.connect(tmp_path) as node,
        ):
            file.write_text(TOKEN)
            with pytest.raises(DaemonError, match="lets nobody in"):
                await asyncio.to_thread(node.recommend)
            file.write_text(token)
            assert await asyncio.to_thread(node.recommend) == []


def test_a_client_does_not_show_its_token() -> None:
    assert repr(remote("http://127.0.0.1:1")) == ("<RemoteNode, the daemon at http://127.0.0.1:1>")


async def test_threads_that_are_too_many_wait_as_they_are_told(tmp_path: Path) -> None:
    said: list[bytes] = []

    async def heard(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        said.append(message["body"])
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": SAID})

    gate = Gate(heard, token_of(tmp_path), rates=Rates(RateLimits(known_per_s=10, known_burst=4)))
    async with HttpServer(gate, 0) as there:
        with announced(tmp_path, Endpoint(pid=os.getpid(), http=there.url)):

            def work() -> None:
                node = tastemesh.connect(tmp_path)
                with node, ThreadPoolExecutor(6) as pool:
                    list(pool.map(lambda n: node.record(f"song {n}"), range(12)))

            await asyncio.to_thread(work)
    assert sorted(msgspec.json.decode(each)["item"] for each in said) == sorted(
        f"song {n}" for n in range(12)
    )


@pytest.mark.parametrize("item", [b"song", uuid.UUID(int=5), datetime.date(2020, 1, 1)])
def test_what_is_no_text_is_not_said_as_if_it_were(item: Any) -> None:
    with server(answer(SAID)) as there, remote(there.url) as node:
        for say_it in (
            lambda: node.record(item),
            lambda: node.record_many([Play(item=item)]),
            lambda: node.forget(item),
            lambda: node.people.behind([item]),
            lambda: node.endorse_many({item: 1.0}),
        ):
            with pytest.raises(UsageError, match="cannot be sent to a node"):
                say_it()
        assert there.requests == []


def test_what_comes_in_portions_stops_at_the_first_that_is_refused() -> None:
    deeds = (answer(SAID), answer(refusal("no"), "400 Bad Request"), answer(SAID))
    with server(*deeds) as there, remote(there.url) as node:
        with pytest.raises(UsageError, match="no"):
            node.record_many([Play(item=f"{n}") for n in range(200)])
        assert len(there.requests) == 2


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
STREAM = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PEERS = (
    b": following\n\n"
    b'event: PeerDiscovered\ndata: {"node":"aa"}\n\n: still here\n\n'
    b'event: SomethingNew\ndata: {"of":"a later version"}\n\n'
    b'event: Dropped\ndata: {"count":17}\n\nevent: PeerDiscovered\ndata: {"node":"bb"}\n\n'
)


def chunks(content: bytes, size: int) -> bytes:
    parts = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_events_are_read_however_they_are_cut_and_end_where_the_daemon_does(size: int) -> None:
    with server(say(STREAM + chunks(PEERS, size) + b"0\r\n\r\n")) as there:
        events = remote(there.url).events(watch=["ana", "ben", "ana"], k=3)
        assert [msgspec.to_builtins(each) for each in events] == [{"node": "aa"}, {"node": "bb"}]
        assert (events.dropped_count, list(events)) == (17, [])
        events.close()
    assert there.requests == ["GET /v1/events?watch=ana&watch=ben&k=3 HTTP/1.1"]


@pytest.mark.parametrize(
    "content",
    [
        HEAD + b"\r\n" + PEERS,
        HEAD
        + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunks(PEERS, 50)
        + b"0\r\n\r\n",
    ],
)
def test_events_are_read_though_a_proxy_says_that_the_connection_ends(content: bytes) -> None:
    with server(say(content)) as there, remote(there.url).events() as events:
        assert [msgspec.to_builtins(each) for each in events] == [{"node": "aa"}, {"node": "bb"}]


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        (b"", "went away"),
        (b"5\r\nev", "went away"),
        (chunks(b'event: PeerDiscovered\ndata: {"node":5}\n\n', 99), "does not answer as a node"),
        (
            chunks(b'event: PeerDiscovered\ndata: {"node":"\xff"}\n\n', 99),
            "does not answer as a node",
        ),
        (chunks(b"event: \xff\ndata: {}\n\n", 99), "does not answer as a node"),
        (b"no length\r\n", "went away"),
    ],
)
def test_a_daemon_that_is_lost_is_an_error_and_then_the_end(rest: bytes, told: str) -> None:
    with server(say(STREAM + chunks(PEERS, 50) + rest)) as there:
        events = remote(there.url).events()
        assert len([next(events), next(events)]) == 2
        with pytest.raises(DaemonError, match=told):
            next(events)
        events.close()
        assert list(events) == []


class HurryError(Exception):
    pass


def test_what_interrupts_the_wait_for_an_event_ends_it() -> None:
    waits, ended = threading.Event(), threading.Event()
    main = threading.main_thread().ident or 0

    def interrupt(connection: Any) -> None:
        connection.sendall(STREAM + chunks(PEERS, 1_000))
        waits.wait()
        while not ended.wait(0.02):  # one that comes just before the wait does not end it
            signal.pthread_kill(main, signal.SIGUSR1)
        say(b"0\r\n\r\n")(connection)

    def raise_it(number: int, frame: object) -> None:
        if not ended.is_set():
            ended.set()
            raise HurryError

    before = signal.signal(signal.SIGUSR1, raise_it)
    try:
        with server(interrupt) as there:
            events = remote(there.url).events()
            assert len([next(events), next(events)]) == 2
            with pytest.raises(HurryError):
                waits.set()
                next(events)
            assert list(events) == []
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_closing_ends_who_waits_for_an_event() -> None:
    def begin(connection: Any) -> None:
        connection.sendall(STREAM + chunks(PEERS, 1_000))

    heard: list[str] = []
    with server(begin) as there:
        events = remote(there.url).events()
        heard.append(type(next(events)).__name__)
        waiting = threading.Thread(target=lambda: heard.extend(type(e).__name__ for e in events))
        waiting.start()
        events.close()
        waiting.join()
        events.close()
        with remote(there.url).events() as others:
            next(others)
    assert heard in (["PeerDiscovered"], ["PeerDiscovered", "PeerDiscovered"])
