"""The unit and the containers of deploy/: the broker is started, the rest is read."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tastemesh.node.address import TlsFiles
from tastemesh.node.mqtt import MqttTransport
from tastemesh.node.mqtt_settings import MqttSettings
from tests.brokers import BrokerProcess, free_port, mosquitto_program
from tests.node.transport_conformance import Client

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy" / "containers"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def prepared(folder: Path, umask: int = 0o022) -> str:
    """Do what its README says before the containers start; return the node's password."""
    shown = re.search(r"```sh\n(.*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL)
    assert shown
    script = shown[1].split("docker compose")[0].replace("broker.example", "localhost")
    command = ["bash", "-euc", script]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, umask=umask)
    return (folder / ".env").read_text().strip().partition("=")[2]


def test_the_certificates_hold_where_python_checks_them_strictly(tmp_path: Path) -> None:
    prepared(tmp_path)
    tls = tmp_path / "secrets" / "tls"
    strictly = ["openssl", "verify", "-x509_strict", "-CAfile", str(tls / "ca.pem")]  # as from 3.13
    checked = subprocess.run(
        [*strictly, str(tls / "broker.pem")], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.broker
async def test_the_broker_takes_known_nodes_over_tls_and_our_topics_only(tmp_path: Path) -> None:
    if mosquitto_program() is None:
        pytest.skip("mosquitto is not installed: it is the broker that these files are for")
    password = prepared(tmp_path)
    places = {
        target: str(tmp_path / source.removeprefix("./"))
        for source, target in (
            mount.split(":")[:2] for mount in COMPOSE["services"]["broker"]["volumes"]
        )
    }
    shutil.copy(DEPLOY / "mosquitto.acl", tmp_path)
    port = free_port()
    told = (DEPLOY / "mosquitto.conf").read_text().replace("listener 8883", f"listener {port}")
    for target in sorted(places, key=len, reverse=True):
        told = told.replace(target, places[target])
    file = tmp_path / "mosquitto.conf"
    file.write_text(f"user {Path.home().owner()}\n{told}")
    (tmp_path / "broker").mkdir()
    command = [str(mosquitto_program()), "-c", str(file)]
    files = TlsFiles(ca_file=tmp_path / "secrets" / "tls" / "ca.pem")

    def node(name: str, user: str) -> MqttTransport:
        return MqttTransport(
            (f"mqtts://{user}@localhost:{port}",),
            client_id=name,
            settings=MqttSettings(tls=files),
            rng=np.random.default_rng(7),
        )

    async with (
        BrokerProcess("mosquitto", command, port, tmp_path / "log", open=False),
        Client(node("a", f"node:{password}"), "tastemesh/1/main/r/+", "home/#") as a,
    ):
        await a.connected()
        a.transport.publish("home/lamp", b"not ours")
        a.transport.publish("tastemesh/1/main/r/7", b"x" * 65_536)
        await a.until_payloads(b"x" * 65_536)
        assert a.payloads == [b"x" * 65_536]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_containers_users_can_read_what_is_mounted_and_nobody_else(
    tmp_path: Path, umask: int
) -> None:
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto is not installed")
    prepared(tmp_path, umask)
    secrets = tmp_path / "secrets"
    assert [secrets.stat().st_mode & 0o77, (tmp_path / ".env").stat().st_mode & 0o77] == [0, 0]
    assert (secrets / "ca.key").stat().st_mode & 0o77 == 0
    for service in COMPOSE["services"].values():
        for mount in service["volumes"]:
            if mount.startswith("./secrets/"):
                path = tmp_path / mount.split(":")[0]
                for each in (path, *path.rglob("*")):
                    assert each.stat().st_mode & 0o4, each
                    assert each.is_file() or each.stat().st_mode & 0o1, each


def test_compose_mounts_what_is_there_and_sets_what_a_node_knows() -> None:
    from tastemesh.node.config import PREFIX, expectations

    known = {PREFIX + name.upper() for name in expectations()}
    assert set(COMPOSE) == {"name", "services", "volumes"}
    for service in COMPOSE["services"].values():
        assert set(service) <= {
            *("image", "build", "restart", "ports", "volumes", "depends_on", "environment"),
        }
        assert set(service.get("environment", {})) <= known
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            if not source.startswith("./"):
                assert source in COMPOSE["volumes"]
            elif not source.startswith("./secrets/"):
                assert (DEPLOY / source).is_file()
    built = COMPOSE["services"]["node"]["build"]
    assert (DEPLOY / built["context"] / built["dockerfile"]).resolve() == DEPLOY / "Containerfile"


def test_the_image_is_made_of_files_that_are_there_and_of_every_package() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert all((ROOT / source).exists() for source in copied)
    linked = {each.name for each in (ROOT / "src" / "tastemesh").iterdir() if each.is_symlink()}
    assert linked <= set(copied)
    assert re.findall(r"^USER (\w+)$", text, re.MULTILINE) == ["tastemesh"]


def test_the_unit_is_one(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "tastemesh.service").read_text()
    assert re.search(r"^ExecStart=\S+/tastemesh run$", text, re.MULTILINE)
    assert "Type=notify" in text
    # Reading a window of millions of statements, or salvaging one, takes longer than the 90 s after
    # which systemd ends what is not ready, to start it again, for ever.
    assert re.search(r"^TimeoutStartSec=infinity$", text, re.MULTILINE)
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "tastemesh.service"  # it insists that the program is there
    unit.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", text))
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
