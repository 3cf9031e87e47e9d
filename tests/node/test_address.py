"""Broker URLs and TLS files: what is accepted, and what errors name."""

from pathlib import Path

import pytest

from tastemesh.errors import ConfigError
from tastemesh.node.address import BrokerAddress, TlsFiles, parse_broker_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://h", BrokerAddress(host="h", port=1883)),
        ("mqtts://h/", BrokerAddress(host="h", port=8883, secure=True)),
        ("MQTT://Host.Example:99", BrokerAddress(host="host.example", port=99)),
        ("mqtt://[::1]:99", BrokerAddress(host="::1", port=99)),
        ("mqtt://u@h", BrokerAddress(host="h", port=1883, username="u")),
        (
            "mqtt://u%40x:p%3A%2F@h:1",
            BrokerAddress(host="h", port=1, username="u@x", password="p:/"),
        ),
    ],
)
def test_urls(url: str, expected: BrokerAddress) -> None:
    assert parse_broker_url(url) == expected


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("", "must start with mqtt:// or mqtts://, not with ''"),
        ("localhost:1883", "not with 'localhost'"),
        ("http://h", "not with 'http'"),
        ("mqtt://", "names no host"),
        ("mqtt://:1883", "names no host"),
        ("mqtt://a b", "names no host"),
        ("mqtt://h:port", "malformed"),
        ("mqtt://h:65536", "malformed"),
        ("mqtt://h:0", "1 to 65535, not 0"),
        ("mqtt://[::1", "malformed"),
        ("mqtt://h/topic", "end after host and port"),
        ("mqtt://h?x=1", "end after host and port"),
        ("mqtt://:secret@h", "password and no user"),
    ],
)
def test_wrong_urls_are_named(url: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_broker_url(url)
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)


def test_tls_files_are_found_again_where_the_process_has_changed_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    monkeypatch.chdir(tmp_path)
    files = TlsFiles(ca_file=Path("junk.pem"))
    monkeypatch.chdir("/")
    with pytest.raises(ConfigError, match=r"junk\.pem holds no certificate"):
        files.context()


def test_no_text_form_shows_the_password() -> None:
    address = parse_broker_url("mqtts://ann:secret@h:1")
    assert str(address) == "mqtts://h:1"
    assert repr(address) == "BrokerAddress('mqtts://h:1')"
    assert parse_broker_url("mqtt://[::1]:7").name == "[::1]:7"


def test_wrong_tls_files_are_named(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("not a certificate")
    for files, text in (
        (TlsFiles(ca_file=tmp_path / "missing.pem"), "missing.pem does not exist"),
        (TlsFiles(ca_file=junk), "junk.pem holds no certificate"),
        (TlsFiles(certificate_file=junk), "junk.pem"),
        (TlsFiles(key_file=junk), "needs a certificate_file"),
    ):
        with pytest.raises(ConfigError, match=text):
            files.context()
    assert TlsFiles().context().check_hostname
