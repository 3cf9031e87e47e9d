"""The daemon's settings: `home/config.toml`, the environment, flags.

Precedence: flag > `TASTEMESH_…` variable > file > default, and each value keeps its provenance, so
that an error, or a listing of the configuration, can say where a value came from. msgspec and
tomllib do it: pydantic-settings merges its sources before a value's origin can be asked for, and
importing it took 330 ms against 75 ms (measured), which each command would pay.

Unknown names are refused with the nearest known one, or all where none is near. In the environment
only those are that look like a misspelling: container platforms put `TASTEMESH_PORT` and the like
there by themselves.
"""

import json
import os
import tomllib
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta

from tastemesh.errors import ConfigError, UsageError
from tastemesh.gossip.limits import DAY_MS, Limits
from tastemesh.gossip.topics import check_network
from tastemesh.node.address import TlsFiles, parse_broker_url, redacted
from tastemesh.node.http.access import HOME_VARIABLE
from tastemesh.node.http.rates import REQUESTS_PER_S, REQUESTS_PER_S_MAX
from tastemesh.node.mqtt_settings import MqttSettings
from tastemesh.node.settings import DISK_BYTES, NodeConfig
from tastemesh.node.sharing import Sharing
from tastemesh.ranking.diversity import STRENGTH_MAX

FILE_NAME = "config.toml"
PREFIX = "TASTEMESH_"
PASSPHRASE_VARIABLE = "TASTEMESH_PASSPHRASE"  # noqa: S105 (a name)
DEFAULT_HTTP_PORT = 8765  # contract; registered with IANA for another use that is hardly met

# Names at least this similar are one name misspelt (difflib's ratio): BROKER for BROKERS is .92,
# PORT for HTTP_PORT .62.
_MISSPELT = 0.8


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What `config.toml` may hold; each value's description says what is expected of it."""

    network: Annotated[str, Meta(description="a name of 1 to 32 of a-z, 0-9, - and _")] = "main"
    brokers: Annotated[
        tuple[str, ...],
        Meta(description="MQTT URLs, as a list or separated by commas; none: the embedded broker"),
    ] = ()
    http_port: Annotated[
        int, Meta(ge=0, le=65535, description="a port from 1 to 65535, or 0 for any free one")
    ] = DEFAULT_HTTP_PORT
    http_requests_per_s: Annotated[
        int,
        Meta(
            ge=1,
            le=REQUESTS_PER_S_MAX,
            description="requests a second with the token from one address, 1 to 100000",
        ),
    ] = REQUESTS_PER_S
    offline: Annotated[
        bool, Meta(description="true: no broker at all, for the node's own users only; or false")
    ] = False
    mqtt_version: Annotated[
        Literal["3.1.1", "5"], Meta(description="3.1.1, which every broker speaks, or 5")
    ] = "3.1.1"
    tls_ca_file: Annotated[
        str, Meta(description="PEM file of whom to trust for mqtts://; none: this machine's list")
    ] = ""
    tls_certificate_file: Annotated[
        str, Meta(description="PEM file of our certificate, for brokers that ask for one")
    ] = ""
    tls_key_file: Annotated[
        str, Meta(description="PEM file of its key, unless the certificate's file has it")
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="debug, info, warning or error"),
    ] = "info"
    passphrase_file: Annotated[
        str, Meta(description="the path of a file whose first line opens the keys")
    ] = ""
    disk_mb: Annotated[
        int, Meta(ge=32, le=1 << 20, description="the database's bound in MiB, 32 to 1048576")
    ] = DISK_BYTES >> 20
    private_kinds: Annotated[
        tuple[str, ...],
        Meta(description="kinds of interaction that are never published, such as skip"),
    ] = ()
    share_least_holders: Annotated[
        int,
        Meta(
            ge=0, le=1_000, description="publish an item only if so many others hold it; 0: always"
        ),
    ] = 0
    window_statements: Annotated[
        int,
        Meta(ge=1_000, le=10_000_000, description="statements kept, 1000 to 10000000"),
    ] = Limits().window_statement_count
    window_days: Annotated[
        int, Meta(ge=1, le=366, description="days that a record counts, 1 to 366")
    ] = Limits().window_age_ms // DAY_MS
    diversity: Annotated[
        float,
        Meta(
            ge=0,
            le=STRENGTH_MAX,
            description="how varied lists are, 0 to 0.9; 0.3 lowers the Sybil bound by 30 %",
        ),
    ] = 0.0
    exploration_share: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="share of a list, 0 to 1, for marked finds that no trust anchors",
        ),
    ] = 0.0


