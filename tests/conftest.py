"""Fixtures that more than one folder of tests uses."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from tastemesh.sim.community import synthetic_community
from tests.brokers import (
    BrokerProcess,
    NatsCluster,
    free_port,
    mosquitto_command,
    mosquitto_program,
    nats_command,
)

# Tests judge what comes out, never how long it took: the machine may be busy.
settings.register_profile("tastemesh", deadline=None)
settings.load_profile("tastemesh")


@pytest.fixture
async def nats_broker(tmp_path: Path) -> AsyncIterator[BrokerProcess]:
    port = free_port()
    command = nats_command(tmp_path, port)
    async with BrokerProcess("nats", command, port, tmp_path / "nats.log") as broker:
        yield broker


@pytest.fixture
async def mosquitto_broker(tmp_path: Path) -> AsyncIterator[BrokerProcess]:
    if mosquitto_program() is None:
        pytest.skip("mosquitto is not installed: it is the second broker that these tests run on")
    port = free_port()
    command = mosquitto_command(tmp_path, port)
    async with BrokerProcess("mosquitto", command, port, tmp_path / "mosquitto.log") as broker:
        yield broker


@pytest.fixture(params=["nats", "mosquitto"])
async def any_broker(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[BrokerProcess]:
    kind = str(request.param)
    if kind == "mosquitto" and mosquitto_program() is None:
        pytest.skip("mosquitto is not installed: it is the second broker that these tests run on")
    port = free_port()
    command = (nats_command if kind == "nats" else mosquitto_command)(tmp_path, port)
    async with BrokerProcess(kind, command, port, tmp_path / f"{kind}.log") as broker:
        yield broker


@pytest.fixture
async def nats_cluster(tmp_path: Path) -> AsyncIterator[NatsCluster]:
    async with NatsCluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A community small enough for every command: plays.csv and friends.csv."""
    path = tmp_path_factory.mktemp("data")
    plays, friends = synthetic_community(40, seed=1)
    rows = zip(plays.user.tolist(), plays.item.tolist(), strict=True)
    with (path / "plays.csv").open("w") as file:
        print("user,item,timestamp", file=file)
        for second, (user, item) in enumerate(rows, 1_700_000_000):
            print(plays.user_ids[user], plays.item_ids[item], second, sep=",", file=file)
    with (path / "friends.csv").open("w") as file:
        print("source,subject", file=file)
        for source, subject in zip(friends.source.tolist(), friends.subject.tolist(), strict=True):
            print(friends.ids[source], friends.ids[subject], sep=",", file=file)
    return path
