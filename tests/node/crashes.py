"""Kills the real daemon at random moments, and looks at what is left: nothing said may be lost.

`python -m tests.node.crashes --runs 500 --seed 0` does it for long; a test does it a few times.

A daemon with a fresh key runs on a real broker beside a neighbour. Clients record through its API
as fast as it answers, some of it in private, and note what was acknowledged; the neighbour records
too, so that foreign records come in. At a random moment, also while it starts, the daemon gets
SIGKILL. Then its database is opened: it must be whole, hold all that was acknowledged, and no
number may ever have been used for two records. One author's quota in the window is soon full, and
then each record pushes his oldest out; so a record that is gone is lost unless the quota is full of
younger ones; private interactions have a quota of their own. What was committed and not
acknowledged any more takes room in it like anything else. On a quick machine the quota is full
before the first kill: a record that was never seen is as old as the request for it.
"""

import argparse
import asyncio
import http.client
import json
import multiprocessing
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

import tastemesh
from tastemesh.gossip.limits import Limits
from tastemesh.node.broker import EmbeddedBroker
from tastemesh.node.clock import SystemClock
from tests.brokers import free_port
from tests.node.daemons import run_quietly

CLIENTS = 3
PRIVATE_SHARE = 0.2
WHILE_STARTING_SHARE = 0.2  # of the crashes; the others come while it works
STARTING_S = 0.3
WORKING_S = 0.8
READY_S = 60.0  # the machine may be busy

# Daemons are forked from a process that has imported everything: most of what a start takes is
# imports, during which there is nothing to lose.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tastemesh.node.daemon", "tests.node.daemons"])


class Tally(msgspec.Struct):
    """What a series of crashes came to.

    Attributes:
        kills: daemons killed.
        before_ready: of these, while they started.
        acknowledged: interactions, by HTTP status 201.
        lost: of these, gone though nothing pushed them out.
        corrupt: databases that failed SQLite's integrity check.
        reused: numbers under which two records were signed.
        unsaid: most own records in the window at once that were committed and not acknowledged.
        foreign: records of the neighbour at the end.
    """

    kills: int = 0
    before_ready: int = 0
    acknowledged: int = 0
    lost: int = 0
    corrupt: int = 0
    reused: int = 0
    unsaid: int = 0
    foreign: int = 0

    def line(self) -> str:
        return ", ".join(f"{name} {getattr(self, name):,}" for name in self.__struct_fields__)


