"""Where a broker is and how to get in: broker URLs and TLS files."""

import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from tastemesh.errors import ConfigError
from tastemesh.node.field_types import check_field_types

# Registered with IANA: mqtt and secure-mqtt.
DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


class BrokerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed broker URL. Its text form never shows the password.

    Attributes:
        host: name or IP address.
        port: 1 to 65535.
        secure: TLS, for `mqtts://`.
        username: or None. Over `mqtt://` the password travels in the clear.
        password: or None.
    """

    host: str
    port: int
    secure: bool = False
    username: str | None = None
    password: str | None = None

    @property
    def name(self) -> str:
        """`host:port`, which events, status and metrics call this broker."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'mqtts' if self.secure else 'mqtt'}://{self.name}"

    def __repr__(self) -> str:
        return f"BrokerAddress({str(self)!r})"


class _TlsSocket(ssl.SSLSocket):
    """A socket that a failed handshake closes; paho-mqtt leaves it to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """PEM files for `mqtts://`; a path that is not absolute starts at the folder of this moment.

    Attributes:
        ca_file: whom to trust in place of the system's authorities.
        certificate_file: our own certificate chain, where the broker asks for one.
        key_file: its key, unless the certificate's file holds it.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        check_field_types(self)
        for name in self.__struct_fields__:
            file: Path | None = getattr(self, name)
            if file:  # they are read again, and the process may change its folder
                msgspec.structs.force_setattr(self, name, file.absolute())

    def context(self) -> ssl.SSLContext:
        """Read the files.

        Returns:
            A context that verifies the broker's certificate and host name, TLS 1.2 at least.

        Raises:
            ConfigError: a file is missing or is not what its name says.
        """
        if self.key_file and not self.certificate_file:
            raise ConfigError(f"TLS key_file {self.key_file} needs a certificate_file beside it")
        for path in (self.ca_file, self.certificate_file, self.key_file):
            if path and not path.is_file():
                raise ConfigError(f"TLS file {path} does not exist")
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ValueError) as error:
            raise ConfigError(f"TLS ca_file {self.ca_file} holds no certificate: {error}") from None
        context.sslsocket_class = _TlsSocket
        if self.certificate_file:
            try:
                # An empty password: never stop to ask for one on the terminal.
                context.load_cert_chain(self.certificate_file, self.key_file, password="")
            except (OSError, ValueError) as error:
                raise ConfigError(
                    f"TLS certificate_file {self.certificate_file} and key_file {self.key_file} "
                    f"are not an unencrypted PEM certificate and its key: {error}"
                ) from None
        return context


def parse_broker_url(url: str) -> BrokerAddress:
    """Parse `mqtt://[user:password@]host[:port]` or `mqtts://…`.

    Percent escapes in user and password are resolved.

    Args:
        url: the URL.

    Returns:
        The address; the port is 1883, or 8883 for `mqtts`, where none is given.

    Raises:
        ConfigError: names the part that is wrong; a password is not repeated in the text.

    >>> parse_broker_url("mqtts://ann:s%40fe@broker.example").name
    'broker.example:8883'
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"broker URL {redacted(url)!r} is malformed: {error}") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise ConfigError(
            f"broker URL {redacted(url)!r} must start with mqtt:// or mqtts://, "
            f"not with {parts.scheme!r}"
        )
    if not parts.hostname or any(blank in parts.hostname for blank in " \t"):
        raise ConfigError(f"broker URL {redacted(url)!r} names no host")
    if port == 0:
        raise ConfigError(f"broker URL {redacted(url)!r}: port must be 1 to 65535, not 0")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigError(f"broker URL {redacted(url)!r} must end after host and port")
    if parts.password is not None and not parts.username:
        raise ConfigError(f"broker URL {redacted(url)!r} has a password and no user")
    return BrokerAddress(
        host=parts.hostname,
        port=port or DEFAULT_PORTS[parts.scheme],
        secure=parts.scheme == "mqtts",
        username=unquote(parts.username) if parts.username else None,
        password=None if parts.password is None else unquote(parts.password),
    )


def redacted(url: str) -> str:
    """Return a URL, or what was meant for one, without what stands before an @.

    >>> redacted("mqtts://ann:s%40fe@broker.example")
    'mqtts://broker.example'
    """
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url.rpartition("@")[2]
