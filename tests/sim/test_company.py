"""Processes that share a network's nodes: the run is the same for any number of them."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tastemesh.errors import ProcessError, UsageError
from tastemesh.sim.brokers import BrokerPolicy
from tastemesh.sim.company import Company, fitting_size, gathered
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


def silent(stage: str, done: int, total: int) -> None:
    assert 0 <= done <= total


def in_threads(size: int, work: Callable[[Company], Any]) -> list[Any]:
    """Have a company of threads do something; what each made of it, by rank."""
    pairs = [Pipe() for _ in range(1, size)]
    lines: list[list[Connection]] = [[ours for ours, _ in pairs], *([line] for _, line in pairs)]

    def play(rank: int) -> Any:
        try:
            return work(Company(rank, size, lines[rank]))
        finally:
            for line in lines[rank]:
                line.close()

    with ThreadPoolExecutor(size) as pool:
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
        frames = company.exchange(bytes([company.rank]) * 300_000)  # more than a pipe holds
        return frames, company.gather({company.rank: "here"}, dict[int, str])

    whole = [bytes([rank]) * 300_000 for rank in range(3)]
    assert in_threads(3, work) == [(whole, [{0: "here"}, {1: "here"}, {2: "here"}])] * 3
    assert in_threads(1, work)[0][1] == [{0: "here"}]


def test_every_node_has_one_home() -> None:
    for size in (1, 2, 5):
        company = [Company(rank, size) for rank in range(size)]
        assert all(sum(each.has(number) for each in company) == 1 for number in range(20))


def test_a_process_that_cannot_do_its_task_ends_the_simulation(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with (
        pytest.raises(ProcessError, match="ended before its work did"),
        gathered(2, b"no task") as company,
    ):
        company.exchange(b"")
    assert "msgspec" in capfd.readouterr().err  # and says why itself


def test_a_process_that_is_killed_ends_the_simulation_and_leaves_none_behind() -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)

    with pytest.raises(ProcessError, match="want of memory"):
        run_scenario(EVERYTHING, 5, interrupt, processes=2)
    assert not Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_a_small_network_has_one_process() -> None:
    assert fitting_size(2) == fitting_size(199) == 1
    assert 1 <= fitting_size(10_000) <= (os.cpu_count() or 1)


def test_numbers_of_processes_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="processes is 0; expected 1 or more"):
        run_scenario(EVERYTHING, 5, silent, processes=0)
    with pytest.raises(UsageError, match="a trace is written by one"):
        run_scenario(EVERYTHING, 5, silent, tmp_path / "a.trace", processes=2)
