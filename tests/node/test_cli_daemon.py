"""The command line with real daemons: processes, homes and a broker, as a person starts them."""

import json
import signal
import socket
import tempfile
from pathlib import Path

import pytest

from tests.brokers import BrokerProcess, free_port
from tests.node.daemons import DEADLINE_S, Shell, running, start, tastemesh

pytestmark = [pytest.mark.broker, pytest.mark.slow]


async def test_two_homes_recommend_each_others_items(shell: Shell, tmp_path: Path) -> None:
    broker = await start("broker", "--home", tmp_path / "broker", "--port", 0)
    try:
        assert broker.stdout
        said = (await broker.stdout.readline()).decode()
        url = said.removeprefix("MQTT broker on ").split(";")[0]
        names = [await shell.init(tmp_path / name, url) for name in ("ann", "bob")]
        async with running(tmp_path / "ann") as ann, running(tmp_path / "bob") as bob:
            for daemon, friend, own in ((ann, names[1], "of ann"), (bob, names[0], "of bob")):
                told = await shell("record", "both/like this", "--home", daemon.home)
                assert told.startswith("recorded as ")
                await shell("record", own, "--kind", "like", "--home", daemon.home)
                await shell("endorse", friend, "--weight", 0.9, "--home", daemon.home)
            line = await shell.recommended(ann.home, "of bob")
            await shell.recommended(bob.home, "of ann")
            assert line["reasons"][0]["contact"] == names[1]
            assert not line["unverified"]
            shown = await shell("recommend", "--explain", "--home", ann.home)
            assert "of bob" in shown
            assert names[1][:16] in shown
            assert "both/like this" not in shown
            assert "\n1 of 10: those whom your trust reaches have no more that you lack" in shown
            full = await shell("recommend", "-k", 1, "--home", ann.home)
            assert "those whom your trust reaches" not in full
            some, none = tmp_path / "some.txt", tmp_path / "none.txt"
            some.write_text("\ufeffof bob\r\nand others\n\n", "utf-8")
            none.write_bytes(b"\xff")
            for wish in (["--like", "both/like this"], ["--candidates", some]):
                assert "of bob" in await shell("recommend", *wish, "--home", ann.home)
            listed = ["recommend", "--exclude", some, "--home", ann.home]
            assert "nothing speaks for what is left" in await shell(*listed)
            answer = json.loads(await shell(*listed, "--json"))
            assert (answer["recommendations"], answer["age_s"]) == ([], 0)
            for file, told in ((none, "expected text in UTF-8"), ("no.txt", "No such file")):
                wrong = ["recommend", "--candidates", file, "--home", ann.home]
                status, _, said = await shell.attempt(*wrong)
                assert (status, told in said) == (2, True)
            assert names[0] in await shell("status", "--home", ann.home)
    finally:
        broker.terminate()
        await broker.communicate()
    assert broker.returncode == 0


