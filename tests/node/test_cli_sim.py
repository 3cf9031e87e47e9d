"""`tastemesh sim --seeds`: one run after the other, and what is kept."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tastemesh.node.cli import main


def test_each_seed_is_the_run_that_it_is_alone(
    three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone, several = tmp_path / "alone.json", tmp_path / "several.json"
    assert main(["sim", str(three), "--seed", "6", "--json", str(alone)]) == 0
    capsys.readouterr()
    picture = tmp_path / "several.png"
    asked = ["--seed", "5", "--seeds", "3", "--json", str(several), "--plot", str(picture)]
    assert main(["sim", str(three), *asked]) == 0
    told, result = capsys.readouterr(), json.loads(several.read_text())
    assert result["seeds"] == [5, 6, 7]
    assert result["seeds_wanted"] == 3
    assert [run["seed"] for run in result["runs"]] == [5, 6, 7]
    timed = ("wall_seconds", "events_per_s", "peak_rss_mb")
    one, same = ({**run, **dict.fromkeys(timed)} for run in (
        json.loads(alone.read_text()), result["runs"][1]
    ))  # fmt: skip
    assert one == same
    assert all(run["digest"] in told.out for run in result["runs"])
    mean = sum(run["events"] for run in result["runs"]) / 3
    assert result["summary"]["events"]["mean"] == pytest.approx(mean)
    low, high = result["summary"]["events"]["ci95"]
    assert low <= mean <= high
    assert "95 % interval" in told.out
    assert [line for line in told.err.splitlines() if line.startswith("seed")] == [
        "seed 5, 1 of 3 ...", "seed 6, 2 of 3 ...", "seed 7, 3 of 3 ..."
    ]  # fmt: skip
    assert picture.read_bytes().startswith(b"\x89PNG")


_HEEDING = """
import signal, sys
from tastemesh.node.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_keeps_the_seeds_that_are_done(three: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    asked = ["sim", str(three), "--seeds", "9000", "--json", str(result)]
    with subprocess.Popen(
        [sys.executable, "-c", _HEEDING, *asked],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any(line.startswith("seed 2,") for line in process.stderr)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    kept = json.loads(result.read_text())
    assert 2 <= len(kept["runs"]) < 9_000
    assert kept["seeds"] == list(range(len(kept["runs"])))
    assert kept["seeds_wanted"] == 9_000
    assert f"{len(kept['runs'])} of 9,000 seeds done\n" in err
    assert kept["runs"][0]["digest"] in out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seeds", "2", "--record", "a.trace"], "--record writes the trace of one seed"),
        (["--seeds", "0"], "greater than or equal to 1"),
        (
            ["--seeds", "2", "--seed", str((1 << 63) - 1)],
            f"the last seed is {1 << 63}; expected at most",
        ),
    ],
)
def test_seeds_that_make_no_sense_are_refused_before_any_run(
    options: list[str],
    said: str,
    three: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sim", str(three), *options]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert not told.out
    assert "seed 0" not in told.err


@pytest.mark.parametrize("what", ["--replay", "--inspect"])
def test_a_trace_has_one_seed(
    what: str, three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "run.trace"
    assert main(["sim", str(three), "--record", str(trace)]) == 0
    assert main(["sim", what, str(trace), "--seeds", "2"]) == 2
    assert f"{what} takes everything from the trace; no" in capsys.readouterr().err
