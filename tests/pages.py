"""The code blocks of a page of documentation: run as they stand, or checked where they cannot be.

The blocks of one page run in order in one folder, with a home of its own, a clone's `.venv`, and
two small files, plays.csv and friends.csv. `tastemesh run` goes on beside them, and PEER stands for
somebody. The broker that a machine's nodes share has a port of its own: whoever runs the tests may
have a node running, whose network would else be told what the pages say.
A block after the comment `<!-- long -->` is not run: its tastemesh commands are parsed, the rest is
checked for syntax.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tastemesh.node.cli import command_group
from tastemesh.node.config import load_configuration
from tests.brokers import free_port

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^(<!-- long -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(
    r"(?:^    (?:tastemesh|make|\.venv/bin/\S+) .*\n(?:^ {5,}.*\n)*)+", re.MULTILINE
)
PEER = "ab" * 32
ELSEWHERE = """# Python runs this at its start.
from tastemesh.node import settings

settings.BROKER_PORT = {port}
settings.EMBEDDED_BROKER_URL = "mqtt://127.0.0.1:{port}"
"""
SHELL = ("sh", "bash", "console")


class Block(NamedTuple):
    """One piece of code."""

    language: str
    text: str
    long: bool


def blocks(page: Path) -> list[Block]:
    """Return what a page shows, in order."""
    text = page.read_text(encoding="utf-8")
    found = [Block(language, body, bool(mark)) for mark, language, body in FENCE.findall(text)]
    prose = FENCE.sub("", text)
    return found + [Block("sh", body, True) for body in INDENTED.findall(prose)]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command of a script: continued lines joined, comments gone."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def check_command(words: list[str], page: Path) -> None:
    """Parse a command of ours, or see that what it names is there."""
    program = words[0].removeprefix(".venv/bin/")
    if program == "tastemesh" and len(words) > 1:
        group = command_group()
        name = words[1]
        assert name in group.commands or name.startswith("-"), f"{page.name}: no command {name}"
        if name in group.commands:
            group.commands[name].make_context(name, list(words[2:]))
    elif program == "make":
        run = subprocess.run(
            ["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr


class Folder:
    """A new user's folder: a clone with what is installed in it, and two files."""

    def __init__(self, path: Path, data: Path) -> None:
        self.path = path
        self.port = free_port()
        (path / ".venv").symlink_to(sys.prefix)
        for name in ("examples", "benchmarks", "deploy", "docs", "fuzz"):
            if (ROOT / name).exists():
                (path / name).symlink_to(ROOT / name)
        for file in data.iterdir():
            (path / file.name).write_bytes(file.read_bytes())
        start = path / "start"
        start.mkdir()
        (start / "sitecustomize.py").write_text(ELSEWHERE.format(port=free_port()))
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("TASTEMESH_")
        } | {
            "HOME": str(path),
            "XDG_DATA_HOME": str(path / ".local" / "share"),
            "TASTEMESH_HTTP_PORT": str(self.port),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(start), str(ROOT), *filter(None, sys.path)]),
        }
        self.running: list[subprocess.Popen[str]] = []

    def script(self, text: str, page: Path) -> None:
        """Run a block for the shell, its daemon in the background."""
        lines = []
        for words in commands(text):
            if words[0].endswith("tastemesh") and words[1:2] == ["run"]:
                self.start(words)
            elif words[0] == "make":
                check_command(words, page)
            else:
                lines.append(words)
        if lines:
            kept = "\n".join(
                line
                for line in text.replace("\\\n", " ").splitlines()
                if (words := shlex.split(line, comments=True)) and words in lines
            )
            self.call(["bash", "-euo", "pipefail", "-c", self.filled(kept)], page, text)

    def start(self, words: list[str]) -> None:
        """Start a daemon and wait until it answers."""
        process = subprocess.Popen(
            words,
            cwd=self.path,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.running.append(process)
        assert process.stdout
        for line in process.stdout:
            if '"ready"' in line:
                return
        pytest.fail(f"{shlex.join(words)} ended")

    def filled(self, text: str) -> str:
        return re.sub(r"\bPEER\b", PEER, text).replace("8765", str(self.port))

    def call(self, words: list[str], page: Path, shown: str) -> None:
        run = subprocess.run(
            words,
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert run.returncode == 0, f"{page.name}:\n{shown}\n{run.stdout}{run.stderr}"

    def stop(self) -> None:
        for process in self.running:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


@contextmanager
def folder(path: Path, data: Path) -> Iterator[Folder]:
    made = Folder(path, data)
    try:
        yield made
    finally:
        made.stop()


def check_page(page: Path, path: Path, data: Path) -> None:
    """Run or check every block of a page.

    Args:
        page: Markdown.
        path: an empty folder.
        data: a folder with the two files.
    """
    with folder(path, data) as place:
        for block in blocks(page):
            if block.language in SHELL and block.long:
                subprocess.run(["bash", "-n", "-c", block.text], check=True)
                for words in commands(place.filled(block.text)):
                    check_command(words, page)
            elif block.language in SHELL:
                place.script(block.text, page)
            elif block.language == "python" and not block.long:
                place.call([sys.executable, "-W", "error", "-c", block.text], page, block.text)
            elif block.language == "python":
                compile(block.text, page.name, "exec")
            elif block.language == "toml":
                check_toml(block.text, path)
            elif block.language == "json":
                json.loads(block.text)


def check_toml(text: str, path: Path) -> None:
    """A scenario, or a node's settings: each is read by what reads it."""
    told = tomllib.loads(text)
    if "brokers" in told and isinstance(told["brokers"], list | str):
        home = path / "toml-home"
        home.mkdir(exist_ok=True)
        (home / "config.toml").write_text(text)
        load_configuration(home, environ={})