class Victim:
    """One home whose daemon is started and killed again and again.

    Args:
        home: a folder that is its own.
        broker: URL.
        seed: of the moments.
    """

    def __init__(self, home: Path, broker: str, seed: int) -> None:
        self.home = home
        self.tally = Tally()
        self._rng = random.Random(seed)
        self._published: dict[str, Age] = {}  # acknowledged, by id; until seen, of the request
        self._private: dict[str, Age] = {}  # the same by item
        self._slots: dict[tuple[bytes, int, int], bytes] = {}
        self._item = 0
        self._lock = threading.Lock()
        home.mkdir(parents=True, exist_ok=True)
        (home / "config.toml").write_text(f'brokers = ["{broker}"]\nhttp_port = 0\n')

    def crash(self) -> None:
        """Start the daemon, use it, kill it, and look."""

        while_starting = self._rng.random() < WHILE_STARTING_SHARE
        delay_s = self._rng.uniform(0, STARTING_S if while_starting else WORKING_S)
        (self.home / "daemon.json").unlink(missing_ok=True)
        process = _FORKS.Process(target=run_quietly, args=(self.home,))
        process.start()
        over = threading.Event()
        clients = [threading.Thread(target=self._record, args=(over,)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        deadline = time.monotonic() + READY_S
        while not while_starting and not self._is_ready:
            assert process.is_alive() and time.monotonic() < deadline, "it does not start"
            time.sleep(0.005)
        time.sleep(delay_s)
        self.tally.before_ready += not self._is_ready
        process.kill()
        over.set()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        for client in clients:
            client.join()
        self.tally.kills += 1
        self._look()

    @property
    def _is_ready(self) -> bool:
        return (self.home / "daemon.json").exists()

    def _record(self, over: threading.Event) -> None:
        """Record one thing after another until the daemon is gone."""
        while not self._is_ready:
            if over.wait(0.01):
                return
        with suppress(OSError, ValueError, http.client.HTTPException):
            endpoint = json.loads((self.home / "daemon.json").read_text())
            token = (self.home / "api.token").read_text().strip()
            address = urlsplit(endpoint["http"])
            with closing(
                http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
            ) as connection:
                while not over.is_set():
                    with self._lock:
                        self._item += 1
                        item, private = f"item {self._item}", self._rng.random() < PRIVATE_SHARE
                    asked = Age(SystemClock().wall_ms(), b"")
                    connection.request(
                        "POST",
                        "/v1/interactions",
                        json.dumps({"item": item, "private": private}),
                        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                    )
                    reply = connection.getresponse()
                    answer = json.loads(reply.read())
                    if reply.status == 429:
                        continue
                    assert reply.status == 201, answer
                    with self._lock:
                        self.tally.acknowledged += 1
                        if private:
                            self._private[item] = asked
                        else:
                            self._published.update(dict.fromkeys(answer["records"], asked))

    def _look(self) -> None:
        path = self.home / "window.sqlite3"
        if not path.exists():
            assert not self._published
            return
        with _opened(path) as db:
            try:
                whole = db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
                own = db.execute(
                    "SELECT author, epoch, seq, id, min(created_ms, first_seen_ms), statement_count"
                    " FROM records WHERE own"
                ).fetchall()
                (foreign,) = db.execute("SELECT count(*) FROM records WHERE NOT own").fetchone()
                private = {
                    item: Age(date_ms, _order(arrival))
                    for item, date_ms, arrival in db.execute(
                        "SELECT item, wall_ms - ago_ms, arrival FROM private_interactions"
                    )
                }
            except sqlite3.OperationalError as error:
                assert "no such table" in str(error), error  # killed before the first migration
                assert not self._published
                return
        self.tally.corrupt += not whole
        self.tally.foreign = foreign
        for author, epoch, seq, record_id, *_ in own:
            self.tally.reused += (
                self._slots.setdefault((author, epoch, seq), record_id) != record_id
            )
        held = {
            record_id.hex(): Age(date_ms, _order(epoch, seq))
            for _, epoch, seq, record_id, date_ms, _ in own
        }
        unsaid = len(held) - sum(record_id in self._published for record_id in held)
        self.tally.unsaid = max(self.tally.unsaid, unsaid)
        is_full = sum(count for *_, count in own) >= Limits().author_interaction_count
        for gone in missing(self._published, held, is_full=is_full):
            self._report_lost(f"record {gone}")
        is_full = len(private) >= Limits().private_interaction_count
        for item in missing(self._private, private, is_full=is_full):
            self._report_lost(f"private {item}")

    def _report_lost(self, what: str) -> None:
        self.tally.lost += 1
        print(f"lost at kill {self.tally.kills}: {what}", file=sys.stderr, flush=True)


class Age(NamedTuple):
    """What decides which of an author's records, or private interactions, is his oldest.

    Attributes:
        date_ms: its date; of what was never seen, that of the request for it.
        order: how those of one millisecond are numbered; empty for what was never seen.
    """

    date_ms: int
    order: bytes


def _order(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(8, "big") for number in numbers)


def missing(published: dict[str, Age], held: dict[str, Age], *, is_full: bool) -> list[str]:
    """Return the names of what ought to be there, and bring `published` up to date.

    Args:
        published: what was acknowledged and neither pushed out nor missed until now.
        held: what the database has.
        is_full: whether one more record would push the oldest out.
    """
    oldest = min(held.values(), default=None)
    lost = []
    for record_id, age in list(published.items()):
        if record_id in held:
            published[record_id] = held[record_id]
            continue
        del published[record_id]
        pushed_out = is_full and oldest is not None and age < oldest
        if not pushed_out:
            lost.append(record_id)
    return lost


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(path)
    try:
        yield db
    finally:
        db.close()


async def crash_series(folder: Path, kills: int, seed: int, *, show: bool = False) -> Tally:
    """Kill a daemon so many times beside a neighbour that lives; return what was found.

    Args:
        folder: for homes and the broker.
        kills: how many.
        seed: of the moments.
        show: print progress.
    """
    async with EmbeddedBroker(folder / "broker", port=free_port()) as broker:
        victim = Victim(folder / "victim", broker.url, seed)
        config = tastemesh.NodeConfig(home=folder / "neighbour", brokers=(broker.url,))
        async with tastemesh.open_node(config) as neighbour:
            talking = asyncio.create_task(_talk(neighbour))
            for number in range(1, kills + 1):
                await asyncio.to_thread(victim.crash)
                if show and (number % 10 == 0 or number == kills):
                    print(victim.tally.line(), flush=True)
            talking.cancel()
            # Two records under one number, sent at different times, would have convicted it.
            victim.tally.reused += neighbour.status()["convicted"]
    return victim.tally


async def _talk(neighbour: tastemesh.Node) -> None:
    number = 0
    while True:
        number += 1
        await neighbour.record(f"of the neighbour {number % 400}")
        await asyncio.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.node.crashes")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = asyncio.run(crash_series(Path(folder), given.runs, given.seed, show=True))
    return bool(tally.lost or tally.corrupt or tally.reused)


if __name__ == "__main__":
    sys.exit(main())
