"""One script of calls, to a node in this process and to a daemon: the answers are equal."""

import datetime
import inspect
import re
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tastemesh
from tastemesh import Play
from tastemesh.errors import StorageError, TastemeshError, UsageError
from tastemesh.node.blocking import SyncIdentity, SyncJournal, SyncNode, SyncPeople
from tastemesh.node.client.journal import RemoteJournal
from tastemesh.node.client.remote import RemoteNode, RemotePeople
from tastemesh.node.client.user import RemoteIdentity
from tastemesh.node.events import Event
from tastemesh.node.wish import Wishes
from tests.node.daemons import offline_home, serving

AnyNode = SyncNode | RemoteNode
T0 = 1_500_000_000.0
USERS = ("ana", "ben", "cem", "dan")


class Text(str):
    """As NumPy and template engines have it."""


# What no operation of the API says; docs/embed.md names the same.
LEFT_OUT = {
    SyncNode: {
        "backup",
        "backup_home",
        "connected",
        "drain",
        "failed",
        "holds",
        "is_open",
        "open",
        "records_of",
    },
    SyncIdentity: set(),
    SyncPeople: set(),
    SyncJournal: set(),
}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (SyncNode, RemoteNode),
        (SyncIdentity, RemoteIdentity),
        (SyncPeople, RemotePeople),
        (SyncJournal, RemoteJournal),
    ],
)
def test_every_call_but_those_named_is_there_with_the_same_arguments(
    theirs: type, ours: type
) -> None:
    public = {name for name in vars(theirs) if not name.startswith("_")}
    assert public - set(vars(ours)) == LEFT_OUT[theirs]
    for name in public - LEFT_OUT[theirs]:
        if not inspect.isfunction(getattr(theirs, name)):
            continue
        expected, found = (inspect.signature(getattr(each, name)) for each in (theirs, ours))
        parameters = {n: p for n, p in expected.parameters.items() if n != "capacity"}
        assert list(found.parameters) == list(parameters), name
        for each in parameters.values():
            here = found.parameters[each.name]
            assert (here.kind, here.default) == (each.kind, each.default), name


def said(node: AnyNode, answers: list[Any]) -> None:
    """What users say, and what they are told about it."""
    ana, ben, cem, dan = node.add_identities(USERS)
    answers += [node.identities, [(each.name, each.id) for each in (ana, ben, cem, dan)]]
    answers += [ana.record("song 1", kind="like", weight=0.5, time_s=T0)]
    answers += [node.record("song / 2 % é", time_s=T0 + 0.25, identity="ana")]
    answers += [ana.record(Text("song 3"), kind=Text("like"), time_s=T0)]
    answers += [ana.record(Text("song 4"), private=True, time_s=T0)]
    answers += [ana.record("secret", private=True, time_s=T0)]
    answers += [ben.record_many([Play(item=f"b {n}", time_s=T0 + n) for n in range(130)])]
    answers += [ben.record_many([])]
    answers += [cem.record_many([Play(item="b 1", time_s=T0), Play(item="c", kind="skip")])]
    answers += [dan.import_history([Play(item=f"d {n}", time_s=T0 + n) for n in range(450)])]
    answers += [dan.import_history([Play(item=f"d {n}", time_s=T0 + n) for n in range(450)])]
    answers += [ana.endorse(ben.id), ana.endorse(ben.id), ana.endorse(cem.id, 0.5)]
    answers += [node.endorse_many({ana.id: 1.0, dan.id: -1.0}), node.endorse_many({})]
    answers += [ben.forget("b 7"), ben.forget("unheard"), cem.forget(everything=True)]
    answers += [cem.rotate(), node.rotate(stolen=True, identity="cem")]
    answers += [export(each) for each in (ana, ben, cem, dan)]


def export(user: SyncIdentity | RemoteIdentity) -> Any:
    whole = user.export()
    dated = [each for each in whole.interactions if each.time_s < 2e9]
    return msgspec.structs.replace(
        whole,
        interactions=[each for each in dated if each.item != "c"],
        records=["" for _ in whole.records],  # each has a date and a signature of its own
    )