async def test_killed_daemons_and_brokers_come_back_by_themselves(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    ann_id = await shell.init(tmp_path / "ann", nats_broker.url)
    await shell.init(tmp_path / "bob", nats_broker.url)
    async with running(tmp_path / "ann") as ann:
        async with running(tmp_path / "bob") as bob:
            await shell("record", "common", "--home", bob.home)
            await shell("endorse", ann_id, "--home", bob.home)
            await shell("record", "common", "--home", ann.home)
            await shell("record", "first", "--home", ann.home)
            await shell.recommended(bob.home, "first")
            assert "unverified" not in await shell("recommend", "--home", bob.home)
            await shell("record", "of a stranger", "--home", bob.home)
            assert (await shell.recommended(ann.home, "of a stranger"))["unverified"]
            shown = await shell("recommend", "--explain", "--home", ann.home)
            assert "\nunverified: nobody whom you trust stands behind these" in shown
            assert await bob.stop(signal.SIGKILL) == -signal.SIGKILL
        status, _, err = await shell.attempt("status", "--home", bob.home)
        assert (status, "no daemon runs for" in err) == (1, True)
        await shell("record", "while bob was dead", "--home", ann.home)
        async with running(tmp_path / "bob") as bob:
            await shell.recommended(bob.home, "first")  # from his own disk
            await shell.recommended(bob.home, "while bob was dead")
            await nats_broker.kill()
            await shell("record", "while the broker was dead", "--home", ann.home)
            await nats_broker.start()
            await shell.recommended(bob.home, "while the broker was dead")


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_stop_signal_ends_cleanly(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess, number: signal.Signals
) -> None:
    await shell.init(tmp_path, nats_broker.url)
    async with running(tmp_path) as daemon:
        announced = json.loads((tmp_path / "daemon.json").read_text())
        assert announced["pid"] == daemon.process.pid
        assert await daemon.stop(number) == 0
        assert not (tmp_path / "daemon.json").exists()
        assert "Traceback" not in "".join(daemon.log)


async def test_a_home_and_a_port_belong_to_one_daemon(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    await shell.init(tmp_path / "a", nats_broker.url)
    async with running(tmp_path / "a"):
        port = json.loads((tmp_path / "a" / "daemon.json").read_text())["http"].split(":")[-1]
        status, err = await tastemesh("run", "--home", tmp_path / "a")
        assert status == 1
        assert "in use by another process" in err
        status, err = await tastemesh(
            *("run", "--home", tmp_path / "b", "--http-port", port),
            *("--broker", nats_broker.url),
        )
        assert status == 1
        assert f"HTTP port {port} on 127.0.0.1 is taken" in err.splitlines()[-1]
        assert "TASTEMESH_HTTP_PORT" in err.splitlines()[-1]
        assert await shell("status", "--home", tmp_path / "a")


async def test_wrong_values_are_one_line_from_the_daemon_too(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    await shell.init(tmp_path, nats_broker.url)
    async with running(tmp_path):
        for arguments, said in (
            (("record", "x" * 257), "item id of 257 bytes; expected 1 to 256"),
            (("record", ""), "item id of 0 bytes"),
            (("record", "a\nb"), "without control characters"),
            (("record", b"\xff".decode(errors="surrogateescape")), "not valid UTF-8"),
            (("record", "a", "--weight", "0"), "weight is 0.0"),
            (("record", "a", "--weight", "nan"), "weight is not finite"),
            (("record", "a", "--time", "inf"), "--time is 'inf'; expected 1970"),
            (("record", "a", "--time", "-5"), "--time is '-5'; expected 1970"),
            (("record", "a", "--time", "1960-01-01"), "--time is '1960-01-01'; expected 1970"),
            (
                ("record", "a", "--time", "2100-01-01"),
                "--time is '2100-01-01'; expected 1970 or later, and not the",
            ),
            (("record", "a", "--identity", "bob"), "'bob' is not on this node"),
            (("endorse", "ann"), "'ann' is not 64 hex digits"),
            (("endorse", "0" * 64, "--weight", "-1.5"), "weight is -1.5; expected -1 to 1"),
            (
                ("endorse", "0" * 64, "--weight", "1e-9"),
                "weight is 1e-09; expected at least 0.0001",
            ),
        ):
            status, out, err = await shell.attempt(*arguments, "--home", tmp_path)
            assert (status, out, err.count("\n")) == (2, "", 1), err
            assert said in err
        assert "nothing to recommend yet: " in await shell("recommend", "--home", tmp_path)
        assert await shell("record", "a", "--private", "--home", tmp_path) == "kept on this node\n"


async def test_undoing_a_block_leaves_an_endorsement_alone_and_each_word_is_named(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    friend = "ab" * 32
    await shell.init(tmp_path, nats_broker.url)
    async with running(tmp_path):

        async def said(*arguments: str) -> str:
            return await shell(arguments[0], friend, *arguments[1:], "--home", tmp_path)

        async def weight() -> float | None:
            await shell("export", tmp_path / "said.json", "--home", tmp_path)
            known = json.loads((tmp_path / "said.json").read_text())["endorsements"]
            return known[0]["weight"] if known else None

        assert (await said("endorse")).startswith(f"endorsed {friend} in ")
        assert await said("endorse") == f"endorsed already: {friend}\n"
        assert await said("block", "--undo") == f"was not blocked: {friend}\n"
        assert await weight() == 1.0
        assert (await said("endorse", "--weight", "-0.5")).startswith(f"distrusted {friend} in ")
        assert await said("block") == f"blocked: {friend}\n"
        assert await weight() == -1.0
        assert await said("block", "--undo") == f"no longer blocked: {friend}\n"
        assert await weight() is None
        assert await said("endorse", "--weight", "0") == f"withdrawn from already: {friend}\n"
        await said("endorse")
        assert (await said("endorse", "--weight", "0")).startswith(f"withdrawn from {friend} in ")
        status, _, err = await shell.attempt("block", "ann", "--undo", "--home", tmp_path)
        assert (status, "'ann' is not 64 hex digits" in err) == (2, True)


async def test_a_broker_that_is_away_is_waited_for(shell: Shell, tmp_path: Path) -> None:
    await shell.init(tmp_path, f"mqtt://127.0.0.1:{free_port()}")
    async with running(tmp_path):
        await shell("record", "a", "--home", tmp_path)
        status = json.loads(await shell("status", "--json", "--home", tmp_path))
        assert not status["brokers"][0]["connected"]
        assert status["window"]["records"] == 1


async def test_a_damaged_home_is_one_line(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    await shell.init(tmp_path, nats_broker.url)
    (tmp_path / "window.sqlite3").unlink(missing_ok=True)
    (tmp_path / "window.sqlite3").mkdir()
    status, err = await tastemesh("run", "--home", tmp_path)
    assert (status, err.count("\n")) == (1, 1), err
    assert "window.sqlite3" in err
    (tmp_path / "keys" / "me.key").write_text("not a key")
    status, err = await tastemesh("run", "--home", tmp_path)
    assert (status, err.count("\n")) == (2, 1), err
    assert "me.key" in err


async def test_the_supervisor_is_told(
    shell: Shell, nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    await shell.init(tmp_path, nats_broker.url)
    with (
        tempfile.TemporaryDirectory(prefix="tm") as short,  # a socket's path has 107 bytes
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor,
    ):
        supervisor.bind(f"{short}/notify")
        supervisor.settimeout(DEADLINE_S)
        async with running(tmp_path, NOTIFY_SOCKET=f"{short}/notify") as daemon:
            assert supervisor.recv(64) == b"READY=1"
            assert await daemon.stop() == 0
            assert supervisor.recv(64) == b"STOPPING=1"
