"""`MqttTransport` against the conformance kit, and what is MQTT's own."""

import asyncio
import gc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiomqtt
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tastemesh.errors import ConfigError
from tastemesh.node.address import TlsFiles
from tastemesh.node.mqtt import MqttTransport
from tastemesh.node.mqtt_settings import MqttSettings
from tastemesh.node.transport import Connected, Disconnected, Dropped, Event, Message, Transport
from tests.brokers import (
    BrokerProcess,
    free_port,
    mosquitto_command,
    mosquitto_program,
    nats_command,
)
from tests.node.transport_conformance import DEADLINE_S, Client, TransportConformance

pytestmark = pytest.mark.broker

# Small, so that tests of reconnection are quick.
QUICK = {"backoff_base_s": 0.02, "backoff_cap_s": 0.2}


def make_mqtt(*urls: str, client_id: str = "a", **settings: object) -> MqttTransport:
    return MqttTransport(
        urls,
        client_id=client_id,
        settings=MqttSettings(**(QUICK | settings)),  # type: ignore[arg-type]
        rng=np.random.default_rng(7),
    )


class TestMqtt311(TransportConformance):
    def make(self, *urls: str, client_id: str = "a", **settings: object) -> Transport:
        return make_mqtt(*urls, client_id=client_id, **settings)


class TestMqtt5(TransportConformance):
    """The same over MQTT 5, which NATS does not speak."""

    @pytest.fixture
    def any_broker(self, mosquitto_broker: BrokerProcess) -> BrokerProcess:
        return mosquitto_broker

    def make(self, *urls: str, client_id: str = "a", **settings: object) -> Transport:
        return make_mqtt(*urls, client_id=client_id, protocol="5", **settings)

    async def test_our_own_payloads_do_not_come_back(self, any_broker: BrokerProcess) -> None:
        async with (
            self.client(any_broker.url, "a", "t") as a,
            self.client(any_broker.url, "b") as b,
        ):
            await a.connected()
            a.transport.publish("t", b"own")
            await a.drain()
            b.transport.publish("t", b"foreign")
            await a.until_payloads(b"foreign")
            assert a.payloads == [b"foreign"]


async def test_mqtt_5_on_a_broker_without_it_is_told(nats_broker: BrokerProcess) -> None:
    async with Client(make_mqtt(nats_broker.url, protocol="5")) as a:
        await a.until_count(Disconnected, 2)
        assert not a.of(Connected)


async def comes_again(url: str) -> None:
    async with Client(make_mqtt(url)) as a, Client(make_mqtt(url, client_id="b"), "t") as b:
        await b.connected()
        a.transport.publish("t", b"committed")
        await b.until_payloads(b"committed")
        a.transport.publish("t", b"not yet")
        found: list[Event] = []
        while not any(isinstance(event, Message) for event in found):
            found += await b.transport.events()  # and then it crashes
    async with Client(make_mqtt(url, client_id="b"), "t") as b:
        await b.until_payloads(b"not yet")
        assert b.payloads == [b"not yet"]
        (message,) = (event for event in found if isinstance(event, Message))
        b.transport.acknowledge(message)  # of a session that is over
        assert not b.of(Disconnected)


async def test_what_was_not_acknowledged_comes_again(mosquitto_broker: BrokerProcess) -> None:
    await comes_again(mosquitto_broker.url)


async def test_what_was_not_acknowledged_comes_again_from_nats(tmp_path: Path) -> None:
    """After a time, 30 s by default, whether the client came back or never left."""
    port = free_port()
    command = nats_command(tmp_path, port, mqtt={"ack_wait": "1s"})
    async with BrokerProcess("nats", command, port, tmp_path / "log") as broker:
        await comes_again(broker.url)


