"""A home in one file and back; and a home copied by hand, which must never use a number twice."""

import asyncio
import os
import shutil
import zipfile
from pathlib import Path

import pytest

import tastemesh
from tastemesh.errors import DataError, StorageError, UsageError
from tastemesh.gossip import codec
from tastemesh.gossip.limits import Limits
from tastemesh.node.backup import restore_archive, write_archive
from tastemesh.node.cli import main
from tastemesh.node.home import WINDOW_FILE
from tastemesh.node.identities import LocalIdentity
from tastemesh.node.node import Node
from tastemesh.node.plays import Play
from tastemesh.node.sharing import Sharing
from tests.brokers import BrokerProcess
from tests.node.full import full_at
from tests.node.test_node import until

pytestmark = pytest.mark.broker


async def slots_of(node: Node | LocalIdentity) -> dict[tuple[int, int], str]:
    """The numbers that the node's user has used, as far as the window has them."""
    said = await node.export()
    records = [codec.parse(_bytes(text), "main", Limits()) for text in said.records]
    return {record.slot: record.id.hex() for record in records}


def _bytes(text: str) -> bytes:
    from base64 import b64decode

    return b64decode(text)


async def test_a_restored_home_goes_on_in_another_epoch(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    first = tastemesh.NodeConfig(home=tmp_path / "first", brokers=(nats_broker.url,))
    second = tastemesh.NodeConfig(home=tmp_path / "second", brokers=(nats_broker.url,))
    async with tastemesh.open_node(first) as node:
        await node.record("before")
        await node.record("kept private", private=True)
        await node.backup(tmp_path / "copy")
        write_archive(first.home, tmp_path / "copy", tmp_path / "home.zip")
        await node.record("after")
        restore_archive(tmp_path / "home.zip", second.home)
        async with tastemesh.open_node(second) as other:
            assert other.identities == node.identities
            said = await other.export()
            assert [each.item for each in said.interactions][:2] == ["before", "kept private"]
            await other.record("elsewhere")
            await node.record("here")
            ours, theirs = await slots_of(node), await slots_of(other)
            epochs = sorted({epoch for epoch, _ in ours | theirs})
            assert epochs[0] == 0
            assert epochs[1] > 1_700_000_000
            assert all(ours[slot] == theirs[slot] for slot in ours.keys() & theirs.keys())
            in_force = max(theirs)
        async with tastemesh.open_node(second) as again:
            await again.record("once more")
            slots = await slots_of(again)
            assert max(slots)[0] == in_force[0]  # it has settled: no epoch a start
            assert max(slots) > in_force


async def test_a_home_copied_by_hand_is_noticed(tmp_path: Path, nats_broker: BrokerProcess) -> None:
    config = tastemesh.NodeConfig(home=tmp_path / "first", brokers=(nats_broker.url,))
    async with tastemesh.open_node(config) as node:
        await node.record("one")
    shutil.copytree(config.home, tmp_path / "second")
    config.home.rename(tmp_path / "moved")
    for name, expected in (("moved", {0}), ("second", {0, 1})):
        moved = tastemesh.NodeConfig(home=tmp_path / name, brokers=(nats_broker.url,))
        async with tastemesh.open_node(moved) as node:
            await node.record("two")
            assert {min(epoch, 1) for epoch, _ in await slots_of(node)} == expected


@pytest.mark.parametrize("is_used", [True, False])
async def test_a_key_that_was_brought_by_hand_takes_no_number_that_it_may_have_used(
    is_used: bool, tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    laptop, phone = (
        tastemesh.NodeConfig(home=tmp_path / name, brokers=(nats_broker.url,))
        for name in ("laptop", "phone")
    )
    async with tastemesh.open_node(laptop) as node:
        await node.record("on the laptop")
        identity = node.identity("me").id
    if is_used:
        async with tastemesh.open_node(phone) as node:
            await node.record("somebody else")
    keys = phone.home / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    shutil.copy(laptop.home / "keys" / "me.key", keys / "ana.key")
    for said in ("on the phone", "there again"):
        async with tastemesh.open_node(phone) as node:
            ana = (await node.add_identities(["ana"]))[0]
            assert ana.id == identity
            await ana.record(said)
            slots = await slots_of(ana)
            epochs = {epoch for epoch, _ in slots if epoch}
            assert len(epochs) == 1
            assert sum(epoch > 0 for epoch, _ in slots) == 1 + (said == "there again")


async def test_backups_at_one_instant_are_made_one_after_the_other(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with tastemesh.open_node(tastemesh.NodeConfig(home=home, offline=True)) as node:
        plays = [tastemesh.Play(item=f"song:{number:0200}") for number in range(5_000)]
        await node.record_many(plays, private=True)
    files = [tmp_path / f"{number}.zip" for number in range(4)]
    made = [
        asyncio.to_thread(main, ["backup", str(file), "--home", str(home)])
        for file in (*files, files[0])
    ]
    assert sorted(await asyncio.gather(*made)) == [0, 0, 0, 0, 2]  # two wrote to one file
    for number, file in enumerate(files):
        restore_archive(file, tmp_path / f"home-{number}")


async def test_an_older_window_that_is_put_back_in_its_place_is_noticed(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    config = tastemesh.NodeConfig(home=tmp_path, brokers=(nats_broker.url,))
    window, node_key = tmp_path / WINDOW_FILE, tmp_path / "keys" / "node.key"
    left = []
    for said in ("one", "two"):
        async with tastemesh.open_node(config) as node:
            await node.record(said)
        left.append(window.read_bytes())
    left_s = window.stat().st_mtime
    key = node_key.read_bytes()
    assert (
        await asyncio.to_thread(main, ["backup", str(tmp_path / "b"), "--home", str(tmp_path)]) == 0
    )
    window.chmod(0o644)
    async with tastemesh.open_node(config) as node:  # neither of these is another window
        assert {epoch for epoch, _ in await slots_of(node)} == {0}
        await node.record("three")
    assert node_key.read_bytes() == key
    window.write_bytes(left[0])  # in place: the same inode
    os.utime(window, (left_s - 60, left_s - 60))
    for count in (1, 2):
        async with tastemesh.open_node(config) as node:
            await node.record(f"after {count}")
            epochs = [epoch for epoch, _ in await slots_of(node) if epoch]
            assert len(epochs) == count
            assert len(set(epochs)) == 1
    assert node_key.read_bytes() != key


async def test_a_home_made_by_init_keeps_its_node_key_and_its_copy_gets_another(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    assert await asyncio.to_thread(main, ["init", "--home", str(home)]) == 0
    shutil.copytree(home, copy)
    made = (home / "keys" / "node.key").read_bytes()
    for folder, kept in ((home, True), (copy, False)):
        config = tastemesh.NodeConfig(home=folder, network="late", brokers=(nats_broker.url,))
        async with tastemesh.open_node(config):
            assert ((folder / "keys" / "node.key").read_bytes() == made) is kept


async def test_two_copies_of_a_home_that_said_nothing_do_not_share_a_number(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    first = tastemesh.NodeConfig(home=tmp_path / "first", brokers=(nats_broker.url,))
    async with tastemesh.open_node(first):
        pass
    shutil.copytree(first.home, tmp_path / "second")
    second = tastemesh.NodeConfig(home=tmp_path / "second", brokers=(nats_broker.url,))
    for config, number in ((first, 0), (second, 1)):
        async with tastemesh.open_node(config) as node:
            (said,) = await node.record("one")
            (slot,) = (slot for slot, each in (await slots_of(node)).items() if each == said)
            assert (min(slot[0], 1), slot[1]) == (number, 1)


async def test_a_home_and_its_copy_run_beside_each_other(
    tmp_path: Path, any_broker: BrokerProcess
) -> None:
    first = tastemesh.NodeConfig(home=tmp_path / "first", brokers=(any_broker.url,))
    second = tastemesh.NodeConfig(home=tmp_path / "second", brokers=(any_broker.url,))
    async with tastemesh.open_node(first) as node:
        await node.record("before")
        number = node.status()["node"]
    shutil.copytree(first.home, second.home)
    async with tastemesh.open_node(first) as node, tastemesh.open_node(second) as copy:
        await asyncio.gather(node.connected(), copy.connected())
        assert node.status()["node"] == number  # so its session at the broker goes on
        assert copy.status()["node"] != number
        assert copy.identities == node.identities
        (said,) = await copy.record("on the second device")
        await until(lambda: node.holds(said))  # over connections that stand
        (said,) = await node.record("on the first")
        await until(lambda: copy.holds(said))
        number = copy.status()["node"]
        links = [each for both in (node, copy) for each in both.status()["brokers"]]
        assert [each["connection_count"] for each in links] == [1, 1]
    async with tastemesh.open_node(second) as copy:
        assert copy.status()["node"] == number


async def test_a_copy_whose_key_was_rotated_elsewhere_says_so_until_it_has_the_new_one(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    first = tastemesh.NodeConfig(home=tmp_path / "first", brokers=(nats_broker.url,))
    private = Sharing(private_kinds=("skip",))
    second = tastemesh.NodeConfig(
        home=tmp_path / "second", brokers=(nats_broker.url,), sharing=private
    )
    async with tastemesh.open_node(first) as node:
        await node.record("before")
        await node.backup_home(tmp_path / "home.zip")
        await node.rotate()
        (said,) = await node.record("after")
    restore_archive(tmp_path / "home.zip", second.home)
    key = second.home / "keys" / "me.key"
    old_key = key.read_bytes()
    async with tastemesh.open_node(first), tastemesh.open_node(second) as copy:
        await until(lambda: copy.holds(said))
        for refused in (
            copy.record("lost"),
            copy.record_many([Play("lost"), Play("no", kind="skip")]),
            copy.import_history([Play("lost"), Play("no", kind="skip")]),
            copy.endorse("ab" * 32),
            copy.forget("before"),
            copy.rotate(),
            copy.rotate(stolen=True),
        ):
            with pytest.raises(UsageError, match=r"rotated on another.*expected that device"):
                await refused
        assert key.read_bytes() == old_key
        await copy.record("here only", private=True)
        said_there = [each.item for each in (await copy.export()).interactions]
        assert sorted(said_there) == ["after", "before", "here only"]
    shutil.copy(first.home / "keys" / "me.key", key)
    async with tastemesh.open_node(first) as node, tastemesh.open_node(second) as copy:
        (said,) = await copy.record("again")
        await until(lambda: node.holds(said))


async def test_an_open_node_writes_what_the_command_writes_and_the_command_restores_it(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    home, file, second = tmp_path / "home", tmp_path / "home.zip", tmp_path / "second"
    settings = f'brokers = ["{nats_broker.url}"]\n'
    config = tastemesh.NodeConfig(home=home, brokers=(nats_broker.url,), passphrase="secret")
    async with tastemesh.open_node(config) as node:
        (home / "config.toml").write_text(settings)
        (ana,) = await node.add_identities(["ana"])
        await ana.record("before")
        await ana.record("kept private", private=True)
        await node.backup_home(file)
        await ana.record("after")
        said_here = await slots_of(ana)
        with pytest.raises(UsageError, match="replaces nothing"):
            await node.backup_home(str(file))
        assert not list(home.glob("window.copy*"))
    assert file.stat().st_mode & 0o777 == 0o600
    by_command = tmp_path / "command.zip"
    assert await asyncio.to_thread(main, ["backup", str(by_command), "--home", str(home)]) == 0
    with zipfile.ZipFile(file) as ours, zipfile.ZipFile(by_command) as theirs:
        assert ours.namelist() == theirs.namelist()
        for name in set(ours.namelist()) - {WINDOW_FILE}:
            assert ours.read(name) == theirs.read(name)
        assert ours.read("config.toml").decode() == settings
    assert await asyncio.to_thread(main, ["restore", str(file), "--home", str(second)]) == 0
    restored = tastemesh.NodeConfig(home=second, brokers=(nats_broker.url,), passphrase="secret")
    async with tastemesh.open_node(restored) as other:
        (again,) = await other.add_identities(["ana"])
        assert again.id == ana.id
        said = (await again.export()).interactions
        assert [each.item for each in said] == ["before", "kept private"]
        (said_there,) = await again.record("elsewhere")
        (slot,) = (slot for slot, each in (await slots_of(again)).items() if each == said_there)
        assert slot not in said_here


async def test_archives_of_an_open_node_are_written_one_by_one_and_to_their_end(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    home, archives = tmp_path / "home", tmp_path / "archives"
    archives.mkdir()
    files = [archives / f"{number}.zip" for number in range(3)]
    async with tastemesh.open_node(
        tastemesh.NodeConfig(home=home, brokers=(nats_broker.url,))
    ) as node:
        (home / "window.copy").write_text("of a node that was killed")
        writing = [asyncio.create_task(node.backup_home(file)) for file in (*files, files[0])]
        await asyncio.sleep(0)
        writing[1].cancel()
        told = await asyncio.gather(*writing, return_exceptions=True)
        assert [type(each) for each in told] == [
            type(None), asyncio.CancelledError, type(None), UsageError,
        ]  # fmt: skip
        for wrong in (None, ""):
            with pytest.raises(UsageError, match="expected a file"):
                await node.backup_home(wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"cannot write .*No such file or directory"):
            await node.backup_home(archives / "missing" / "home.zip")
        with full_at(100), pytest.raises(StorageError):
            await node.backup_home(archives / "full.zip")
        (home / "window.copy").mkdir()
        with pytest.raises(StorageError, match=r"window\.copy"):
            await node.backup_home(archives / "no.zip")
        (home / "window.copy").rmdir()
        await node.record("it goes on")
    assert not list(home.glob("window.copy*"))
    assert sorted(archives.iterdir()) == files
    for number, file in enumerate(files):
        restore_archive(file, tmp_path / f"home-{number}")


def test_archives_are_private_and_replace_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "keys").mkdir(parents=True)
    (home / "keys" / "me.key").write_text("secret")
    (home / WINDOW_FILE).write_bytes(b"window")
    (home / "api.token").write_text("token")
    file = tmp_path / "home.zip"
    write_archive(home, home / WINDOW_FILE, file)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="replaces nothing"):
        write_archive(home, home / WINDOW_FILE, file)
    with pytest.raises(UsageError, match="has keys already"):
        restore_archive(file, home)
    restore_archive(file, tmp_path / "new")
    assert (tmp_path / "new" / "keys" / "me.key").read_text() == "secret"
    assert (tmp_path / "new" / "keys" / "me.key").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "new" / "api.token").exists()


def test_a_key_of_1970_is_backed_up(tmp_path: Path) -> None:
    """As a machine without a battery makes it: zip knows no date before 1980."""
    home, file = tmp_path / "home", tmp_path / "home.zip"
    assert main(["init", "--home", str(home)]) == 0
    os.utime(home / "keys" / "me.key", (0, 0))
    write_archive(home, home / WINDOW_FILE, file)
    restore_archive(file, tmp_path / "restored")
    key = Path("keys") / "me.key"
    assert (tmp_path / "restored" / key).read_bytes() == (home / key).read_bytes()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_backup_that_is_broken_off_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """Half of one had the name of a whole one, and was in the way of the next."""
    home, file = tmp_path / "home", tmp_path / "home.zip"
    assert main(["init", "--home", str(home)]) == 0
    write = zipfile.ZipFile.write

    def broken_off(archive: zipfile.ZipFile, path: Path, name: str) -> None:
        assert not file.exists()  # nor would it after a kill
        if name == WINDOW_FILE:
            raise error
        write(archive, path, name)

    with monkeypatch.context() as patched, pytest.raises(error):
        patched.setattr(zipfile.ZipFile, "write", broken_off)
        write_archive(home, home / WINDOW_FILE, file)
    assert list(tmp_path.iterdir()) == [home]
    write_archive(home, home / WINDOW_FILE, file)


def test_what_is_no_backup_is_refused_and_nothing_written(tmp_path: Path) -> None:
    file = tmp_path / "other.zip"
    with pytest.raises(UsageError, match="there is no file"):
        restore_archive(file, tmp_path / "home")
    file.write_bytes(b"PK nonsense")
    with pytest.raises(DataError, match="no backup"):
        restore_archive(file, tmp_path / "home")
    for extra in ("../evil", "keys/../../evil.key", "/evil"):
        with zipfile.ZipFile(file, "w") as archive:
            for name in (WINDOW_FILE, "keys/me.key", extra):
                archive.writestr(name, b"x")
        with pytest.raises(DataError, match="made by tastemesh backup"):
            restore_archive(file, tmp_path / "home")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 0xFF),  # of the first file's header
        (6, 1),  # encrypted
        (8, 12),  # packed by bzip2
        ("packed", 0xFF),
    ],
)
def test_a_damaged_backup_is_named_as_that_and_nothing_written(
    tmp_path: Path, place: int | str, value: int
) -> None:
    home, file = tmp_path / "home", tmp_path / "home.zip"
    (home / "keys").mkdir(parents=True)
    (home / "keys" / "me.key").write_text("secret")
    (home / WINDOW_FILE).write_bytes(bytes(range(256)) * 20)
    write_archive(home, home / WINDOW_FILE, file)
    content = bytearray(file.read_bytes())
    if isinstance(place, str):
        place = content.index(WINDOW_FILE.encode()) + len(WINDOW_FILE)
    content[place] ^= value
    if place in (6, 8):  # it stands in the directory, too, two bytes on
        content[content.index(b"PK\x01\x02") + place + 2] ^= value
    file.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        restore_archive(file, tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_a_backup_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*directory"):
        restore_archive(tmp_path, tmp_path / "second")


def test_a_full_disk_leaves_a_folder_that_the_same_backup_can_be_restored_into(
    tmp_path: Path,
) -> None:
    home, second = tmp_path / "home", tmp_path / "second"
    (home / "keys").mkdir(parents=True)
    for name in ("me", "node"):
        (home / "keys" / f"{name}.key").write_text("secret")
    (home / WINDOW_FILE).write_bytes(b"window" * 100)
    write_archive(home, home / WINDOW_FILE, tmp_path / "home.zip")
    with full_at(100), pytest.raises(StorageError, match="cannot write"):
        restore_archive(tmp_path / "home.zip", second)
    assert list(second.iterdir()) == []
    restore_archive(tmp_path / "home.zip", second)
    assert sorted(each.name for each in second.iterdir()) == ["keys", WINDOW_FILE]
    shutil.rmtree(second / "keys")
    with pytest.raises(UsageError, match="has a window already"):
        restore_archive(tmp_path / "home.zip", second)
