"""Processes that share a network's nodes: the run is the same for any number of them."""

import os
import resource
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from socket import socketpair
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tastemesh.errors import ProcessError, UsageError
from tastemesh.sim.brokers import BrokerPolicy
from tastemesh.sim.company import Company, fitting_size, gathered
from tastemesh.sim.lines import Line
from tastemesh.sim.links import LinkPolicy
from tastemesh.sim.run import Task, run_scenario, take_part
from tastemesh.sim.scenario import Adversary, Churn, Community, Partition, Scenario

EVERYTHING = Scenario(
    description="all that may go wrong, in a minute and a half",
    nodes=11,
    seconds=90.0,
    quiet_s=40.0,
    records_per_hour=120.0,
    sync_period_s=10.0,
    skew_ms=2_000,
    arrive_s=3.0,
    links=LinkPolicy(loss=0.1, duplication=0.05),
    churn=Churn(share=0.3, away_s=10.0),
    partition=Partition(share=0.3, start_s=10.0, length_s=15.0),
    brokers=(
        BrokerPolicy(name="honest", stop_start_s=12.0, stop_length_s=8.0),
        BrokerPolicy(name="hostile", drop=0.1, duplication=0.1, delay_ms=30, withhold=(2,)),
    ),
    community=Community(topology="groups", groups=2, history=6),
    adversaries=(
        Adversary(strategy="copycat", identities=3, attack_edges=1, start_s=20.0),
        Adversary(strategy="equivocate", identities=1, messages=40, start_s=20.0),
    ),
)


BRIEF = Scenario(
    description="three people for a second",
    nodes=3,
    seconds=1.0,
    quiet_s=0.0,
    friends=1,
    asked=0,
)


def silent(stage: str, done: int, total: int) -> None:
    assert 0 <= done <= total


def in_threads(size: int, work: Callable[[Company], Any]) -> list[Any]:
    """Have a company of threads do something; what each made of it, by rank."""
    lines: list[list[Line]] = [[] for _ in range(size)]
    for one, other in combinations(range(size), 2):
        ours, theirs = socketpair()
        lines[one].append(Line(ours))
        lines[other].append(Line(theirs))

    def play(rank: int) -> Any:
        try:
            return work(Company(rank, lines[rank]))
        finally:
            for line in lines[rank]:
                line.close()

    with ThreadPoolExecutor(max(1, size)) as pool:
        return list(pool.map(play, range(size)))


def shared(scenario: Scenario, seed: int, size: int) -> dict[str, Any]:
    task = msgspec.msgpack.encode(Task(scenario, seed))
    result: dict[str, Any] = in_threads(size, lambda company: take_part(task, company))[0]
    return result


@pytest.mark.slow
def test_two_and_three_processes_run_what_one_does() -> None:
    alone = run_scenario(EVERYTHING, 5, silent)
    assert alone["events"] > 1_000
    assert alone["adversaries"][1]["messages_sent"] > 0
    assert run_scenario(EVERYTHING, 5, silent, processes=2) == alone
    assert run_scenario(EVERYTHING, 5, silent, processes=3) == alone


@settings(max_examples=20, deadline=None)
@given(
    nodes=st.integers(2, 7),
    size=st.integers(2, 4),
    seed=st.integers(0, 1_000),
    links=st.builds(
        LinkPolicy,
        latency_ms=st.sampled_from([0, 1, 7, 25, 80]),
        jitter=st.sampled_from([0.0, 0.3, 1.0]),
        loss=st.sampled_from([0.0, 0.2]),
        duplication=st.sampled_from([0.0, 0.3]),
    ),
    churn=st.builds(Churn, share=st.sampled_from([0.0, 0.5]), away_s=st.just(4.0)),
    skew_ms=st.sampled_from([0, 3_000]),
    arrive_s=st.sampled_from([0.0, 5.0]),
)
def test_any_small_network_is_the_same_however_it_is_shared(
    nodes: int,
    size: int,
    seed: int,
    links: LinkPolicy,
    churn: Churn,
    skew_ms: int,
    arrive_s: float,
) -> None:
    scenario = Scenario(
        description="any",
        nodes=nodes,
        seconds=30.0,
        quiet_s=12.0,
        records_per_hour=1_200.0,
        sync_period_s=5.0,
        links=links,
        churn=churn,
        skew_ms=skew_ms,
        arrive_s=arrive_s,
    )
    assert shared(scenario, seed, size) == run_scenario(scenario, seed, silent)