_TYPES: Mapping[str, Any] = get_type_hints(Settings, include_extras=True)
_EXPECTED = {name: hint.__metadata__[0].description for name, hint in _TYPES.items()}


def expectations() -> Mapping[str, str]:
    """Return what is expected of each setting, by its name."""
    return _EXPECTED


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Settings with their provenance.

    Attributes:
        home: the node's folder.
        settings: the values in force.
        sources: for each setting "default", the file's path, the variable or the flag.
        passphrase: opens the key files, or empty.
    """

    home: Path
    settings: Settings
    sources: dict[str, str]
    passphrase: str = ""

    def __repr__(self) -> str:
        """Never shows the passphrase, nor a broker's password."""
        brokers = tuple(map(redacted, self.settings.brokers))
        shown = msgspec.structs.replace(self.settings, brokers=brokers)
        return f"Configuration({self.home}, {shown})"

    def node_config(self) -> NodeConfig:
        """Return what the node itself needs."""
        limits = msgspec.structs.replace(
            Limits(),
            window_statement_count=self.settings.window_statements,
            window_age_ms=self.settings.window_days * DAY_MS,
        )
        return NodeConfig(
            home=self.home,
            network=self.settings.network,
            brokers=self.settings.brokers,
            offline=self.settings.offline,
            passphrase=self.passphrase,
            limits=limits,
            disk_bytes=self.settings.disk_mb << 20,
            sharing=Sharing(
                private_kinds=self.settings.private_kinds,
                least_holders=self.settings.share_least_holders,
            ),
            diversity=self.settings.diversity,
            exploration_share=self.settings.exploration_share,
            mqtt=MqttSettings(
                protocol=self.settings.mqtt_version,
                tls=TlsFiles(
                    ca_file=_path(self.settings.tls_ca_file),
                    certificate_file=_path(self.settings.tls_certificate_file),
                    key_file=_path(self.settings.tls_key_file),
                ),
            ),
        )