async def test_mqtt_5_payloads_expire_and_windows_are_told_and_heeded(
    mosquitto_broker: BrokerProcess,
) -> None:
    async with (
        aiomqtt.Client(
            "127.0.0.1", mosquitto_broker.port, protocol=aiomqtt.ProtocolVersion.V5
        ) as reader,
        Client(make_mqtt(mosquitto_broker.url, protocol="5", message_expiry_s=77)) as a,
    ):
        await reader.subscribe("t")
        a.transport.publish("t", b"x")
        message = await anext(aiter(reader.messages))
        assert message.properties is not None
        assert vars(message.properties)["MessageExpiryInterval"] <= 77

    heard = bytearray()

    async def take_one_at_a_time(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        heard.extend(await reader.read(4096))
        writer.write(b"\x20\x06\x00\x00\x03\x21\x00\x01")  # CONNACK, receive maximum 1
        while chunk := await reader.read(4096):
            heard.extend(chunk)
        writer.close()

    server = await asyncio.start_server(take_one_at_a_time, "127.0.0.1", 0)
    async with server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings: dict[str, Any] = {"protocol": "5", "receive_count": 5, "acknowledgement_s": 0.2}
        async with Client(make_mqtt(url, **settings)) as a:
            for number in range(3):
                a.transport.publish("t", b"payload %d" % number)
            await a.until_count(Disconnected, 1)
    assert b"\x21\x00\x05" in heard  # CONNECT has our receive maximum
    assert b"payload 0" in heard
    assert b"payload 1" not in heard


async def test_a_wrong_password_is_told_without_the_password(tmp_path: Path) -> None:
    port = free_port()
    command = nats_command(
        tmp_path, port, authorization={"users": [{"user": "ann", "password": "s@fe:/"}]}
    )
    async with BrokerProcess("nats", command, port, tmp_path / "log", open=False):
        async with Client(make_mqtt(f"mqtt://ann:wrong-one@127.0.0.1:{port}")) as a:
            await a.until_count(Disconnected, 1)
            reason = a.of(Disconnected)[0].reason
            assert reason.startswith(f"mqtt://127.0.0.1:{port}: cannot connect: ")
            assert "authori" in reason.lower()
            assert "wrong-one" not in reason
        async with Client(make_mqtt(f"mqtt://ann:s%40fe%3A%2F@127.0.0.1:{port}")) as a:
            await a.connected()


async def test_a_refused_subscription_is_told(tmp_path: Path) -> None:
    port = free_port()
    user = {
        "user": "ann",
        "password": "x",
        "permissions": {"subscribe": {"allow": ["ours", "$MQTT.>"]}},
    }
    command = nats_command(tmp_path, port, authorization={"users": [user]})
    url = f"mqtt://ann:x@127.0.0.1:{port}"
    async with (
        BrokerProcess("nats", command, port, tmp_path / "log", open=False),
        Client(make_mqtt(url), "ours", "theirs") as a,
    ):
        await a.until_count(Disconnected, 2)
        assert "subscription refused: 'theirs' (code 0x80)" in a.of(Disconnected)[0].reason
        assert not a.of(Connected)
        assert not a.status.connected
        a.transport.subscribe(["ours"])
        await a.connected()


@pytest.fixture
async def mute_port() -> AsyncIterator[int]:
    """A server that takes connections and never says a word."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_leaving_does_not_wait_for_a_mute_broker(mute_port: int) -> None:
    loop = asyncio.get_running_loop()
    before_s = loop.time()
    async with Client(make_mqtt(f"mqtt://127.0.0.1:{mute_port}")):
        pass
    assert loop.time() - before_s < 5


async def serve_garbage(answer: bytes) -> asyncio.Server:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1024)
            writer.write(answer)
            await writer.drain()
            await reader.read()
            writer.close()
        except OSError:
            pass

    return await asyncio.start_server(speak, "127.0.0.1", 0)


CONNACK = b"\x20\x02\x00\x00"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x02\x00\x05",
        CONNACK + b"\x30\x03\x00\x09t",  # topic longer than its packet
        CONNACK + b"\xff\xff\xff\xff\xff\xff",  # length that never ends
        CONNACK + b"\x90\x03\xff\xff\x00" + b"\x40\x02\x12\x34" + b"\x00\x00",
        CONNACK + b"\xf0\x00",  # a type that does not exist
    ],
)
async def test_a_broker_that_talks_nonsense_is_left_and_tried_again(answer: bytes) -> None:
    server = await serve_garbage(answer)
    async with server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Client(make_mqtt(url, answer_s=0.3), "t") as a:
            await a.until_count(Disconnected, 2)


async def test_a_broker_that_hangs_up_at_once_is_no_error_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(CONNACK)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Client(make_mqtt(url)) as a:
            await a.until_count(Disconnected, 5)
    gc.collect()  # an exception that nobody looked at is logged when it goes
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []


async def test_a_connection_that_is_lost_again_and_again_is_told_while_it_stands() -> None:
    ending: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ending.append(writer)
        await reader.read(1024)
        writer.write(CONNACK)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Client(make_mqtt(url)) as a:
            for count in range(1, 5):
                await a.until_count(Connected, count)
                assert (a.status.connected, a.status.reason) == (True, "")
                assert a.status.lost_count == count - 1
                if count < 4:
                    ending.pop().close()
                    await a.until_count(Disconnected, count)
            assert "closed the connection" in a.status.last_loss
        ending.pop().close()


async def test_a_socket_that_is_closed_before_it_is_written_to_is_no_error_in_the_log(
    mosquitto_broker: BrokerProcess,
) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    transport = make_mqtt(mosquitto_broker.url)
    async with Client(transport) as a:
        await a.connected()
        paho = transport._links[transport.brokers[0]]._client
        assert paho is not None
        paho.publish("t", b"too late", 1)
        paho._sock_close()  # as where the reader finds in the same turn that the broker is gone
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert told == []


async def test_two_clients_of_one_name_are_told_so(mosquitto_broker: BrokerProcess) -> None:
    elsewhere = mosquitto_broker.url.replace("127.0.0.1", "localhost")
    async with Client(make_mqtt(mosquitto_broker.url, elsewhere)) as a:
        await a.until_count(Disconnected, 3)
    assert any("under this node's name" in each.reason for each in a.of(Disconnected))
    assert "Unspecified" not in "".join(each.reason for each in a.of(Disconnected))


async def test_a_topic_that_is_not_utf8_costs_one_message_and_no_connection() -> None:
    """Unacknowledged, it would come again after each reconnection."""
    bad = b"\x32\x0a\x00\x04t/\xff\xfe\x00\x01hi"  # PUBLISH, QoS 1, id 1
    good = b"\x32\x09\x00\x03t/a\x00\x02hi"
    server = await serve_garbage(CONNACK + bad + good)
    async with server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Client(make_mqtt(url)) as a:
            await a.until_count(Message, 1)
            assert [event.count for event in a.of(Dropped)] == [1]
            assert not a.of(Disconnected)


async def test_a_broker_that_never_acknowledges_is_left() -> None:
    server = await serve_garbage(CONNACK)
    async with server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Client(make_mqtt(url, acknowledgement_s=0.1)) as a:
            a.transport.publish("t", b"anybody?")
            await a.until_count(Disconnected, 2)
            assert "no acknowledgement for 0.1 s" in a.of(Disconnected)[0].reason
            assert a.status.waiting_count == 1


def key_usage(*, sign_others: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_others,
        key_cert_sign=sign_others,
        crl_sign=sign_others,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def make_certificates(folder: Path) -> None:
    """Write ca.pem, and server.pem and client.pem signed by it, each with its key.

    They say all that Python 3.13 and newer ask of a certificate.
    """
    now = datetime.now(UTC)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    for name in ("ca", "server", "client"):
        key = ca_key if name == "ca" else ec.generate_private_key(ec.SECP256R1())
        subject = (
            ca_name if name == "ca" else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
                critical=False,
            )
            .add_extension(key_usage(sign_others=name == "ca"), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
                critical=False,
            )
            .sign(ca_key, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )


async def test_tls_verifies_both_ends(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    port = free_port()
    files = {name: str(tmp_path / name) for name in ("ca.pem", "server.pem", "server.key")}
    tls = {
        "cert_file": files["server.pem"],
        "key_file": files["server.key"],
        "ca_file": files["ca.pem"],
        "verify": True,
    }
    command = nats_command(tmp_path, port, mqtt={"tls": tls})
    url = f"mqtts://127.0.0.1:{port}"
    ca_file = tmp_path / "ca.pem"
    ours = TlsFiles(
        ca_file=ca_file,
        certificate_file=tmp_path / "client.pem",
        key_file=tmp_path / "client.key",
    )
    async with BrokerProcess("nats", command, port, tmp_path / "log", open=False):
        async with Client(make_mqtt(url, tls=ours), "t") as a:
            await a.connected()
            a.transport.publish("t", b"x" * 65_536)
            await a.until_count(Message, 1)
        async with Client(make_mqtt(url)) as a:  # the system's authorities do not know this one
            await a.until_count(Disconnected, 1)
            assert "certificate verify failed" in a.of(Disconnected)[0].reason
        async with Client(make_mqtt(url, tls=TlsFiles(ca_file=ca_file), answer_s=1.0)) as a:
            await a.until_count(Disconnected, 1)  # no certificate of our own
            assert not a.of(Connected)


async def test_tls_files_that_were_renewed_are_used_from_the_next_connection_on(
    tmp_path: Path,
) -> None:
    """A certificate lives for months at most, and a node for longer."""
    make_certificates(tmp_path)
    port = free_port()
    tls = {
        "cert_file": str(tmp_path / "server.pem"),
        "key_file": str(tmp_path / "server.key"),
        "ca_file": str(tmp_path / "ca.pem"),
        "verify": True,
    }
    command = nats_command(tmp_path, port, mqtt={"tls": tls})
    ours = TlsFiles(
        ca_file=tmp_path / "ca.pem",
        certificate_file=tmp_path / "client.pem",
        key_file=tmp_path / "client.key",
    )
    async with (
        BrokerProcess("nats", command, port, tmp_path / "log", open=False) as broker,
        Client(make_mqtt(f"mqtts://127.0.0.1:{port}", tls=ours)) as a,
    ):
        await a.connected()
        await broker.kill()
        (tmp_path / "client.pem").write_text("half a")  # while it is written anew
        async with asyncio.timeout(DEADLINE_S):
            while not any("client.pem" in lost.reason for lost in a.of(Disconnected)):
                await a.take()
        make_certificates(tmp_path)  # by another authority, too
        await broker.start()
        await a.until_count(Connected, 2)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_mosquitto_with_tls_certificates_passwords_and_an_acl(
    tmp_path: Path, protocol: str
) -> None:
    if mosquitto_program() is None:
        pytest.skip("mosquitto is not installed: it is the second broker that these tests run on")
    make_certificates(tmp_path)
    port = free_port()
    passwords, acl = tmp_path / "passwords", tmp_path / "acl"
    for flags, user, password in ((["-c"], "ann", "s@fe:/"), ([], "eve", "x")):
        made = await asyncio.create_subprocess_exec(
            "mosquitto_passwd", *flags, "-b", passwords, user, password
        )
        assert await made.wait() == 0
    acl.write_text("user ann\ntopic readwrite tastemesh/1/main/#\n")
    command = mosquitto_command(
        tmp_path,
        port,
        f"cafile {tmp_path}/ca.pem\ncertfile {tmp_path}/server.pem\nkeyfile {tmp_path}/server.key\n"
        f"require_certificate true\npassword_file {passwords}\nacl_file {acl}\n",
        anonymous=False,
    )
    files = TlsFiles(
        ca_file=tmp_path / "ca.pem",
        certificate_file=tmp_path / "client.pem",
        key_file=tmp_path / "client.key",
    )
    url = f"mqtts://ann:s%40fe%3A%2F@127.0.0.1:{port}"
    hers = f"mqtts://eve:x@127.0.0.1:{port}"
    ours: dict[str, Any] = {"protocol": protocol, "tls": files}
    async with BrokerProcess("mosquitto", command, port, tmp_path / "log", open=False):
        async with (
            Client(make_mqtt(url, **ours), "tastemesh/1/main/r/+") as a,
            Client(make_mqtt(url, client_id="b", **ours)) as b,
            Client(make_mqtt(hers, client_id="eve", **ours), "tastemesh/1/main/r/+") as eve,
        ):
            await a.connected()
            await eve.connected()  # mosquitto grants it all the same, and then delivers nothing
            eve.transport.publish("tastemesh/1/main/r/7", b"not allowed")
            await eve.drain()
            b.transport.publish("tastemesh/1/main/r/7", b"x" * 65_536)
            await a.until_payloads(b"x" * 65_536)
            assert len(a.payloads) == 1
            assert eve.status.received_count == 0
        async with Client(make_mqtt(f"mqtts://ann:wrong@127.0.0.1:{port}", **ours)) as a:
            await a.until_count(Disconnected, 1)
            assert "not authori" in a.of(Disconnected)[0].reason.lower()
        async with Client(
            make_mqtt(url, **ours | {"tls": TlsFiles(ca_file=files.ca_file), "answer_s": 1.0})
        ) as a:
            await a.until_count(Disconnected, 1)  # no certificate of our own
            assert not a.of(Connected)


def test_wrong_settings_are_named() -> None:
    url = "mqtt://127.0.0.1"
    for make, text in (
        (lambda: make_mqtt("http://x"), "mqtt://"),
        (lambda: make_mqtt(), "at least one"),
        (lambda: make_mqtt(url, "mqtt://127.0.0.1:1883"), "more than once"),
        (lambda: make_mqtt(url, client_id="a.b"), "client_id 'a.b'"),
        (lambda: make_mqtt(url, window_count=0), "window_count must be above 0, not 0"),
        (lambda: make_mqtt(url, backoff_base_s=9), "backoff_base_s 9"),
        (lambda: MqttSettings(protocol="4"), "protocol '4'"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError, match=text):
            make()
