"""What a node needs to be told, as plain values: for applications that embed one.

The daemon fills these from TOML, environment and flags (`tastemesh.node.config`).
"""

from pathlib import Path
from typing import Any

import msgspec

from tastemesh.errors import ConfigError
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.topics import check_network
from tastemesh.node.address import parse_broker_url, redacted
from tastemesh.node.field_types import check_field_types
from tastemesh.node.mqtt_settings import MqttSettings
from tastemesh.node.sharing import Sharing
from tastemesh.ranking.diversity import STRENGTH_MAX

# Where `tastemesh broker` and an embedded broker listen unless told otherwise. Not MQTT's own 1883,
# where a broker for the household's lamps may well be running already.
BROKER_PORT = 18830
EMBEDDED_BROKER_URL = f"mqtt://127.0.0.1:{BROKER_PORT}"

# 1 GiB: a full window of 200,000 statements in records of one takes about 80 MB with its indexes,
# so this is room for growth and a bound that a small card can afford.
DISK_BYTES = 1024**3


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One node's configuration.

    Attributes:
        home: folder of keys and window, `~` your own; made when missing.
        network: which network to take part in; 1 to 32 of a-z, 0-9, `-`, `_`.
        brokers: MQTT URLs, `mqtt://[user:password@]host[:port]` or `mqtts://…`; none means the
            embedded broker on loopback: one that runs there already, or else this node starts it.
        offline: no broker at all, not the embedded one either: the node serves its own users among
            themselves. Once it is off, others get what the window still has, and is not private.
        passphrase: opens the key files; empty for unencrypted ones.
        limits: wire and local limits.
        disk_bytes: hard bound on the database.
        sharing: what of the users' interactions may be published; all of them by default.
        mqtt: how brokers are spoken to: TLS files, protocol version, queues.
        diversity: how much entries of a list that the same people hold get in each other's way, 0
            to .9; see `tastemesh.ranking.diversity` for what that does to the Sybil bound.
        exploration_share: of the list of a user who endorses somebody, how much may be filled with
            what no trust anchors, in slots marked `unverified`, 0 to 1.
    """

    home: Path
    network: str = "main"
    brokers: tuple[str, ...] = ()
    passphrase: str = ""
    limits: Limits = Limits()
    disk_bytes: int = DISK_BYTES
    mqtt: MqttSettings = MqttSettings()
    sharing: Sharing = Sharing()
    diversity: float = 0.0
    exploration_share: float = 0.0
    offline: bool = False

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what may be shown: the passphrase and the brokers' passwords never."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        shown["brokers"] = tuple(map(redacted, self.brokers))
        shown["passphrase"] = self.passphrase and "…"
        return list(shown.items())

    def __repr__(self) -> str:
        """As `__rich_repr__`: configurations end in logs and in reports of errors."""
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"NodeConfig({shown})"

    def __post_init__(self) -> None:
        """Refuse what a home must not be made with, before there is one.

        Raises:
            UsageError: a field is not what it is to be.
        """
        try:
            # Empty it would be the folder that one is in; no file's name has a NUL in it.
            if not str(self.home) or "\0" in str(self.home):
                raise TypeError
            home = Path(self.home).expanduser()
        except (TypeError, RuntimeError):  # no path; a `~name` of nobody
            raise ConfigError(f"home is {self.home!r}; expected a folder") from None
        msgspec.structs.force_setattr(self, "home", home)
        if not isinstance(self.network, str):
            raise ConfigError(f"network is {self.network!r}; expected text")
        check_network(self.network)
        if isinstance(self.brokers, str):
            raise ConfigError(f"brokers is {self.brokers!r}; expected several URLs: a tuple")
        check_field_types(self)
        for url in self.brokers:
            parse_broker_url(url)
        if self.offline and self.brokers:
            raise ConfigError("offline and brokers are both given; expected one of them")
        if self.mqtt.protocol == "5" and not (self.brokers or self.offline):  # tried for ever
            raise ConfigError("MQTT 5 without brokers: the embedded one speaks 3.1.1; name another")
        for name, most in (("diversity", STRENGTH_MAX), ("exploration_share", 1)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ConfigError(f"{name} is {value}; expected 0 to {most}")