def _path(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def load_configuration(
    home: Path,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Configuration:
    """Read the settings of one home.

    Args:
        home: the node's folder; it need not exist.
        flags: values from the command line by setting; None or empty where not given.
        environ: the environment.

    Raises:
        ConfigError: names the setting, where it came from and what is expected.
    """
    values: dict[str, object] = {}
    sources = dict.fromkeys(_TYPES, "default")
    for source, found, strict in _layers(home, flags or {}, environ):
        for name, raw in found.items():
            sources[name] = source(name)
            values[name] = _convert(name, raw, sources[name], strict)
    settings = Settings(**values)  # type: ignore[arg-type]  # converted one by one above
    if settings.offline and settings.brokers:
        raise ConfigError(
            f"offline from {sources['offline']} and brokers from {sources['brokers']}: an offline "
            "node has none; expected one of them"
        )
    return Configuration(
        home=home,
        settings=settings,
        sources=sources,
        passphrase=_passphrase(settings, sources["passphrase_file"], environ),
    )


def template(settings: Settings, stated: Collection[str]) -> str:
    """Return the text of a `config.toml`, each setting with what is expected of it.

    Args:
        settings: has the values of those that are stated.
        stated: names of the settings to put in force. The others are comments with their defaults:
            what the environment says, a broker's password perhaps, is not for the home.
    """
    lines = ["# Flags and variables such as TASTEMESH_HTTP_PORT come before what stands here."]
    defaults = Settings()
    for name, expected in _EXPECTED.items():
        shown = getattr(settings if name in stated else defaults, name)
        value = json.dumps(shown, ensure_ascii=False)  # TOML writes them alike
        lines += ["", f"# {expected}", f"{'' if name in stated else '# '}{name} = {value}"]
    return "\n".join(lines) + "\n"


def described(
    home: Path, environ: Mapping[str, str] = os.environ
) -> dict[str, tuple[object, str, str]]:
    """Return (value, where it comes from, what is expected) by setting, without passwords.

    Raises:
        ConfigError: as `load_configuration`.
    """
    configuration = load_configuration(home, environ=environ)
    shown: dict[str, tuple[object, str, str]] = {
        "home": (str(home), "--home, TASTEMESH_HOME or the platform", "the node's folder")
    }
    for name, expected in _EXPECTED.items():
        value: object = getattr(configuration.settings, name)
        if name == "brokers":
            value = [str(parse_broker_url(url)) for url in configuration.settings.brokers]
        shown[name] = (value, configuration.sources[name], expected)
    return shown


_Layer = tuple[Callable[[str], str], Mapping[str, object], bool]


def _layers(
    home: Path, flags: Mapping[str, object], environ: Mapping[str, str]
) -> tuple[_Layer, _Layer, _Layer]:
    """Return (name of a value's source, values by setting, strict types?), weakest first."""
    path = home / FILE_NAME
    given = {name: raw for name, raw in flags.items() if raw is not None and raw != []}
    return (
        (lambda name: str(path), _read_file(path), True),
        (_variable, _read_environment(environ), False),
        (_flag, given, False),
    )


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _flag(name: str) -> str:
    return "--broker" if name == "brokers" else "--" + name.replace("_", "-")


def _read_file(path: Path) -> dict[str, object]:
    try:
        # Windows' editor puts a mark before UTF-8 that TOML does not know.
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # TOML's and UTF-8's errors both
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    for name in found:
        if name == "passphrase":
            raise ConfigError(
                f"{path}: a passphrase beside the keys protects nothing; set "
                f"{PASSPHRASE_VARIABLE}, or passphrase_file to a file elsewhere"
            )
        if name not in _TYPES:
            near = get_close_matches(name, _TYPES, 1)
            told = f"the nearest is {near[0]!r}" if near else f"expected one of {', '.join(_TYPES)}"
            raise ConfigError(f"{path}: unknown setting {name!r}; {told}")
    return found


def _read_environment(environ: Mapping[str, str]) -> dict[str, object]:
    known = {_variable(name): name for name in _TYPES}
    expected = [*known, HOME_VARIABLE, PASSPHRASE_VARIABLE]
    stems = {name.removeprefix(PREFIX): name for name in expected}
    for name in environ:
        if name.startswith(PREFIX) and name not in expected:
            near = get_close_matches(name.removeprefix(PREFIX), stems, 1, _MISSPELT)
            if near:
                raise ConfigError(f"unknown variable {name}; the nearest is {stems[near[0]]}")
    return {name: environ[variable] for variable, name in known.items() if variable in environ}


def _convert(name: str, raw: object, source: str, strict: bool) -> object:
    if name in ("brokers", "private_kinds") and isinstance(raw, str):
        raw = [each.strip() for each in raw.split(",") if each.strip()]
    if name == "mqtt_version" and type(raw) is int:
        raw = str(raw)  # 5 looks like a number; 3.1.1 cannot be one
    try:
        value: object = msgspec.convert(raw, _TYPES[name], strict=strict)
    except msgspec.ValidationError:
        shown = "" if name == "brokers" else f" is {raw!r}"  # a URL may hold a password
        raise ConfigError(f"{name} from {source}{shown}; expected {_EXPECTED[name]}") from None
    try:
        if name == "network":
            check_network(str(value))
        if name == "brokers" and isinstance(value, tuple):
            for url in value:
                parse_broker_url(url)
        if name == "private_kinds" and isinstance(value, tuple):
            Sharing(private_kinds=value)
    except UsageError as error:
        raise ConfigError(f"{name} from {source}: {error}") from None
    return value


def _passphrase(settings: Settings, source: str, environ: Mapping[str, str]) -> str:
    given = environ.get(PASSPHRASE_VARIABLE, "")
    if not settings.passphrase_file:
        return given
    path = Path(settings.passphrase_file).expanduser()
    if given:
        raise ConfigError(f"both {PASSPHRASE_VARIABLE} and passphrase_file are set; expected one")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"passphrase_file from {source}: cannot read {path}: {error}") from None
    if not lines or not lines[0]:
        raise ConfigError(f"passphrase_file from {source}: the first line of {path} is empty")
    return lines[0]
