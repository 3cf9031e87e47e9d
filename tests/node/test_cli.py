"""The command line without a daemon: help, wrong usage, start-up cost."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import tastemesh
from tastemesh.node.cli import COMMANDS, command_group, main
from tastemesh.node.cli.statements import seconds_since_1970
from tastemesh.node.cli.words import printable


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TASTEMESH_HOME", "TASTEMESH_BROKERS", "TASTEMESH_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    for name, entry in COMMANDS.items():
        assert f"  {name} " in told
        assert entry.summary in " ".join(told.split())


def test_no_arguments_show_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Usage: tastemesh" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches_by_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    told = capsys.readouterr().out
    assert f"Usage: tastemesh {name}" in told
    assert f"Example: tastemesh {name}" in told
    assert COMMANDS[name].summary.rstrip(".") in " ".join(told.split())


def test_help_imports_no_command_and_nothing_heavy() -> None:
    """What costs time to import: 20 ms and more each (measured)."""
    script = (
        "import sys; from tastemesh.node.cli import main; main(['--help']); "
        "print(sorted(m.partition('.')[0] for m in sys.modules), file=sys.stderr); "
        "print([m for m in sys.modules if m.startswith('tastemesh.node.cli.')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    packages, commands = done.stderr.strip().splitlines()
    assert commands == "[]"
    for heavy in ("numpy", "starlette", "uvicorn", "cryptography", "rich", "structlog", "pydantic"):
        assert f"'{heavy}'" not in packages


def test_a_command_that_only_asks_a_daemon_loads_nothing_that_ranks() -> None:
    asking = ("record", "endorse", "block", "forget", "rotate", "recommend", "status")
    script = (
        "import sys; from tastemesh.node.cli import main;"
        f"statuses = [main([name, '--help']) for name in {asking}];"
        "sys.exit(any(statuses) or bool({'numpy', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_group_resolves_to_real_commands() -> None:
    group = command_group()
    for name in COMMANDS:
        context = group.commands[name].make_context(name, [], resilient_parsing=True)
        assert context.command.params, name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["endors"], "No such command 'endors'. Did you mean 'endorse'?"),
        (["record"], "Missing argument 'ITEM'"),
        (["record", "a", "b"], "unexpected extra argument(s) (b)"),
        (["record", "a", "--wieght", "1"], "No such option: --wieght"),
        (["record", "a", "--weight", "much"], "'--weight': "),
        (["record", "a", "--time", "yesterday"], "--time is 'yesterday'; expected seconds"),
        (["recommend", "-k", "0"], "'--k' / '-k': Input should be greater than or equal to 1"),
        (["run", "--http-port", "65536"], "http_port from --http-port is 65536; expected a port"),
        (["run", "--broker", "tcp://a"], "brokers from --broker: broker URL 'tcp://a' must start"),
        (["run", "--log-level", "loud"], "expected debug, info, warning or error"),
        (["init", "--network", "A B"], "network from --network"),
        (["broker", "--port", "x"], "'--port': "),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(tmp_path / "home")] if arguments[0] in COMMANDS else []
    assert main([*arguments, *home]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.startswith("tastemesh")
    assert told.err.count("\n") == 1
    assert told.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--serve", "--http-port", "65536"], "'--http-port': Input should be"),
        (["demo", "--serve", "--http-port", "-1"], "'--http-port': Input should be"),
        (["demo", "--seconds", "inf"], "'--seconds': Input should be"),
        (["demo", "--nodes", "1"], "'--nodes': Input should be"),
        (["demo", "--attack", "nuke", "--interactions", "none.csv"], "attack is 'nuke'; expected"),
        (["demo", "--broker", "tcp://a"], "broker URL 'tcp://a' must start with mqtt://"),
        (["demo", "--columns", "user=1,item=2"], "--columns needs --interactions"),
        (["demo", "--min-weight", "0"], "--min-weight needs --interactions"),
        (["demo", "--skip-bad"], "--skip-bad needs --interactions"),
        (["demo", "--interactions", "x", "--json", "./x"], "--interactions and --json both name"),
        (["sim", "--inspect", "x", "--node", "1", "--at", "inf"], "'--at': Input should be"),
        (["sim", "calm", "--record", "x", "--json", "./x"], "--record and --json both name x"),
    ],
)
def test_what_a_run_could_not_end_with_is_refused_before_it(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["record", "a"], ["endorse", "0" * 64], ["recommend"], ["status"]]
)
@pytest.mark.parametrize("left_behind", ["", '{"pid": 2147483647, "http": "http://x"}', "{", "[]"])
def test_without_a_daemon_the_line_says_how_to_start_one(
    arguments: list[str], left_behind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if left_behind:
        (tmp_path / "daemon.json").write_text(left_behind)
    assert main([*arguments, "--home", str(tmp_path)]) == 1
    expected = f"no daemon runs for {tmp_path}; start it with: tastemesh run --home {tmp_path}"
    assert capsys.readouterr().err == f"tastemesh: {expected}\n"


def test_init_makes_a_home_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "ann"
    arguments = ["init", "--home", str(home), "--broker", "mqtt://b.example", "--http-port", "0"]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert 'brokers = ["mqtt://b.example"]' in (home / "config.toml").read_text()
    assert "\nhttp_port = 0\n" in (home / "config.toml").read_text()
    for secret in ("api.token", "config.toml", "keys/me.key", "keys/node.key"):
        assert (home / secret).stat().st_mode & 0o077 == 0

    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert main(["init", "--home", str(home)]) == 0
    assert capsys.readouterr().out == first
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before

    assert main(arguments) == 2
    assert "config.toml exists already; change brokers, http_port there" in (
        capsys.readouterr().err
    )


def test_init_writes_nothing_of_the_environment_into_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASTEMESH_BROKERS", "mqtts://ann:secret@broker.example")
    assert main(["init", "--home", str(tmp_path / "home"), "--network", "lab"]) == 0
    written = (tmp_path / "home" / "config.toml").read_text()
    assert '\nnetwork = "lab"\n' in written
    assert "\n# brokers = []\n" in written
    assert "secret" not in written


def test_init_encrypts_the_keys_with_a_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TASTEMESH_PASSPHRASE", "correct horse")
    assert main(["init", "--home", str(tmp_path)]) == 0
    assert "ENCRYPTED" in (tmp_path / "keys" / "me.key").read_text()
    monkeypatch.delenv("TASTEMESH_PASSPHRASE")
    assert main(["init", "--home", str(tmp_path)]) == 2
    assert "expected a passphrase, in TASTEMESH_PASSPHRASE or" in capsys.readouterr().err


def test_a_passphrase_for_keys_that_have_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--home", str(tmp_path)]) == 0
    monkeypatch.setenv("TASTEMESH_PASSPHRASE", "correct horse")
    assert main(["init", "--home", str(tmp_path)]) == 2
    assert "is not encrypted: expected no passphrase, and one is set" in capsys.readouterr().err


def test_a_home_that_cannot_be_made_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["init", "--home", str(tmp_path / "file" / "home")]) == 2
    assert str(tmp_path / "file" / "home") in capsys.readouterr().err


def test_a_home_that_is_no_folder_is_refused_and_here_is_only_a_dot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--home", ""]) == 2
    assert capsys.readouterr().err == "tastemesh: --home is empty; expected a folder\n"
    assert not list(tmp_path.iterdir())
    (tmp_path / "a-file").touch()
    assert main(["init", "--home", "a-file"]) == 2
    assert capsys.readouterr().err == "tastemesh: --home a-file is a file; expected a folder\n"
    monkeypatch.setenv("TASTEMESH_HOME", "relative")
    assert main(["init"]) == 0
    assert f"home      {tmp_path / 'relative'}\n" in capsys.readouterr().out
    assert main(["init", "--home", "."]) == 0
    assert f"home      {tmp_path}\n" in capsys.readouterr().out


def test_a_closed_pipe_ends_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    script = "from tastemesh.node.cli import main; raise SystemExit(main(['--help']))"
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


_INTERRUPTED = """
import ctypes, signal, sys, threading, types
from tastemesh.node import cli

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