def test_each_is_given_what_each_handed_in() -> None:
    def work(company: Company) -> tuple[list[bytes], list[dict[int, str]]]:
        company.post(bytes([company.rank]) * 700_000)  # more than a line holds
        frames = company.collect()
        company.post(b"")
        assert company.collect() == [b""] * len(frames)
        return frames, company.gather({company.rank: "here"}, dict[int, str])

    told = in_threads(3, work)
    for rank, (frames, values) in enumerate(told):
        assert frames == [bytes([other]) * 700_000 for other in range(3) if other != rank]
        assert values == [{0: "here"}, {1: "here"}, {2: "here"}]
    assert in_threads(1, work) == [([], [{0: "here"}])]


def test_frames_that_were_handed_in_ahead_are_taken_one_by_one() -> None:
    def work(company: Company) -> list[bytes]:
        for turn in range(3):
            company.post(b"%d" % turn * 400_000)  # all of them more than a line holds
        return [frame[:1] for _ in range(3) for frame in company.collect()]

    assert in_threads(2, work) == [[b"0", b"1", b"2"]] * 2


def test_every_node_has_one_home() -> None:
    for size in (1, 2, 5):
        homes = in_threads(size, lambda company: [company.has(number) for number in range(20)])
        assert all(sum(each) == 1 for each in zip(*homes, strict=True))


def test_a_process_that_cannot_do_its_task_ends_the_simulation(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with (
        pytest.raises(ProcessError, match="ended before its work did"),
        gathered(2, b"no task") as company,
    ):
        company.collect()
    assert "msgspec" in capfd.readouterr().err  # and says why itself


def members() -> list[int]:
    """The further processes of simulations that this one runs."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [
        c for c in map(int, children) if b"sim.member" in Path(f"/proc/{c}/cmdline").read_bytes()
    ]


def test_a_process_that_is_killed_ends_the_simulation_and_leaves_none_behind() -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        for member in members():
            os.kill(member, signal.SIGKILL)

    with pytest.raises(ProcessError, match="want of memory"):
        run_scenario(EVERYTHING, 5, interrupt, processes=3)
    assert not members()


def descriptor_count() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_who_holds_many_descriptors_may_share_a_simulation() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2_048:
        pytest.skip("this system allows no descriptor beyond 1,023")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2_048), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    try:
        assert shared(BRIEF, 1, 2) == run_scenario(BRIEF, 1, silent)
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_processes_than_the_system_allows_are_refused() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held_count = descriptor_count()
    resource.setrlimit(resource.RLIMIT_NOFILE, (held_count + 60, hard))
    try:
        with pytest.raises(UsageError, match="processes is 40: Too many open files"):
            run_scenario(msgspec.structs.replace(BRIEF, nodes=40), 1, silent, processes=40)
        assert descriptor_count() == held_count
        assert not members()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_others_find_modules_where_the_first_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('a file of the user')")
    monkeypatch.chdir(tmp_path)
    assert run_scenario(BRIEF, 1, silent, processes=2) == run_scenario(BRIEF, 1, silent)


def test_an_interrupt_from_a_terminal_is_for_the_first_process() -> None:
    groups: set[int] = set()

    def look(stage: str, done: int, total: int) -> None:
        groups.update(os.getpgid(member) for member in members())

    run_scenario(BRIEF, 1, look, processes=2)
    assert groups
    assert os.getpgid(0) not in groups


def test_a_small_network_has_one_process() -> None:
    assert fitting_size(2) == fitting_size(199) == 1
    assert 1 <= fitting_size(100_000) <= min(32, os.cpu_count() or 1)


def test_numbers_of_processes_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"processes is 101; expected at most one a node: \d+"):
        run_scenario(EVERYTHING, 5, silent, processes=101)
    with pytest.raises(UsageError, match="processes is 0; expected 1 or more"):
        run_scenario(EVERYTHING, 5, silent, processes=0)
    with pytest.raises(UsageError, match="a trace is written by one"):
        run_scenario(EVERYTHING, 5, silent, tmp_path / "a.trace", processes=2)
