"""Scenarios: what a simulated network goes through, as TOML.

A scenario names its size, how people speak, what the links do and what goes wrong when. Everything
random in it follows from one seed. Shipped ones stand in `sim/scenarios`; `tastemesh sim --list`
names them.
"""

import tomllib
from collections.abc import Mapping
from importlib import resources
from operator import attrgetter
from pathlib import Path

import msgspec

from tastemesh.errors import ConfigError, UsageError
from tastemesh.gossip.limits import Limits
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


class Community(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who the people are: made up, or read from files.

    Attributes:
        topology: who knows whom: `small-world` or `groups`; or, by networkx, `scale-free`,
            `clustered`, `random` or `blocks`.
        groups: circles of taste, 1 and up; at `groups` and `blocks`, of friends too.
        mixing: share of the friendships that leave the neighbourhood or the group, 0 to 1.
        history: items that each person has before the start and publishes in one go.
        interactions: a file of who took up what, in place of made-up people; as `evaluate` takes.
        columns: its columns, as `--columns`.
        min_weight: drops weaker rows.
        endorsements: a file of who vouches for whom; with `interactions` only.
        endorsement_columns: its columns, as `--endorsement-columns`.
        undirected: each friendship is listed once and goes both ways.
    """

    topology: str = "small-world"
    groups: int = 1
    mixing: float = 0.1
    history: int = 0
    interactions: str = ""
    columns: str = ""
    min_weight: float = 0.0
    endorsements: str = ""
    endorsement_columns: str = ""
    undirected: bool = False

    def __post_init__(self) -> None:
        for setting, file in (
            ("columns", "interactions"),
            ("min_weight", "interactions"),
            ("endorsements", "interactions"),
            ("endorsement_columns", "endorsements"),
            ("undirected", "endorsements"),
        ):
            if getattr(self, setting) and not getattr(self, file):
                raise ConfigError(f"community.{setting} needs community.{file} beside it")
        for setting, default in (("topology", "small-world"), ("groups", 1), ("mixing", 0.1)):
            if self.interactions and getattr(self, setting) != default:
                raise ConfigError(
                    f"community.{setting} is for made-up people; those of community.interactions "
                    "know each other by community.endorsements"
                )


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each node spends at most; the daemon's defaults (`tastemesh.gossip.limits`).

    Attributes:
        window_statements: statements in its window.
        inbound_bytes_per_s: pushed records that it takes in.
        presence_bytes_per_s: presence that it takes in.
        interest_period_s: how often it chooses the shards that it reads.
    """

    window_statements: int = Limits().window_statement_count
    inbound_bytes_per_s: int = Limits().inbound_bytes_per_s
    presence_bytes_per_s: int = Limits().presence_bytes_per_s
    interest_period_s: float = Limits().interest_period_ms / 1000


class Adversary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One attacker and his budget.

    Attributes:
        strategy: what he does; a name that docs/simulator.md lists.
        identities: hostile ones, 1 and up.
        attack_edges: honest people who are deceived into endorsing one of them.
        messages: that he publishes at most, in all.
        messages_per_s: and in a second.
        start_s: when he begins; what the strategy does before everybody comes at 0.
    """

    strategy: str
    identities: int = 10
    attack_edges: int = 0
    messages: int = 2_000
    messages_per_s: float = 20.0
    start_s: float = 60.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("identities", 1, 10_000),
            ("attack_edges", 0, 10_000),
            ("messages", 1, 10_000_000),
            ("messages_per_s", 0.001, 100_000),
            ("start_s", 0, 10_000_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"adversaries.{name} is {value}; expected {low:g} to {high:g}")


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
        arrive_s: the nodes start in the course of so many seconds.
        asked: nodes that are asked at the end what they recommend, drawn at random.
        community: who the people are.
        bounds: what each node spends at most.
        adversaries: who attacks, and with what budget.
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
    arrive_s: float = 0.0
    asked: int = 50
    community: Community = Community()
    bounds: Bounds = Bounds()
    adversaries: tuple[Adversary, ...] = ()

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
            ("arrive_s", 0, self.seconds - self.quiet_s),
            ("asked", 0, 100_000),
            ("churn.share", 0, 1),
            ("churn.away_s", 1, 10_000_000),
            ("partition.share", 0, 1),
            ("partition.start_s", 0, 10_000_000),
            ("partition.length_s", 0, 10_000_000),
            ("community.groups", 1, self.nodes),
            ("community.mixing", 0, 1),
            ("community.history", 0, 500),
            ("bounds.window_statements", 10, 10_000_000),
            ("bounds.inbound_bytes_per_s", 1, 1_000_000_000),
            ("bounds.presence_bytes_per_s", 1, 1_000_000_000),
            ("bounds.interest_period_s", 1, 86_400),
        ):
            value = attrgetter(name)(self)
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value}; expected {low:g} to {high:g}")
        loud_s, cut = self.seconds - self.quiet_s, self.partition
        starts_s = [("brokers.stop_start_s", broker.stop_start_s) for broker in self.brokers]
        starts_s += [("partition.start_s", cut.start_s)] if cut.share and cut.length_s else []
        for name, start_s in starts_s:
            if start_s > loud_s:
                raise ConfigError(f"{name} is {start_s}; the quiet begins at {loud_s:g}")
        names = [broker.name for broker in self.brokers]
        if not names or len(set(names)) < len(names) or "" in names:
            raise ConfigError(f"brokers are named {names}; expected at least one, all different")
        for number in (number for broker in self.brokers for number in broker.withhold):
            if not 0 <= number < self.nodes:
                raise ConfigError(
                    f"brokers.withhold names node {number}; expected 0 to {self.nodes - 1}"
                )


TABLES: Mapping[str, type[msgspec.Struct]] = {
    "": Scenario,
    "links": LinkPolicy,
    "churn": Churn,
    "partition": Partition,
    "brokers": BrokerPolicy,
    "community": Community,
    "bounds": Bounds,
    "adversaries": Adversary,
}
"""What each table of a scenario's file may have, the file itself under the empty name."""


def shipped() -> dict[str, Scenario]:
    """Return the scenarios that come with the package, by name."""
    folder = resources.files("tastemesh.sim") / "scenarios"
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {
        name.removesuffix(".toml"): parse_scenario(
            (folder / name).read_text(encoding="utf-8"), name
        )
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
        return parse_scenario(Path(name).read_text(encoding="utf-8-sig"), name)
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
    except RecursionError:
        raise ConfigError(f"scenario {name}: nested too deep") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"scenario {name}: {_told(error)}") from None
    except (ValueError, UsageError) as error:  # tomllib's, msgspec's, int's of 5,000 digits
        raise ConfigError(f"scenario {name}: {error}") from None


def _told(error: msgspec.ValidationError) -> str:
    """Return msgspec's text; where a key is unknown, with those that its table has."""
    problem, _, place = str(error).partition(" - at `$.")
    table = place.rstrip("`").partition("[")[0]
    if "unknown field" in problem and table in TABLES:
        return f"{error}; expected {', '.join(TABLES[table].__struct_fields__)}"
    return str(error)
