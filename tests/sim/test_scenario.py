"""Scenarios: what is valid, and what a run of one measures."""

import gc
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tastemesh.errors import ConfigError, UsageError
from tastemesh.sim.brokers import BrokerPolicy
from tastemesh.sim.links import LinkPolicy
from tastemesh.sim.run import run_scenario
from tastemesh.sim.scenario import Churn, Partition, Scenario, load_scenario, shipped


def silent(stage: str, done: int, total: int) -> None:
    assert 0 <= done <= total


def test_every_shipped_scenario_is_valid_and_says_what_happens() -> None:
    assert {"calm", "lossy", "rough"} <= set(shipped())
    assert all(scenario.description for scenario in shipped().values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nodes = 5", "required field `description`"),
        ("description = 'x'\nnodes = 1", "nodes is 1; expected 2 to 100000"),
        ("description = 'x'\nnode = 5", "unknown field `node`; expected description, nodes, "),
        (
            "description = 'x'\n[links]\nlos = 1",
            "unknown field `los` - at `$.links`; expected latency_ms, jitter, loss, duplication",
        ),
        (
            "description = 'x'\n[[brokers]]\nname = 'a'\n[[brokers]]\nnam = 'b'",
            "unknown field `nam` - at `$.brokers[1]`; expected name, drop, ",
        ),
        ("description = 'x'\n[links]\nloss = 2.0", "loss is 2.0; expected 0 to 1"),
        ("description = 'x'\n[churn]\nshare = 7.0", "churn.share is 7.0; expected 0 to 1"),
        (
            "description = 'x'\n[partition]\nshare = 0.5\nstart_s = 200.0\nlength_s = 9.0",
            "partition.start_s is 200.0; the quiet begins at 180",
        ),
        ("description = ", "Invalid value"),
        ("description = 'x'\nseconds = " + 5_000 * "9", "integer string conversion"),
        ("description = 'x'\n[links]\nlatency_ms = 10000001", "links.latency_ms is 10000001"),
        *(
            (
                f"description = 'x'\n[[brokers]]\nname = 'a'\n{field} = {value}",
                f"{field} is {value}",
            )
            for field, value in (
                ("delay_ms", 1 << 64),
                ("replay_after_s", "inf"),
                ("stop_start_s", -5.0),
                ("stop_length_s", "nan"),
            )
        ),
        *(
            (
                f"description = 'x'\n[[brokers]]\nname = '{name}'",
                f"brokers.name is {name}; expected another: results have falsely_named and most_",
            )
            for name in ("falsely_named", "most_named_innocent")
        ),
        (
            "description = 'x'\nnodes = 3\n[[brokers]]\nname = 'a'\nwithhold = [-1, 2]",
            "brokers.withhold names node -1; expected 0 to 2",
        ),
        (
            "description = 'x'\n[community]\ncolumns = 'user=1,item=2'",
            "community.columns needs community.interactions",
        ),
        *(
            (
                f"description = 'x'\n[community]\ninteractions = 'a'\n{line}",
                "is for made-up people; those of community.interactions know each other by",
            )
            for line in ("topology = 'scale-free'", "topology = 'nonsense'", "mixing = 0.2")
        ),
        (
            "description = 'x'\n[community]\ninteractions = 'a'\nundirected = true",
            "community.undirected needs community.endorsements",
        ),
    ],
)
def test_a_wrong_file_names_what_is_wrong(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_scenario(str(path))
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_windows_editor_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbfdescription = 'x'\r\nnodes = 7\r\n")
    assert load_scenario(str(path)).nodes == 7


@pytest.mark.parametrize("seed", [-1, 1 << 63])
def test_a_seed_that_no_trace_can_hold_is_refused(seed: int) -> None:
    with pytest.raises(UsageError, match=f"seed is {seed}; expected 0 to 9223372036854775807"):
        run_scenario(load_scenario("calm"), seed, silent)


def test_a_missing_file_names_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match=r"shipped ones are calm, .*, rough"):
        load_scenario("no-such-scenario")


