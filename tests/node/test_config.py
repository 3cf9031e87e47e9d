"""Precedence, provenance, and what is refused in which words."""

from pathlib import Path

import pytest

from tastemesh.errors import ConfigError
from tastemesh.gossip.limits import DAY_MS
from tastemesh.node.config import Settings, load_configuration, template
from tastemesh.node.http.access import default_home
from tastemesh.node.settings import NodeConfig


def _home(tmp_path: Path, text: str) -> Path:
    (tmp_path / "config.toml").write_text(text)
    return tmp_path


def test_a_home_that_is_not_there_has_the_defaults_of_an_embedded_node(tmp_path: Path) -> None:
    loaded = load_configuration(tmp_path / "none", {}, {})
    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {"default"}
    assert loaded.node_config() == NodeConfig(home=tmp_path / "none")


def test_flags_beat_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    home = _home(tmp_path, 'network = "a"\nhttp_port = 1\ndisk_mb = 64\n')
    loaded = load_configuration(
        home,
        {"network": "c", "http_port": None, "brokers": []},
        {"TASTEMESH_NETWORK": "b", "TASTEMESH_HTTP_PORT": "2"},
    )
    assert (loaded.settings.network, loaded.sources["network"]) == ("c", "--network")
    assert (loaded.settings.http_port, loaded.sources["http_port"]) == (2, "TASTEMESH_HTTP_PORT")
    assert (loaded.settings.disk_mb, loaded.sources["disk_mb"]) == (64, f"{home}/config.toml")
    assert (loaded.settings.brokers, loaded.sources["brokers"]) == ((), "default")


@pytest.mark.parametrize(
    ("flags", "environ", "text"),
    [
        ({"brokers": ["mqtt://a", "mqtts://b:9"]}, {}, ""),
        ({}, {"TASTEMESH_BROKERS": "mqtt://a, mqtts://b:9,"}, ""),
        ({}, {}, 'brokers = ["mqtt://a", "mqtts://b:9"]'),
        ({}, {}, 'brokers = "mqtt://a,mqtts://b:9"'),
    ],
)
def test_brokers_are_a_list_or_separated_by_commas(
    tmp_path: Path, flags: dict[str, object], environ: dict[str, str], text: str
) -> None:
    loaded = load_configuration(_home(tmp_path, text), flags, environ)
    assert loaded.settings.brokers == ("mqtt://a", "mqtts://b:9")


def test_a_node_is_offline_only_without_brokers(tmp_path: Path) -> None:
    stated = "offline = true\nmqtt_version = 5\n"  # which is of no account then
    for environ, text in (({"TASTEMESH_OFFLINE": "true"}, ""), ({}, stated)):
        config = load_configuration(_home(tmp_path, text), {}, environ).node_config()
        assert (config.offline, config.brokers) == (True, ())
    assert load_configuration(tmp_path, {}, {"TASTEMESH_OFFLINE": "0"}).settings.offline is False
    with pytest.raises(ConfigError) as caught:
        load_configuration(tmp_path, {"brokers": ["mqtt://a"]}, {})
    assert f"offline from {tmp_path}/config.toml and brokers from --broker" in str(caught.value)


@pytest.mark.parametrize("written", ["5", '"5"'])
def test_the_version_five_is_a_number_or_a_text(written: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f"mqtt_version = {written}\n")
    assert load_configuration(tmp_path, environ={}).settings.mqtt_version == "5"
    (tmp_path / "config.toml").write_text("mqtt_version = 4\n")
    with pytest.raises(ConfigError, match=r"is '?4'?; expected 3\.1\.1, .* or 5"):
        load_configuration(tmp_path, environ={})


def test_a_file_that_windows_editor_wrote_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbfhttp_port = 7\r\nnetwork = 'lab'\r\n")
    settings = load_configuration(tmp_path, {}, {}).settings
    assert (settings.http_port, settings.network) == (7, "lab")


def test_units_are_those_of_the_node(tmp_path: Path) -> None:
    home = _home(tmp_path, "disk_mb = 32\nwindow_statements = 5000\nwindow_days = 7\n")
    config = load_configuration(home, {}, {}).node_config()
    assert config.disk_bytes == 32 * 1024 * 1024
    assert config.limits.window_statement_count == 5000
    assert config.limits.window_age_ms == 7 * DAY_MS


