"""Scenarios: what a simulated network goes through, as TOML.

A scenario names its size, how people speak, what the links do and what goes wrong when. Everything
random in it follows from one seed. Shipped ones stand in `sim/scenarios`; `tastemesh sim --list`
names them.
"""

import tomllib
from importlib import resources
from pathlib import Path

import msgspec

from tastemesh.errors import ConfigError, UsageError
from tastemesh.sim.brokers import ONE_BROKER, BrokerPolicy
from tastemesh.sim.links import LinkPolicy


class Churn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes that crash and come back.

    Attributes:
        share: of the nodes, that crash once while faults last, 0 to 1.
        away_s: how long each stays away.
    """

    share: float = 0.0
    away_s: float = 60.0


class Partition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share of the nodes cannot reach the broker for a while.

    Attributes:
        share: of the nodes, 0 to 1.
        start_s: when it begins.
        length_s: how long it lasts.
    """

    share: float = 0.0
    start_s: float = 0.0
    length_s: float = 0.0


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scenario.

    Attributes:
        description: one line for `--list`.
        nodes: how many, 2 to 100,000.
        seconds: virtual time in all.
        records_per_hour: how often each node records something.
        quiet_s: at the end, nobody records and no fault is active: what is missing then must be
            found by reconciliation.
        friends: endorsements that each node makes.
        skew_ms: wall clocks are off by up to this much, either way.
        sync_period_s: how often a node reconciles.
        links: latency, loss, duplication; losses end when the quiet begins.
        churn: crashes.
        partition: who is cut off, and when.
        brokers: the brokers, one honest one by default; every node connects to all of them. Their
            faults, like those of the links, end when the quiet begins.
        talkative: nodes, from the first one on, that record ten times as often: those whom a broker
            withholds are noticed the sooner the more they say.
    """

    description: str
    nodes: int = 50
    seconds: float = 300.0
    records_per_hour: float = 60.0
    quiet_s: float = 120.0
    friends: int = 3
    skew_ms: int = 0
    sync_period_s: float = 30.0
    links: LinkPolicy = LinkPolicy()
    churn: Churn = Churn()
    partition: Partition = Partition()
    brokers: tuple[BrokerPolicy, ...] = ONE_BROKER
    talkative: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("nodes", 2, 100_000),
            ("seconds", 1, 10_000_000),
            ("records_per_hour", 0, 100_000),
            ("quiet_s", 0, self.seconds),
            ("friends", 0, 256),
            ("skew_ms", 0, 120_000),
            ("sync_period_s", 1, 86_400),
            ("talkative", 0, self.nodes),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value}; expected {low:g} to {high:g}")
        names = [broker.name for broker in self.brokers]
        if not names or len(set(names)) < len(names) or "" in names:
            raise ConfigError(f"brokers are named {names}; expected at least one, all different")
        withheld = [number for broker in self.brokers for number in broker.withhold]
        if withheld and not 0 <= min(withheld) <= max(withheld) < self.nodes:
            raise ConfigError(f"withhold names node {max(withheld)}; there are {self.nodes}")
        for where, share in (("churn", self.churn.share), ("partition", self.partition.share)):
            if not 0.0 <= share <= 1.0:
                raise ConfigError(f"{where}.share is {share}; expected 0 to 1")


def shipped() -> dict[str, Scenario]:
    """Return the scenarios that come with the package, by name."""
    folder = resources.files("tastemesh.sim") / "scenarios"
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {
        name.removesuffix(".toml"): parse_scenario((folder / name).read_text(), name)
        for name in files
    }


def load_scenario(name: str) -> Scenario:
    """Return a shipped scenario by its name, or the one in a TOML file.

    Raises:
        ConfigError: there is neither, or the file is wrong; says what was expected.
    """
    known = shipped()
    if name in known:
        return known[name]
    try:
        return parse_scenario(Path(name).read_text(encoding="utf-8"), name)
    except OSError as error:
        raise ConfigError(
            f"scenario {name!r}: {error.strerror}; shipped ones are {', '.join(known)}"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"scenario {name!r} is not UTF-8 text") from None


def parse_scenario(text: str, name: str) -> Scenario:
    """Read a scenario.

    Raises:
        ConfigError: it is not TOML, or a value is wrong.
    """
    try:
        return msgspec.convert(tomllib.loads(text), Scenario)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UsageError) as error:
        raise ConfigError(f"scenario {name}: {error}") from None