def asked(node: AnyNode, answers: list[Any]) -> None:
    """What users ask."""
    for name in ("me", *USERS):
        user = node.identity(name)
        lines = user.recommend(7)
        answers += [(user.name, lines), node.recommend(identity=name)]
        answers += [user.explain("b 3"), user.explain("song / 2 % é"), user.explain("unheard")]
        answers += [user.explain(""), user.evidence("unheard")]
        evidence = user.evidence("b 3")
        if evidence is not None:
            grounds = [(each.contact, each.share) for each in evidence.grounds]
            answers += [(evidence.network, evidence.ego, evidence.item, grounds)]
        answers += [node.people.around(50, identity=name)]
        page = node.journal.page("", 3, identity=name)
        rest = node.journal.page(page.next, 5, identity=name) if page.next else None
        answers += [page, rest, node.journal.endorsements(identity=name)]
    answers += [node.recommend_many(["ana", "me", "ana"], 3), node.recommend_many([])]
    answers += [{n: found.lines for n, found in node.lists(["ben", "ana"], 2).items()}]
    wishes: list[Wishes] = [
        {"candidates": []},
        {"candidates": ["b 3", Text("b 9"), "song 1", "unheard"], "like": ["b 5"]},
        {"exclude": (f"b {n}" for n in range(100))},
        {"like": {"b 3", "unheard"}},
        {"like": ["unheard"], "exclude": ["a\nb"]},
    ]
    for wish in wishes:
        found = node.lists(["me", *USERS], 4, **wish)
        answers += [{name: listed.lines for name, listed in found.items()}]
        answers += [node.recommend(identity="ana", **wish), node.recommend_many(["ana"], **wish)]
        answers += [node.identity("ana").recommend(3, **wish)]
    for like in ([], ["b 5"], {"b 3", "unheard"}, (f"b {n}" for n in range(64))):
        answers += [node.explain("b 3", identity="ana", like=(liked := list(like)))]
        answers += [node.identity(name).explain("b 9", like=liked) for name in USERS]
        proof = node.evidence("b 9", identity="ana", like=liked)
        proved = proof and [(each.contact, each.share) for each in proof.grounds]
        answers += [proved, node.identity("me").evidence("b 9", like=liked) is None]
    answers += [node.people.behind(["b 3", "song 1", "unheard"], identity="me")]
    answers += [node.people.behind([]), node.people.equivocators]
    answers += [node.is_connected, node.storage_fault]
    with node.events() as events:
        answers += [events.dropped_count]
    assert all(isinstance(each, Event) for each in events)  # what waits, and then the end
    for bounds in (True, False):
        status = node.status(bounds=bounds)
        answers += [sorted(status), status["window"], status["identities"], status["rejected"]]
        answers += [status["sybil_bound"], status["brokers"], status["network"]]


