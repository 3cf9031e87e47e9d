"""Traces: a run is written, lived again byte for byte, and asked why something happened."""

import gzip
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tastemesh.errors import ReplayError, TraceError, UsageError
from tastemesh.node.answers import Advice
from tastemesh.sim import inspection
from tastemesh.sim.replay import Replay
from tastemesh.sim.run import run_scenario
from tastemesh.sim.scenario import Adversary, Churn, Community, Scenario, load_scenario
from tastemesh.sim.trace import (
    Delivered,
    Entry,
    Happened,
    Header,
    Listed,
    Revived,
    Trace,
    TraceWriter,
)

SMALL = Scenario(
    description="twelve people in two circles, one forger",
    nodes=12,
    seconds=120.0,
    quiet_s=40.0,
    records_per_hour=60.0,
    sync_period_s=10.0,
    skew_ms=1_000,
    links=load_scenario("lossy").links,
    churn=Churn(share=0.2, away_s=15.0),
    community=Community(topology="groups", groups=2, history=8),
    adversaries=(
        Adversary(strategy="copycat", identities=3, attack_edges=1, start_s=20.0),
        Adversary(strategy="forge", identities=1, messages=40, start_s=20.0),
    ),
)


def silent(stage: str, done: int, total: int) -> None:
    assert 0 <= done <= total


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    path = tmp_path_factory.mktemp("trace") / "small.trace"
    return path, run_scenario(SMALL, 5, silent, path)


def lists_in(path: Path) -> dict[int, list[Advice]]:
    return {
        entry.station: msgspec.msgpack.decode(entry.advice, type=list[Advice])
        for entry in Trace(path).entries()
        if isinstance(entry, Listed)
    }


def test_a_replay_sends_every_message_and_recommends_every_item_again(
    recorded: tuple[Path, dict[str, Any]],
) -> None:
    path, result = recorded
    replayed = Replay(Trace(path)).run(silent)
    assert replayed.digest == result["digest"]
    assert replayed.recommendations == result["recommendations"]["asked"] == 12
    assert replayed.messages > 100
    assert any(lists_in(path).values())


