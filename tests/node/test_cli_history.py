"""A history brought in, written out, and proved to somebody else, by commands and a real daemon."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tastemesh.node.cli import main
from tastemesh.node.cli.client import ask
from tastemesh.node.home import WINDOW_FILE
from tests.brokers import BrokerProcess
from tests.node.daemons import Shell, running

pytestmark = [pytest.mark.broker, pytest.mark.slow]

TRACKS = [f"spotify:track:{n:022d}" for n in range(700)]


def history(path: Path, listen_count: int) -> Path:
    """Write a Spotify history that plays the tracks round and round."""
    path.write_text(
        json.dumps(
            [
                {
                    "ts": f"{2010 + n // 8_000}-01-01T{n % 24:02d}:00:00Z",
                    "ms_played": 200_000,
                    "spotify_track_uri": TRACKS[n % len(TRACKS)],
                }
                for n in range(listen_count)
            ]
        )
    )
    return path


async def test_a_hundred_thousand_listens_come_in_once(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    file = history(tmp_path / "Streaming_History_Audio_2010.json", 100_000)
    home = tmp_path / "home"
    command = ("import", file, "--format", "spotify", "--home", home)
    told = (await shell.attempt(*command, "--dry-run"))[1]
    assert "read 100,000 listens of 700 items, 2010-01-01 to 2022-01-01" in told
    assert "left out 300 items listened to longest ago: 400 fit" in told
    assert "nothing was recorded" in told
    status, _, error = await shell.attempt(*command, "--public")
    assert (status, error.count("\n")) == (1, 1)
    assert "no daemon runs" in error
    identity = await shell.init(home, nats_broker.url)
    async with running(home):
        status, _, error = await shell.attempt(*command)
        assert (status, "--private" in error) == (2, True)
        told = (await shell.attempt(*command, "--public"))[1]
        assert "recorded 400 items and published; 0 were there already" in told
        told = (await shell.attempt(*command, "--public"))[1]
        assert "recorded 0 items and published; 400 were there already" in told
        file.write_text(file.read_text()[:-2])
        status, _, error = await shell.attempt(*command, "--private")
        assert (status, f"{file}, line 1" in error) == (1, True)
        told = await shell("export", tmp_path / "said.json", "--home", home)
        assert told.startswith("wrote 400 interactions, 0 endorsements and 7 signed records")
    said = json.loads((tmp_path / "said.json").read_text())
    assert said["identity"] == identity
    assert {each["item"] for each in said["interactions"]} < set(TRACKS)
    assert (tmp_path / "said.json").stat().st_mode & 0o777 == 0o600


async def test_a_list_is_proved_to_somebody_else(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    ann, bob = tmp_path / "ann", tmp_path / "bob"
    names = [await shell.init(home, nats_broker.url) for home in (ann, bob)]
    proof = tmp_path / "evidence.json"
    async with running(ann), running(bob):
        await shell("record", "of bob", "--home", bob)
        await shell("record", "both", "--home", bob)
        await shell("record", "both", "--home", ann)
        await shell("endorse", names[1], "--home", ann)
        await shell.recommended(ann, "of bob")
        shown = await shell("recommend", "--explain", "--evidence", proof, "--home", ann)
        assert "anybody whom trust reaches can add to it" in shown
        await shell("block", names[1], "--home", ann)
        assert "of bob" not in await shell("recommend", "--home", ann)
        await shell("block", names[1], "--undo", "--home", ann)
    told = await shell("verify", proof)
    assert f"holds: {names[1][:16]}… signed record" in told
    assert f"trust: {names[0][:8]} -> {names[1][:8]}" in told
    assert told.endswith("everything holds\n")
    pieces = json.loads(proof.read_text())
    pieces[0]["item"] = "of mallory"
    proof.write_text(json.dumps(pieces))
    status, told, error = await shell.attempt("verify", proof)
    assert (status, "DOES NOT HOLD" in told) == (1, True)
    assert error == "tastemesh: 1 of the records do not hold\n"
    proof.write_text("[]")
    status, told, error = await shell.attempt("verify", proof)
    assert (status, told, "nothing was checked" in error) == (1, "", True)
    proof.write_text("{}")
    assert (await shell.attempt("verify", proof))[0] == 2


async def test_a_home_is_backed_up_while_it_runs_and_restored(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    home, file, second = tmp_path / "home", tmp_path / "home.zip", tmp_path / "second"
    assert (await shell.attempt("backup", file, "--home", home))[0] == 2
    identity = await shell.init(home, nats_broker.url)
    async with running(home):
        await shell("record", "one", "--home", home)
        assert (await shell("backup", file, "--home", home)).startswith(f"wrote {file}")
        status, _, error = await shell.attempt("backup", file, "--home", home)
        assert (status, "replaces nothing" in error) == (2, True)
    assert (await shell("backup", tmp_path / "later.zip", "--home", home)).startswith("wrote")
    assert not (home / "window.backup").exists()
    await shell("restore", file, "--home", second)
    async with running(second):
        assert identity in await shell("status", "--home", second)
        told = await shell("export", tmp_path / "said.json", "--home", second)
        assert told.startswith("wrote 1 interaction,")
    assert (await shell.attempt("restore", file, "--home", second))[0] == 2


async def test_a_backup_that_was_broken_off_is_no_hindrance_to_the_next(
    shell: Shell, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    home = tmp_path / "home"
    await shell.init(home, nats_broker.url)
    with closing(sqlite3.connect(home / WINDOW_FILE)) as window:
        window.execute("CREATE TABLE ballast AS SELECT zeroblob(150000000)")  # half a second
    async with running(home):
        # What a command leaves behind that ends meanwhile: the daemon goes on with it.
        first = asyncio.create_task(asyncio.to_thread(ask, home, "POST", "/v1/backup"))
        while not list(home.glob("window.backup*")):
            await asyncio.sleep(0)
        command = ["backup", str(tmp_path / "home.zip"), "--home", str(home)]
        assert await asyncio.to_thread(main, command) == 0
        await first
    assert not (home / "window.backup").exists()


async def test_settings_are_shown_with_where_they_come_from(shell: Shell, tmp_path: Path) -> None:
    await shell.init(tmp_path, "mqtt://user:secret@broker.example")
    told = await shell("config", "show", "--home", tmp_path)
    assert f'brokers = ["mqtt://broker.example:1883"]\n    from {tmp_path}' in told
    assert "disk_mb = 1024\n    from default; the database's bound in MiB" in told
    assert "secret" not in told
    settings = json.loads(await shell("config", "--json", "--home", tmp_path))
    assert settings["http_port"][0] == 0
