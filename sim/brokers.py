"""Simulated brokers: honest ones, and ones that drop, delay, replay, withhold or stop."""

from collections.abc import Callable

import msgspec

from tastemesh.errors import ConfigError

# What a simulation's result says of all brokers, beside an entry for each by its name.
FALSELY_NAMED, MOST_NAMED_INNOCENT = TAKEN_NAMES = ("falsely_named", "most_named_innocent")


class BrokerPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one broker does to what it is given; an honest one by default.

    Attributes:
        name: unique among the scenario's brokers.
        drop: share of messages that it discards, 0 to 1.
        duplication: share of messages that it handles twice, 0 to 1.
        delay_ms: what it adds to every delivery.
        replay: share of record messages that it delivers again, 0 to 1.
        replay_after_s: how much later.
        withhold: numbers of the nodes whose people's records it never delivers.
        stop_start_s: when it stops.
        stop_length_s: for how long; 0 for not at all.

    Raises:
        ConfigError: a value is out of range.
    """

    name: str
    drop: float = 0.0
    duplication: float = 0.0
    delay_ms: int = 0
    replay: float = 0.0
    replay_after_s: float = 900.0
    withhold: tuple[int, ...] = ()
    stop_start_s: float = 0.0
    stop_length_s: float = 0.0

    def __post_init__(self) -> None:
        if self.name in TAKEN_NAMES:  # one of the two would be lost
            taken = " and ".join(TAKEN_NAMES)
            raise ConfigError(
                f"brokers.name is {self.name}; expected another: results have {taken}"
            )
        # Times up to the longest that a scenario lasts, in its seconds.
        for field, high in (
            ("drop", 1),
            ("duplication", 1),
            ("delay_ms", 10_000_000),
            ("replay", 1),
            ("replay_after_s", 10_000_000),
            ("stop_start_s", 10_000_000),
            ("stop_length_s", 10_000_000),
        ):
            value = getattr(self, field)
            if not 0 <= value <= high:
                raise ConfigError(f"broker {self.name}: {field} is {value}; expected 0 to {high}")


ONE_BROKER = (BrokerPolicy(name="broker"),)


class Broker:
    """One broker at work.

    Args:
        policy: what it does.
        withheld: ids of the authors whose records it never delivers.
    """

    def __init__(self, policy: BrokerPolicy, withheld: tuple[bytes, ...] = ()) -> None:
        self.policy = policy
        self.name = policy.name
        self.withheld = withheld
        self.running = True
        self.honest = False

    def repent(self) -> None:
        """Behave from now on."""
        self.honest = True

    def handling_ms(self, topic: str, payload: bytes, draw: Callable[[], float]) -> tuple[int, ...]:
        """Draw what it does with a message.

        Who withholds an author looks into bundles and drops those with a record of his, in
        whatever topic they travel; presence and reconciliation frames name no author.

        Args:
            topic: where it was published.
            payload: what was published.
            draw: gives numbers in [0, 1).

        Returns:
            After how long it hands the message on, once for every time that it does.
        """
        if self.honest:
            return (0,)
        policy = self.policy
        if any(author in payload for author in self.withheld):
            return ()
        if policy.drop and draw() < policy.drop:
            return ()
        times = [policy.delay_ms]
        if policy.duplication and draw() < policy.duplication:
            times.append(policy.delay_ms)
        if policy.replay and "/r/" in topic and draw() < policy.replay:
            times.append(policy.delay_ms + round(policy.replay_after_s * 1000))
        return tuple(times)