ROUGH = Scenario(
    description="small and rough",
    nodes=12,
    seconds=420.0,
    records_per_hour=240.0,
    quiet_s=300.0,
    sync_period_s=10.0,
    skew_ms=30_000,
    links=load_scenario("lossy").links,
    churn=Churn(share=0.25, away_s=20.0),
    partition=Partition(share=0.3, start_s=20.0, length_s=60.0),
)


@pytest.mark.slow
def test_losses_crashes_and_a_partition_are_repaired() -> None:
    result = run_scenario(ROUGH, 3, silent)
    assert result["coverage"] == 1.0
    assert result["converged_s"] is not None
    assert result["events"] > 1_000
    assert not {"bad-signature", "equivocation", "malformed"} & set(result["rejected"])
    again = run_scenario(ROUGH, 3, silent)
    assert again == result
    other = run_scenario(ROUGH, 4, silent)
    assert other["digest"] != result["digest"]


def test_a_calm_network_converges_at_once() -> None:
    calm = msgspec.structs.replace(
        load_scenario("calm"), nodes=6, seconds=30.0, quiet_s=10.0, records_per_hour=600.0
    )
    result = run_scenario(calm, 0, silent)
    assert (result["coverage"], result["converged_s"]) == (1.0, 1.0)
    assert (result["coverage_subscribed"], result["coverage_subscribed_least"]) == (1.0, 1.0)
    assert result["hourly_bytes_by_channel"]["r"] > 0
    assert set(result) >= {"digest", "nodes", "virtual_seconds", "events", "bytes_per_node_hour"}


def test_verdicts_are_counted_for_everybody_whom_a_broker_withholds() -> None:
    brokers = (BrokerPolicy(name="good"), BrokerPolicy(name="warden", withhold=(0, 1, 2)))
    scenario = Scenario(description="x", nodes=5, seconds=20.0, quiet_s=10.0, brokers=brokers)
    result = run_scenario(scenario, 0, silent)
    assert result["censorship"]["warden"]["nodes"] == 3 * 4
    assert "good" not in result["censorship"]


@pytest.mark.parametrize(
    "faults",
    [
        {"churn": Churn(share=0.5, away_s=1_000.0)},
        {"partition": Partition(share=0.5, start_s=10.0, length_s=1_000.0)},
        {"brokers": (BrokerPolicy(name="only", stop_start_s=10.0, stop_length_s=1_000.0),)},
    ],
)
def test_faults_that_would_last_longer_end_when_the_quiet_begins(faults: dict[str, Any]) -> None:
    rough = Scenario(
        description="a fault without an end",
        nodes=6,
        seconds=80.0,
        quiet_s=50.0,
        records_per_hour=600.0,
        sync_period_s=5.0,
        asked=0,
        **faults,
    )
    result = run_scenario(rough, 0, silent)
    assert result["coverage"] == 1.0
    assert result["converged_s"] is not None


def test_a_run_leaves_nothing_that_a_search_for_cycles_must_free() -> None:
    calm = msgspec.structs.replace(load_scenario("calm"), nodes=3, seconds=70.0)
    run_scenario(calm, 0, silent)  # what is loaded and remembered once
    gc.collect()
    gc.disable()
    try:
        run_scenario(calm, 1, silent)
        assert gc.collect() < 100
    finally:
        gc.enable()


def test_a_run_too_short_to_catch_up_in_is_not_complete_for_that() -> None:
    lost = Scenario(
        description="every message is lost, and the end comes before any exchange",
        nodes=3,
        seconds=30.0,
        quiet_s=10.0,
        records_per_hour=600.0,
        links=LinkPolicy(loss=1.0),
    )
    result = run_scenario(lost, 1, silent)
    assert result["coverage"] < 0.5
    assert result["coverage_subscribed"] < 0.5
    assert result["converged_s"] is None
