"""A configuration in code: what a home must not be made with is refused before there is one."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.pretty import pretty_repr

from tastemesh.errors import ConfigError, StorageError, UsageError
from tastemesh.node.address import TlsFiles
from tastemesh.node.blocking import open_node_sync
from tastemesh.node.config import load_configuration
from tastemesh.node.home import open_window
from tastemesh.node.mqtt_settings import MqttSettings
from tastemesh.node.node import open_node
from tastemesh.node.settings import NodeConfig
from tastemesh.node.sharing import Sharing
from tests.brokers import BrokerProcess
from tests.node.daemons import running
from tests.node.full import full_at


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"network": "My Net"}, "network 'My Net'; expected 1 to 32"),
        ({"network": ""}, "network ''"),
        ({"network": 5}, "network is 5; expected text"),
        ({"home": None}, "home is None; expected a folder"),
        ({"home": ""}, "home is ''; expected a folder"),
        ({"home": "a\0b"}, "expected a folder"),
        ({"home": Path("~nobody-has-this-name/x")}, "expected a folder"),
        ({"brokers": "mqtt://127.0.0.1"}, "brokers is 'mqtt://127.0.0.1'; expected several"),
        ({"brokers": [1]}, "brokers is of type list; expected tuple[str, ...]"),
        ({"brokers": ["broker.example"]}, "'broker.example' must start with mqtt://"),
        ({"passphrase": b"secret"}, "passphrase is of type bytes; expected str"),
        ({"limits": None}, "limits is of type NoneType; expected Limits"),
        ({"disk_bytes": "1 GB"}, "disk_bytes is of type str; expected int"),
        ({"sharing": {"nothing": True}}, "sharing is of type dict; expected Sharing"),
        ({"mqtt": {}}, "mqtt is of type dict; expected MqttSettings"),
        ({"mqtt": MqttSettings(protocol="5")}, "MQTT 5 without brokers: the embedded one speaks"),
        ({"offline": "yes"}, "offline is of type str; expected bool"),
        ({"offline": True, "brokers": ["mqtt://a"]}, "offline and brokers are both given"),
        ({"diversity": True}, "diversity is of type bool; expected float"),
        ({"diversity": 1}, "diversity is 1.0; expected 0 to 0.9"),
        ({"exploration_share": float("nan")}, "exploration_share is nan; expected 0 to 1"),
    ],
)
def test_what_a_home_must_not_be_made_with_is_named(
    wrong: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        NodeConfig(**({"home": tmp_path} | wrong))
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_configuration_that_is_printed_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brokers = ("mqtts://ann:secret@broker.example", "mqtt://other:1")
    config = NodeConfig(home=tmp_path, brokers=brokers, passphrase="secret")
    monkeypatch.setenv("TASTEMESH_BROKERS", ",".join(brokers))
    monkeypatch.setenv("TASTEMESH_PASSPHRASE", "secret")
    for shown in (
        repr(config),
        repr(load_configuration(tmp_path, {})),
        pretty_repr(config),
        str(open_node(config)),
    ):
        assert "secret" not in shown
    assert "brokers=('mqtts://broker.example', 'mqtt://other:1'), passphrase='…'" in repr(config)
    assert "passphrase=''" in repr(NodeConfig(home=tmp_path))


@pytest.mark.parametrize("home", ["", None, 5])
def test_a_node_is_opened_in_a_folder_that_is_named(home: Any) -> None:
    for opened in (open_node, open_node_sync):
        with pytest.raises(ConfigError, match=f"home is {home!r}; expected a folder"):
            opened(home)


@pytest.mark.parametrize(
    ("made", "wrong", "said"),
    [
        (Sharing, {"private_kinds": "skip"}, "private_kinds is of type str; expected tuple[str"),
        (Sharing, {"private_kinds": (5,)}, "private_kinds is of type tuple; expected tuple[str"),
        (Sharing, {"least_holders": "3"}, "least_holders is of type str; expected int"),
        (Sharing, {"nothing": "no"}, "nothing is of type str; expected bool"),
        (MqttSettings, {"keepalive_s": None}, "keepalive_s is of type NoneType; expected int"),
        (MqttSettings, {"answer_s": float("nan")}, "answer_s must be above 0"),
        (TlsFiles, {"ca_file": "ca.pem"}, "ca_file is of type str; expected pathlib.Path | None"),
    ],
)
def test_a_field_of_another_type_is_named(
    made: type[msgspec.Struct], wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        made(**wrong)
    assert said in str(caught.value)


def test_a_list_does_for_a_tuple(tmp_path: Path) -> None:
    kinds: Any = ["skip"]
    assert Sharing(private_kinds=kinds) == Sharing(private_kinds=("skip",))
    assert NodeConfig(home=tmp_path, diversity=0).diversity == 0.0


def test_a_home_is_a_folder_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert NodeConfig(home=Path("~/ann")).home == tmp_path / "ann"
    written: Any = "~/ann"  # as `open_node` takes it
    assert NodeConfig(home=written).home == tmp_path / "ann"


async def test_a_window_that_could_not_be_opened_is_not_locked(tmp_path: Path) -> None:
    """As long as this process lives, it would be said to be in use by another one."""
    failed = 0
    for byte_count in range(49_152, 98_304, 2_048):  # each step of making it meets a full disk
        config = NodeConfig(home=tmp_path / str(byte_count))
        config.home.mkdir()
        try:
            with full_at(byte_count):
                store = await open_window(config, [])
        except StorageError:
            failed += 1
            store = await open_window(config, [])
        await store.close()
    assert failed > 3


@pytest.mark.broker
@pytest.mark.parametrize(("statements", "warnings"), [(200_000, 1), (20_000, 0)])
async def test_a_bound_that_a_full_window_can_pass_is_told_at_the_start(
    statements: int, warnings: int, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    """Past it nothing is stored, which is late to learn of it."""
    settings = {
        "TASTEMESH_BROKERS": nats_broker.url,
        "TASTEMESH_HTTP_PORT": "0",
        "TASTEMESH_DISK_MB": "64",
        "TASTEMESH_WINDOW_STATEMENTS": str(statements),
    }
    async with running(tmp_path / "home", **settings) as daemon:
        told = [json.loads(line) for line in daemon.log]
    assert [each["window_statements"] for each in told if "disk bound" in each["event"]] == [
        statements
    ] * warnings