WRONG: list[Callable[[AnyNode], object]] = [
    lambda node: node.record(""),
    lambda node: node.record("x" * 257),
    lambda node: node.record("a\nb"),
    lambda node: node.record("\ud800"),
    lambda node: node.record(5),  # type: ignore[arg-type]
    lambda node: node.record(b"song"),  # type: ignore[arg-type]
    lambda node: node.record(uuid.UUID(int=5)),  # type: ignore[arg-type]
    lambda node: node.record("a", time_s=datetime.date(2020, 1, 1)),  # type: ignore[arg-type]
    lambda node: node.record("a", weight=2.0),
    lambda node: node.record("a", weight=float("nan")),
    lambda node: node.record("a", time_s=float("nan")),
    lambda node: node.record("a", time_s=float("inf")),
    lambda node: node.record("a", time_s=4e9),
    lambda node: node.record("a", kind="Not a word"),
    lambda node: node.record("a", private="yes"),  # type: ignore[arg-type]
    lambda node: node.record("a", identity="nobody"),
    lambda node: node.record("a", weight=object()),  # type: ignore[arg-type]
    lambda node: node.record_many("song"),  # type: ignore[arg-type]
    lambda node: node.record_many(["song"]),  # type: ignore[list-item]
    lambda node: node.record_many([Play(item=b"song")]),  # type: ignore[arg-type]
    lambda node: node.record_many([], identity="nobody"),
    lambda node: node.import_history([Play(item="a", time_s=-1.0)]),
    lambda node: node.endorse("ana"),
    lambda node: node.endorse("0" * 64, 1.5),
    lambda node: node.endorse_many(["0" * 64]),  # type: ignore[arg-type]
    lambda node: node.forget(),
    lambda node: node.forget(b"song"),  # type: ignore[arg-type]
    lambda node: node.forget("a", everything=True),
    lambda node: node.export(identity="nobody"),
    lambda node: node.journal.page("here", 10),
    lambda node: node.journal.page("", 10, identity="nobody"),
    lambda node: node.journal.endorsements(identity="nobody"),
    lambda node: node.recommend(0),
    lambda node: node.recommend(2.5),  # type: ignore[arg-type]
    lambda node: node.recommend(identity="nobody"),
    lambda node: node.recommend_many("ana"),
    lambda node: node.recommend(candidates="b 3"),
    lambda node: node.recommend(exclude=5),  # type: ignore[arg-type]
    lambda node: node.recommend(like=["\ud800"]),
    lambda node: node.recommend(like=[5]),  # type: ignore[list-item]
    lambda node: node.recommend(like=map(str, range(65))),
    lambda node: node.recommend_many([], candidates=map(str, range(10_001))),
    lambda node: node.explain("b 3", like="b 5"),
    lambda node: node.evidence("b 3", like=map(str, range(65))),
    lambda node: node.explain(5),  # type: ignore[arg-type]
    lambda node: node.explain("a", identity="nobody"),
    lambda node: node.explain("a", identity="\ud800"),
    lambda node: node.evidence("a", identity="nobody"),
    lambda node: node.identity("A B"),
    lambda node: node.identity("node"),
    lambda node: node.add_identities("ana"),
    lambda node: node.people.around(0),
    lambda node: node.people.behind("song"),
    lambda node: node.people.behind(["song"], identity="nobody"),
    lambda node: node.events(watch=["nobody"]),
    lambda node: node.events(k=0),
]


def refused(node: AnyNode, answers: list[Any]) -> None:
    """What is refused, by which kind of error; nothing of it leaves a trace."""
    for number, call in enumerate(WRONG):
        with pytest.raises(TastemeshError) as caught:
            call(node)
        answers += [(number, isinstance(caught.value, UsageError), StorageError)]
    answers += [node.status(bounds=False)["window"], sorted(node.identities)]


@pytest.mark.slow
def test_the_answers_of_a_daemon_are_those_of_a_node(tmp_path: Path) -> None:
    config = tastemesh.NodeConfig(home=tmp_path / "embedded", offline=True)
    with tastemesh.open_node_sync(config) as node:
        node.add_identities(USERS)  # both homes have the same keys
        shutil.copytree(config.home / "keys", offline_home(tmp_path / "daemon") / "keys")
        embedded = script(node)
    with serving(tmp_path / "daemon"), tastemesh.connect(tmp_path / "daemon") as client:
        remote = script(client)
    for one, other in zip(embedded, remote, strict=True):
        assert one == other


def script(node: AnyNode) -> list[Any]:
    answers: list[Any] = []
    for part in (said, asked, refused):
        part(node, answers)
    people = set(node.identities.values())
    named: dict[str, str] = {}
    return [comparable(each, people, named) for each in answers]


def comparable(answer: Any, people: set[str], named: dict[str, str]) -> Any:
    """Return an answer with its types, and records by when they first came up: they have dates."""
    if isinstance(answer, msgspec.Struct):
        fields = {name: getattr(answer, name) for name in answer.__struct_fields__}
        return type(answer), comparable(fields, people, named)
    if isinstance(answer, dict):
        return {name: comparable(each, people, named) for name, each in answer.items()}
    if isinstance(answer, list | tuple):
        return type(answer)(comparable(each, people, named) for each in answer)
    if isinstance(answer, str) and re.fullmatch("[0-9a-f]{64}", answer) and answer not in people:
        return named.setdefault(answer, f"record {len(named)}")
    return answer
