"""`tastemesh evaluate` and `attack`: what is refused before any work, and what is told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tastemesh.node.cli import main


@pytest.fixture
def plays(tmp_path: Path) -> Path:
    path = tmp_path / "plays.csv"
    rows = [f"u{user},i{(user * 7 + place * 3) % 20}" for user in range(12) for place in range(9)]
    path.write_text("\n".join(["user,item", *rows]) + "\n")
    return path


@pytest.mark.parametrize("command", ["evaluate", "attack"])
def test_a_result_that_could_not_be_written_is_refused_first(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "missing" / "result.json"
    assert main([command, "--interactions", "none.csv", "--json", str(nowhere)]) == 2
    expected = f"tastemesh: --json {nowhere}: No such file or directory\n"
    assert capsys.readouterr().err == expected
    kept, fresh = tmp_path / "kept.json", tmp_path / "fresh.json"
    kept.write_text("{}")
    for path in (kept, fresh):
        assert main([command, "--interactions", "none.csv", "--json", str(path)]) == 2
        assert "none.csv: there is no such file" in capsys.readouterr().err
    assert kept.read_text() == "{}"
    assert not fresh.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--attack-edges", "0,1"], "attack-edges above 0 need --endorsements"),
        (["--attack-edges", "foo"], "--attack-edges is 'foo'; expected whole numbers"),
        (["--identities", "10,10"], "identities is 10, 10; expected each once"),
        (["--systems", "foo"], "unknown system 'foo'; expected one of tastemesh, "),
        (["--systems", "friends"], "friends needs --endorsements"),
        (["--egos-without-endorsements", "5"], "egos-without-endorsements needs --endorsements"),
        (["--scheduler", "tcp://a:1"], "--scheduler goes with --backend dask, not local"),
        (["--jobs", "99999"], "--jobs 99999: expected at most 1024"),
        (["--undirected"], "--undirected needs --endorsements"),
    ],
)
def test_options_of_an_attack_are_checked_before_the_data(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["attack", "--interactions", "none.csv", *options]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--methods", "svd"], "unknown method 'svd'; expected one of tastemesh, "),
        (["--methods", ""], "unknown method ''"),
        (["--methods", "als,als"], "--methods als,als: expected each once"),
        (["--methods", "friends"], "friends needs --endorsements"),
        (["--test-fraction", "1.5"], "--test-fraction 1.5: expected above 0 and below 1"),
        (["--cutoff", "2010-01-01"], "--cutoff goes with --split global-time, not random"),
        (["--split", "global-time", "--cutoff", "soon"], "--cutoff soon: expected an ISO date"),
        (["--undirected"], "--undirected needs --endorsements"),
        (["--endorsements", "nobody.csv"], "nobody.csv: there is no such file"),
    ],
)
def test_options_of_an_evaluation_are_checked_before_the_data(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--interactions", "none.csv", *options]) == 2
    assert said in capsys.readouterr().err


def test_friends_without_endorsements_are_left_out_with_the_reason(
    plays: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strangers = tmp_path / "strangers.csv"
    strangers.write_text("source,subject\nx,y\n")
    common = ["evaluate", "--interactions", str(plays), "--endorsements", str(strangers)]
    assert main([*common, "--methods", "friends,popularity"]) == 0
    told = capsys.readouterr()
    assert "friends skipped: none of the users" in told.err
    assert "popularity" in told.out
    assert "friends" not in told.out
    assert main([*common, "--methods", "friends"]) == 1
    told = capsys.readouterr()
    assert ("friends skipped" in told.err, told.out) == (True, "")


def test_which_columns_were_read_and_how_many_were_asked_is_told(
    plays: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "result.json"
    common = ["--interactions", str(plays), "--json", str(result)]
    small = ["--strategies", "whitewash", "--systems", "popularity", "--identities", "1"]
    assert main(["attack", *common, *small, "--seeds", "1", "--egos", "50"]) == 0
    told = capsys.readouterr()
    assert f"{plays}: columns user=user,item=item" in told.err
    assert "asked are 12 of 50 egos (without-endorsements): there are no more" in told.err
    written = json.loads(result.read_text())
    assert written["columns"] == {"interactions": "user=user,item=item", "endorsements": None}
    (cell,) = written["cells"]
    assert (cell["attack_edges"], cell["asked"], cell["egos"]) == (0, 12, 12)
    assert main(["evaluate", *common, "--methods", "popularity"]) == 0
    capsys.readouterr()
    assert json.loads(result.read_text())["columns"] == written["columns"]


def test_an_evaluation_is_the_same_for_any_number_of_processes(
    plays: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone, shared = tmp_path / "alone.json", tmp_path / "shared.json"
    common = ["evaluate", "--interactions", str(plays), "--methods", "userknn,popularity"]
    assert main([*common, "--processes", "1", "--json", str(alone)]) == 0
    assert main([*common, "--processes", "2", "--json", str(shared)]) == 0
    results = [json.loads(path.read_text()) for path in (alone, shared)]
    for row in (row for result in results for row in result["results"]):
        del row["ms_per_user"], row["fit_seconds"]
    assert results[0] == results[1]
    assert main([*common, "--processes", "0"]) == 2
    assert "--processes" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "attack", "demo"])
@pytest.mark.parametrize(
    "option", [["--undirected"], ["--endorsement-columns", "source=1,subject=2"]]
)
def test_options_of_a_file_that_is_not_given_are_refused(
    command: str, option: list[str], plays: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--interactions", str(plays), *option]) == 2
    assert f"tastemesh: {option[0]} needs --endorsements\n" in capsys.readouterr().err


def test_a_simulations_digest_and_names_are_whole_in_a_pipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = tmp_path / "two.toml"
    scenario.write_text(
        'description = "four people"\nnodes = 4\nseconds = 30\nquiet_s = 10\n'
        'records_per_hour = 600\n[[adversaries]]\nstrategy = "early-spam"\nmessages = 5\n'
    )
    result = tmp_path / "result.json"
    assert main(["sim", str(scenario), "--json", str(result)]) == 0
    told = capsys.readouterr().out
    alone = json.loads(result.read_text())
    assert alone["digest"] in told
    assert " early-spam " in told
    assert " exposure@10 " in told
    assert main(["sim", str(scenario), "--processes", "2", "--json", str(result)]) == 0
    shared = json.loads(result.read_text())
    assert (alone["processes"], shared["processes"]) == (1, 2)
    assert shared["peak_rss_mb"] > alone["peak_rss_mb"]
    timed = {"wall_seconds", "events_per_s", "processes", "peak_rss_mb"}
    assert all(shared[name] == alone[name] for name in alone.keys() - timed)


def test_a_simulation_overwrites_nothing_that_it_reads_or_writes_itself(
    three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, trace = three.read_text(), tmp_path / "run.trace"
    for option in ("--record", "--json", "--plot"):
        assert main(["sim", str(three), option, str(three)]) == 2
        assert f"SCENARIO and {option} both name {three}" in capsys.readouterr().err
    assert main(["sim", str(three), "--record", str(trace), "--json", str(trace)]) == 2
    assert f"--record and --json both name {trace}" in capsys.readouterr().err
    assert three.read_text() == text
    assert main(["sim", str(three), "--record", str(trace)]) == 0
    assert main(["sim", "--replay", str(trace), "--json", str(trace)]) == 2
    assert f"--replay and --json both name {trace}" in capsys.readouterr().err
    assert main(["sim", "--replay", str(trace)]) == 0


def test_a_picture_that_could_not_be_written_is_refused_before_the_run(
    three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sim", str(three), "--plot", str(tmp_path / "a.pdf")]) == 2
    assert "a.pdf: expected a name that ends in .png or .svg\n" in capsys.readouterr().err
    assert main(["sim", str(three), "--plot", str(tmp_path / "missing" / "a.png")]) == 2
    refused = capsys.readouterr()
    assert "a.png: No such file or directory\n" in refused.err
    assert "digest" not in refused.out
    assert main(["sim", str(three), "--plot", str(tmp_path / "a.svg")]) == 0
    assert "series" not in capsys.readouterr().out
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("command", ["attack", "evaluate"])
def test_an_experiment_overwrites_none_of_its_data(
    command: str, plays: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = plays.read_text()
    assert main([command, "--interactions", str(plays), "--json", str(plays)]) == 2
    assert f"--interactions and --json both name {plays}" in capsys.readouterr().err
    assert plays.read_text() == text


@pytest.mark.parametrize("what", ["--replay", "--inspect"])
@pytest.mark.parametrize("option", ["--nodes", "--seed", "--processes", "--plot"])
def test_options_of_a_run_are_refused_where_a_trace_says_all(
    what: str, option: str, three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "run.trace"
    assert main(["sim", str(three), "--record", str(trace)]) == 0
    asked = ["--node", "1", "--at", "1"] if what == "--inspect" else []
    assert main(["sim", what, str(trace), *asked]) == 0
    assert main(["sim", what, str(trace), *asked, option, "2"]) == 2
    assert f"{what} takes everything from the trace; no" in capsys.readouterr().err


THREADS = """
import os, sys
from tastemesh.node.cli import main

assert "numpy" not in sys.modules
assert main(["evaluate", "--interactions", sys.argv[1], "--methods", "als"]) == 0
print(os.environ["OPENBLAS_NUM_THREADS"])
"""


@pytest.mark.parametrize("asked", [None, "2"])
def test_linear_algebra_has_one_thread_unless_somebody_asks_for_more(
    asked: str | None, plays: Path
) -> None:
    """It is read where numpy is loaded: nothing may load it before."""
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    if asked is not None:
        environment["OPENBLAS_NUM_THREADS"] = asked
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", THREADS, str(plays)],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.splitlines()[-1] == (asked or "1")