def test_lists_can_be_varied_and_hold_marked_finds(tmp_path: Path) -> None:
    settings = {"diversity": "0.3", "exploration_share": "0.2"}
    config = load_configuration(_home(tmp_path, ""), settings, {}).node_config()
    assert (config.diversity, config.exploration_share) == (0.3, 0.2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("htpp_port = 1", "unknown setting 'htpp_port'; the nearest is 'http_port'"),
        ("home = 'x'", "unknown setting 'home'; expected one of network, brokers, http_port"),
        ("http_port = 65536", "is 65536; expected a port from 1 to 65535"),
        ('http_port = "8765"', "is '8765'; expected a port"),
        ("log_level = 'loud'", "expected debug, info, warning or error"),
        ("network = 'Main'", "network 'Main'; expected 1 to 32"),
        ("brokers = ['http://a']", "must start with mqtt://"),
        ("brokers = [1]", "expected MQTT URLs"),
        ("offline = 'maybe'", "is 'maybe'; expected true: no broker at all"),
        ("disk_mb = 31", "expected the database's bound in MiB, 32 to"),
        ("private_kinds = ['Bad Kind']", "kind 'Bad Kind'; expected 1 to 32 of a-z, 0-9 and -"),
        ("diversity = 1", "expected how varied lists are, 0 to 0.9"),
        ("exploration_share = -0.1", "expected share of a list, 0 to 1"),
        ("passphrase = 'x'", "TASTEMESH_PASSPHRASE"),
        ("network = ", "is not valid TOML"),
        ("[network]", "expected a name"),
    ],
)
def test_a_wrong_file_is_named_with_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_configuration(_home(tmp_path, text), {}, {})
    assert said in str(caught.value)
    assert str(tmp_path / "config.toml") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TASTEMESH_HTTP_PORT", "x", "http_port from TASTEMESH_HTTP_PORT is 'x'; expected a port"),
        ("TASTEMESH_BROKER", "mqtt://a", "TASTEMESH_BROKER; the nearest is TASTEMESH_BROKERS"),
        ("TASTEMESH_NETWORK", "a/b", "network from TASTEMESH_NETWORK"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_configuration(tmp_path, {}, {name: value})
    assert said in str(caught.value)


def test_variables_that_container_platforms_set_are_left_alone(tmp_path: Path) -> None:
    environ = {"TASTEMESH_PORT": "tcp://10.0.0.1:80", "TASTEMESH_SERVICE_HOST": "10.0.0.1"}
    assert load_configuration(tmp_path, {}, environ).settings == Settings()


def test_a_broker_password_is_not_repeated(tmp_path: Path) -> None:
    for wrong in ("mqtt://ann:secret@host:0", "ftp://ann:secret@host"):
        with pytest.raises(ConfigError) as caught:
            load_configuration(tmp_path, {"brokers": [wrong]}, {})
        assert "secret" not in str(caught.value)


def test_the_passphrase_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "phrase"
    file.write_text("correct horse\nsecond line\n")
    from_file = load_configuration(tmp_path, {}, {"TASTEMESH_PASSPHRASE_FILE": str(file)})
    assert from_file.node_config().passphrase == "correct horse"
    assert "correct" not in repr(from_file)
    from_variable = load_configuration(tmp_path, {}, {"TASTEMESH_PASSPHRASE": "battery"})
    assert from_variable.passphrase == "battery"
    with pytest.raises(ConfigError, match="both"):
        load_configuration(
            tmp_path,
            {},
            {"TASTEMESH_PASSPHRASE": "x", "TASTEMESH_PASSPHRASE_FILE": str(file)},
        )


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff"])
def test_a_passphrase_file_without_a_passphrase_is_refused(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "phrase"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match="passphrase_file from TASTEMESH_PASSPHRASE_FILE"):
        load_configuration(tmp_path, {}, {"TASTEMESH_PASSPHRASE_FILE": str(file)})


def test_the_template_puts_in_force_what_was_stated_and_nothing_else(tmp_path: Path) -> None:
    settings = Settings(network="lab", brokers=("mqtt://a", "mqtt://b"), http_port=1)
    home = _home(tmp_path, template(settings, ("network", "brokers")))
    loaded = load_configuration(home, {}, {})
    assert loaded.settings == Settings(network="lab", brokers=("mqtt://a", "mqtt://b"))


def test_every_line_of_the_template_is_a_valid_setting(tmp_path: Path) -> None:
    home = _home(tmp_path, template(Settings(), Settings.__struct_fields__))
    assert load_configuration(home, {}, {}).settings == Settings()


def test_the_home_is_the_variable_or_the_platform_folder() -> None:
    assert default_home({"TASTEMESH_HOME": "/srv/taste"}) == Path("/srv/taste")
    assert default_home({}).name == "tastemesh"