def test_writing_a_trace_changes_nothing_and_is_the_same_every_time(
    recorded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    path, result = recorded
    again = tmp_path / "again.trace"
    assert run_scenario(SMALL, 5, silent, again) == result
    assert again.read_bytes() == path.read_bytes()


def test_an_item_is_traced_back_to_whoever_recorded_it(
    recorded: tuple[Path, dict[str, Any]],
) -> None:
    path, _ = recorded
    node, listed = next((n, lines) for n, lines in lists_in(path).items() if lines)
    lines = inspection.why_listed(path, node, listed[0].item, silent)
    assert listed[0].item in lines[0]
    assert any("recorded it for its user" in line for line in lines)
    record = listed[0].reasons[0].record_ids[0]
    way = inspection.way_of_record(path, node, record[:12], silent)
    assert way[0] == f"record {record}"
    assert f"n{node} took it in" in way[-1]


def test_a_moment_with_much_in_it_is_told_whole(tmp_path: Path) -> None:
    path = tmp_path / "busy.trace"
    busy = Scenario(
        description="everybody talks", nodes=30, seconds=12.0, quiet_s=2.0, records_per_hour=14_400
    )
    run_scenario(busy, 5, silent, path)
    lines = inspection.around(path, 3, 6.0, silent)
    times_s = [float(line.split()[0]) for line in lines if "->" not in line]
    assert len(lines) > 200
    assert times_s[0] < 5.1
    assert times_s[-1] > 6.9


def test_what_a_node_did_at_a_moment_is_told(recorded: tuple[Path, dict[str, Any]]) -> None:
    with pytest.raises(UsageError, match=r"at is 120\.5; the recording has 0 to 120 s"):
        inspection.around(recorded[0], 3, 120.5, silent)
    lines = inspection.around(recorded[0], 3, 10.0, silent)
    assert any("TimerFired sync" in line for line in lines)
    assert any("-> Send" in line for line in lines)


def test_where_nothing_happened_the_last_moment_before_is_told(
    recorded: tuple[Path, dict[str, Any]],
) -> None:
    quiet = next(
        lines[0]
        for at in range(60, 121)
        if "nothing happened" in (lines := inspection.around(recorded[0], 3, float(at), silent))[0]
    )
    before = re.search(r"; the last thing before was at ([\d.]+) s$", quiet)
    assert before
    lines = inspection.around(recorded[0], 3, float(before[1]), silent)
    assert any(line.split()[0] == before[1] for line in lines)


@pytest.mark.parametrize(
    ("node", "record", "expected"),
    [
        (99, "abcdef", "node is 99; the recording has 0 to 11"),
        (1, "abc", "expected at least 6 hex digits"),
        (1, "some-name", "record 'some-name'; expected at least 6 hex digits"),
        (1, "00112233445566", "n1 never took it in"),
    ],
)
def test_a_wrong_question_says_so(
    recorded: tuple[Path, dict[str, Any]], node: int, record: str, expected: str
) -> None:
    with pytest.raises(UsageError, match=expected):
        inspection.way_of_record(recorded[0], node, record, silent)


def test_a_file_that_is_no_trace_or_a_part_of_one_is_named(
    recorded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(TraceError, match="no-such"):
        Trace(tmp_path / "no-such")
    other = tmp_path / "other"
    other.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(TraceError, match="is not a trace; expected"):
        Trace(other)
    whole = recorded[0].read_bytes()
    other.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(TraceError, match=r"other is damaged"):
        Replay(Trace(other)).run(silent)
    other.write_bytes(whole[:40] + b"\x00\x01" + whole[42:])
    with pytest.raises(TraceError, match=r"other is damaged"):
        Replay(Trace(other)).run(silent)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Happened(0, 99, "Started", b"\x81"), "it has a node 99 of 12"),
        (Happened(0, -1, "Started", b"\x81"), "it has a node -1 of 12"),
        (Revived(0, 12), "it has a node 12 of 12"),
        (Listed(0, 12, b""), "it has a node 12 of 12"),
        (
            Happened(0, 1, "BrokerUp", msgspec.msgpack.encode({})),
            "input 'BrokerUp': Object missing",
        ),
        (Happened(0, 1, "Imagined", b"\x80"), "unknown input 'Imagined'"),
        (Delivered(0, 7, [1]), "message 7 was never sent"),
    ],
)
def test_a_trace_that_another_version_made_is_named(
    tmp_path: Path, entry: Entry, expected: str
) -> None:
    path = tmp_path / "other.trace"
    with TraceWriter(path, Header(SMALL, 5)) as trace:
        trace.put(entry)
    with pytest.raises(TraceError, match=rf"other\.trace: {expected}.*made by another version"):
        Replay(Trace(path)).run(silent)


def test_a_node_that_asks_its_disk_for_less_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.trace"
    with TraceWriter(path, Header(SMALL, 5)) as trace:
        trace.put(Happened(1_500, 4, "Fetched", msgspec.msgpack.encode(["topic", "broker"])))
    with pytest.raises(ReplayError, match=r"n4 at 1.500 s: it reads something else off its disk"):
        Replay(Trace(path)).run(silent)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_disk_that_is_full_ends_the_run_with_the_traces_name() -> None:
    with pytest.raises(UsageError, match="trace /dev/full: No space left on device"):
        run_scenario(SMALL, 5, silent, Path("/dev/full"))


def test_a_node_that_would_act_differently_is_named(
    recorded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    path, _ = recorded
    raw = path.read_bytes()
    magic = raw[: raw.index(b"\n") + 1]
    content = gzip.decompress(raw[len(magic) :])
    size = int.from_bytes(content[:4], "big")
    header = msgspec.msgpack.decode(content[4 : 4 + size])
    header["seed"] = 6
    changed = msgspec.msgpack.encode(header)
    other = tmp_path / "other.trace"
    packed = gzip.compress(len(changed).to_bytes(4, "big") + changed + content[4 + size :])
    other.write_bytes(magic + packed)
    with pytest.raises(ReplayError, match=r"node n\d+ at .* s: .* than in the recording"):
        Replay(Trace(other)).run(silent)