def interrupt(): raise KeyboardInterrupt

def compile():
    "Do as numba does."
    try:
        interrupt()
    except KeyboardInterrupt as error:
        raise SystemError("the dispatcher returned a result with an exception set") from error

def call_back():
    "Do as LLVM does."
    ctypes.CFUNCTYPE(None)(interrupt)()
    threading.Event().wait(60)

stuck = types.ModuleType("tastemesh.node.cli.stuck")
stuck.compile, stuck.call_back, stuck.interrupt = compile, call_back, interrupt
sys.modules[stuck.__name__] = stuck
cli.COMMANDS["stuck"] = cli.Entry(f"stuck:{sys.argv[1]}", "")
raise SystemExit(cli.main(["stuck"]))
"""


@pytest.mark.parametrize("where", ["interrupt", "compile", "call_back"])
def test_ctrl_c_ends_with_130_and_no_traceback_wherever_it_comes(where: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, where], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")


_EARLY = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)

class CtrlC:
    "Comes while the commands load."
    def find_spec(self, name, path, target=None):
        if name == "tastemesh.node.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
from tastemesh.__main__ import main
main()
"""


def test_ctrl_c_while_the_commands_load_is_as_quiet() -> None:
    done = subprocess.run([sys.executable, "-c", _EARLY], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_it_runs_as_a_module_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tastemesh", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"tastemesh {tastemesh.__version__}\n")


def test_an_output_on_a_full_disk_is_one_line() -> None:
    script = "from tastemesh.node.cli import main; raise SystemExit(main())"
    for arguments in (["--help"], ["evaluate", "--help"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [sys.executable, "-c", script, *arguments],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        expected = "tastemesh: cannot go on: No space left on device\n"
        assert (done.returncode, done.stderr) == (1, expected)


def test_an_output_that_the_shell_has_closed_is_none() -> None:
    script = "from tastemesh.node.cli import main; raise SystemExit(main(['--version']))"
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -c "$1" >&-', sys.executable, script],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_letter_that_the_terminal_does_not_have_is_escaped(tmp_path: Path) -> None:
    history = tmp_path / "plays.csv"
    history.write_text("item,plays\nбитва,2\ncafé,1\n", encoding="utf-8")
    script = "from tastemesh.node.cli import main; raise SystemExit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "import", history, "--format", "csv", "--dry-run"],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )
    assert "café" in done.stdout.decode("latin-1")
    assert r"\u0431\u0438" in done.stdout.decode("latin-1")


def test_time_is_seconds_or_iso() -> None:
    assert seconds_since_1970("86400.5") == 86400.5
    assert seconds_since_1970("1970-01-02T01:00:00+01:00") == 86400.0


def test_nothing_from_the_network_moves_the_cursor() -> None:
    assert printable("a\x1b[2J\u202eb\nc") == "a\\x1b[2J\\u202eb\\nc"
    assert printable("Björk – [red]") == "Björk – [red]"


def test_a_command_that_is_told_names_the_home_as_a_shell_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a Mac the usual home is below "Application Support"."""
    home, copy = tmp_path / "Application Support", tmp_path / "a copy"

    def told(*words: object) -> list[str]:
        main([str(word) for word in words])
        both = "".join(capsys.readouterr())
        return next(shlex.split(line) for line in both.splitlines() if "--home" in line)

    assert told("backup", tmp_path / "x.zip", "--home", home)[-1] == str(home)
    assert told("init", "--home", home)[-1] == str(home)
    main(["backup", str(tmp_path / "x.zip"), "--home", str(home)])
    assert told("restore", tmp_path / "x.zip", "--home", copy)[-1] == str(copy)
