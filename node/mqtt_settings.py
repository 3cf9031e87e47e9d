"""How the MQTT transport behaves: one value, every default with its reason."""

from typing import Literal

import msgspec

from tastemesh.errors import ConfigError
from tastemesh.node.address import TlsFiles
from tastemesh.node.field_types import check_field_types


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of `MqttTransport`, the same for each of its brokers.

    Attributes:
        protocol: "3.1.1", which every broker speaks, or "5": no echo of our own payloads, what
            waits for absent nodes expires, and either side says how much it takes in flight.
        tls: files for `mqtts://` brokers.
        payload_bytes: largest payload either way, 64 KiB: the smallest cap among hosted brokers
            (p2p research, section 4). Larger ones that arrive are dropped and counted. Note that
            the MQTT library has buffered such a packet by then, and MQTT allows 256 MiB: a broker
            that means harm can cost that much memory.
        inbox_message_count: messages kept for the application, per broker, 8,192: two seconds of
            what one Python client can receive (measured, ecosystem research, section 1).
        inbox_bytes: their payloads, 16 MiB: 256 of the largest.
        outbox_message_count: payloads kept for one broker, 8,192 (guess: a batch a second
            through two hours of absence).
        outbox_bytes: their size, 16 MiB.
        window_count: payloads in flight, 20: mosquitto's default receive maximum, which paho
            does not heed by itself.
        keepalive_s: a silent connection is dead after 1.5 times this, 30 (guess: below common
            NAT timeouts of 60 s and more).
        answer_s: the broker's time to answer CONNECT and SUBSCRIBE, 10 (aiomqtt's default).
        acknowledgement_s: a payload unacknowledged for one to two times this ends the session,
            20 (guess).
        backoff_base_s: ceiling of the first wait before reconnecting, 0.5 (guess).
        backoff_cap_s: ceiling of all of them, 30 (guess).
        session_expiry_s: MQTT 5 only: how long the broker keeps our session, one day (guess).
            3.1.1 leaves that to the broker.
        message_expiry_s: MQTT 5 only: how long it keeps one payload for absent nodes, an hour: who
            is away for longer finds what he missed by reconciliation, for less (guess).
        receive_count: MQTT 5 only: payloads that it may have in flight to us, 256: as many of the
            largest as the inbox holds.
    """

    protocol: Literal["3.1.1", "5"] = "3.1.1"
    tls: TlsFiles = TlsFiles()
    payload_bytes: int = 64 * 1024
    inbox_message_count: int = 8_192
    inbox_bytes: int = 16 * 1024 * 1024
    outbox_message_count: int = 8_192
    outbox_bytes: int = 16 * 1024 * 1024
    window_count: int = 20
    keepalive_s: int = 30
    answer_s: float = 10.0
    acknowledgement_s: float = 20.0
    backoff_base_s: float = 0.5
    backoff_cap_s: float = 30.0
    session_expiry_s: int = 86_400
    message_expiry_s: int = 3_600
    receive_count: int = 256

    def __post_init__(self) -> None:
        if self.protocol not in ("3.1.1", "5"):
            raise ConfigError(f"MQTT protocol {self.protocol!r} must be '3.1.1' or '5'")
        check_field_types(self)
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int | float) and not value > 0:  # nor NaN
                raise ConfigError(f"MQTT {name} must be above 0, not {value}")
        if self.backoff_base_s > self.backoff_cap_s:
            raise ConfigError(
                f"MQTT backoff_base_s {self.backoff_base_s} must not exceed backoff_cap_s "
                f"{self.backoff_cap_s}"
            )
