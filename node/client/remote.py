"""A node that runs as a daemon, for applications of several processes.

::

    with tastemesh.connect("~/.tastemesh") as node:
        node.record("mbid:…", identity="ana")
        for line in node.recommend(10, identity="ana"):
            print(line.item, line.reasons)

The calls are those of the blocking node (`tastemesh.open_node_sync`), under the same names, with
the same arguments, answers and errors; where something else is so, it says so here.
"""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from urllib.parse import quote

from tastemesh.errors import ConfigError, UsageError
from tastemesh.gossip.identity import parse_id
from tastemesh.node.answers import Advice, Backing, Listed, Neighbourhood
from tastemesh.node.client.daemon import AtUrl, Daemon, OfHome
from tastemesh.node.client.journal import RemoteJournal
from tastemesh.node.client.line import AbsentError, Line
from tastemesh.node.client.speaker import Speaker, portions, unique
from tastemesh.node.client.stream import RemoteSubscription
from tastemesh.node.client.user import RemoteIdentity
from tastemesh.node.evidence import Evidence
from tastemesh.node.forgetting import Forgotten
from tastemesh.node.history import Export, Imported, happened_s
from tastemesh.node.http.bodies import (
    BATCH_COUNT,
    NOTHING_SPEAKS,
    PLAYS_PER_REQUEST,
    BackingList,
    Equivocators,
    History,
    Items,
    KeyChange,
    LocalUsers,
    ManyLists,
    NewEndorsement,
    NewEndorsements,
    NewInteraction,
    NewUsers,
    RecommendationLists,
    Said,
    ShownAdvice,
    UserList,
    Withdrawal,
)
from tastemesh.node.identities import DEFAULT_IDENTITY
from tastemesh.node.plays import Play, check_text, several
from tastemesh.node.wish import Wishes, wished

# A list takes tenths of a second; with the extra `fast` a machine's first one half a minute
# (measured). Past 30 s a worker is taken for dead, as gunicorn does unless told otherwise.
ANSWER_S = 30.0

_USERS_PER_PAGE = 1_000

_T = TypeVar("_T")


def connect(
    where: Path | str,
    *,
    token: str | None = None,
    timeout_s: float = ANSWER_S,
    ca_file: Path | str | None = None,
) -> "RemoteNode":
    """Return a client for the node that `tastemesh run` runs; nothing is asked yet.

    Args:
        where: the node's home, in which the daemon says where it is and what it asks for; or a URL,
            of a daemon or of where an application mounts the API.
        token: for a URL: the text of the home's `api.token`, or what the application wants.
        timeout_s: seconds to wait for an answer, and to be let in where too many ask; above 0.
        ca_file: for a URL of https: PEM file of whom to trust in place of the system's authorities.

    Raises:
        ConfigError: it is neither, or a token is missing, or there is one for a home, or `ca_file`
            is none or for another URL.
        UsageError: `timeout_s` is no such number.
    """
    if not isinstance(timeout_s, Real) or not 0 < timeout_s < float("inf"):
        raise UsageError(f"timeout_s is {timeout_s!r}; expected seconds, above 0")
    return RemoteNode(_daemon(where, token, ca_file), timeout_s)


def _daemon(where: object, token: object, ca_file: object) -> Daemon:
    if isinstance(where, str) and "://" in where:
        if not isinstance(token, str):
            raise ConfigError("token is missing; expected the text of api.token in the node's home")
        if ca_file is not None and not isinstance(ca_file, str | Path):
            raise ConfigError(f"ca_file is {ca_file!r}; expected a file")
        return AtUrl(
            where, token, None if ca_file is None else _absolute("ca_file", ca_file, "file")
        )
    if not isinstance(where, str | Path) or not str(where) or "\0" in str(where):
        raise ConfigError(f"where is {where!r}; expected the node's home, or a URL")
    if token is not None:
        raise ConfigError("token is for a URL, http://…; a home has its own, in api.token")
    if ca_file is not None:
        raise ConfigError("ca_file is for a URL, https://…; a home's daemon is on this machine")
    return OfHome(_absolute("where", where, "folder"))


def _absolute(name: str, path: Path | str, thing: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise ConfigError(f"{name} is {path!r}; expected a {thing}") from None


class RemoteNode:
    """A daemon's node; see `tastemesh.connect`.

    Any number of threads may use it, and processes that were forked since it was made, or that it
    was sent to; each has connections of its own. Connections are made when they are needed, and
    the daemon is looked for anew with each: it may be restarted meanwhile.

    Each call raises `DaemonError` where no daemon runs, it does not answer in time, or it does not
    let us in; a call that says something may have been heard all the same, where the daemon went
    away before it had answered. What was not let in for too many requests is tried again as the
    daemon says.

    Args:
        daemon: which.
        timeout_s: see `tastemesh.connect`.
    """

    def __init__(self, daemon: Daemon, timeout_s: float) -> None:
        self._daemon = daemon
        self._timeout_s = timeout_s
        self._line = Line(daemon, timeout_s)
        self._speaker = Speaker(self._line)

    def __repr__(self) -> str:
        return f"<RemoteNode, {self._daemon.name}>"

    def __reduce__(self) -> tuple[object, ...]:
        return RemoteNode, (self._daemon, self._timeout_s)

    def close(self) -> None:
        """Close this process's idle connections; a call after that makes one again."""
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- speaking --------------------------------------------------------------------------

    def record(
        self,
        item: str,
        *,
        kind: str = "listen",
        weight: float = 1.0,
        time_s: float | None = None,
        private: bool = False,
        identity: str = DEFAULT_IDENTITY,
    ) -> list[str]:
        """See `Node.record`."""
        said = NewInteraction(
            item=item, kind=kind, weight=weight, time_s=time_s, private=private, identity=identity
        )
        return self._speaker.post("/v1/interactions", said, Said).records

    def record_many(
        self,
        plays: Sequence[Play],
        *,
        private: bool = False,
        identity: str = DEFAULT_IDENTITY,
    ) -> list[str]:
        """Say many things, 64 at a time: each 64 whole or not at all. See `Node.record_many`.

        Raises:
            UsageError: a value is wrong; what came before these 64 was recorded.
        """
        records = []
        for portion in portions(_plays(plays), PLAYS_PER_REQUEST):
            said = History(plays=portion, private=private, identity=identity)
            records += self._speaker.post("/v1/interactions/many", said, Said).records
        return records

    def endorse(
        self, peer: str, weight: float = 1.0, *, identity: str = DEFAULT_IDENTITY
    ) -> list[str]:
        """See `Node.endorse`."""
        said = NewEndorsement(peer=peer, weight=weight, identity=identity)
        return self._speaker.post("/v1/endorsements", said, Said).records

    def endorse_many(
        self, weights: Mapping[str, float], *, identity: str = DEFAULT_IDENTITY
    ) -> list[str]:
        """See `Node.endorse_many`; of 512 people at most."""
        if not isinstance(weights, Mapping):
            raise UsageError(f"weights is {weights!r}; expected weights by peer id")
        said = NewEndorsements(weights=dict(weights), identity=identity)
        return self._speaker.post("/v1/endorsements/many", said, Said).records

    def forget(
        self,
        item: str | None = None,
        *,
        everything: bool = False,
        identity: str = DEFAULT_IDENTITY,
    ) -> Forgotten:
        """See `Node.forget`."""
        gone = Withdrawal(item=item, everything=everything, identity=identity)
        return self._speaker.post("/v1/forget", gone, Forgotten)

    def rotate(self, *, stolen: bool = False, identity: str = DEFAULT_IDENTITY) -> list[str]:
        """See `Node.rotate`."""
        change = KeyChange(stolen=stolen, identity=identity)
        return self._speaker.post("/v1/rotate", change, Said).records

    def import_history(
        self,
        plays: Sequence[Play],
        *,
        private: bool = False,
        identity: str = DEFAULT_IDENTITY,
    ) -> Imported:
        """Bring a history in, 64 plays at a time, the newest first. See `Node.import_history`.

        What was done with an item before its newest play is known, unless both are in one 64.
        Where it ends with an error, do it again: what was brought in by then is known.
        """
        newest = sorted(_plays(plays), key=happened_s, reverse=True)
        done = []
        for portion in portions(newest, PLAYS_PER_REQUEST):
            brought = History(plays=portion, private=private, identity=identity)
            done.append(self._speaker.post("/v1/imports", brought, Imported))
        return Imported(
            added=sum(each.added for each in done),
            known=sum(each.known for each in done),
            left_out=sum(each.left_out for each in done),
            records=[record for each in done for record in each.records],
        )

    def export(self, *, identity: str = DEFAULT_IDENTITY) -> Export:
        """See `Node.export`."""
        return self._speaker.get("/v1/export", Export, identity=identity)

    # --- asking ----------------------------------------------------------------------------

    def recommend(
        self, k: int = 10, *, identity: str = DEFAULT_IDENTITY, **wishes: Unpack[Wishes]
    ) -> list[Advice]:
        """See `Node.recommend`."""
        return self.lists([identity], k, **wishes)[identity].lines

    def recommend_many(
        self, identities: Sequence[str], k: int = 10, **wishes: Unpack[Wishes]
    ) -> dict[str, list[Advice]]:
        """See `Node.recommend_many`."""
        found = self.lists(identities, k, **wishes)
        return {name: listed.lines for name, listed in found.items()}

    def lists(
        self, identities: Sequence[str], k: int = 10, **wishes: Unpack[Wishes]
    ) -> dict[str, Listed]:
        """See `Node.lists`; all that is wished in a megabyte."""
        wish = wished(wishes)
        candidates = None if wish.candidates is None else list(wish.candidates)
        names = unique(several("identities", identities, "names"))
        found: dict[str, Listed] = {}
        for portion in portions(names, BATCH_COUNT) if names else ():
            wanted = ManyLists(
                identities=portion,
                k=k,
                explain=True,
                backing=False,
                candidates=candidates,
                exclude=list(wish.exclude),
                like=list(wish.like),
            )
            told = self._speaker.post(
                "/v1/recommendations", wanted, RecommendationLists, changes=False
            )
            for name, lines in told.recommendations.items():
                age_ms = round(told.ages_s[name] * 1000)
                found[name] = Listed([_advice(line) for line in lines], age_ms)
        return found

    def explain(
        self, item: str, *, identity: str = DEFAULT_IDENTITY, like: Iterable[str] = ()
    ) -> Advice | None:
        """See `Node.explain`."""
        check_text("item", item)
        query = {"identity": identity, "like": list(wished({"like": like}).like)}
        path = f"/v1/recommendations/{quote(item, safe='', errors='surrogatepass')}"
        found = self._found(path, ShownAdvice, **query) if item else None  # no such path
        return None if found is None else _advice(found)

    def evidence(
        self, item: str, *, identity: str = DEFAULT_IDENTITY, like: Iterable[str] = ()
    ) -> Evidence | None:
        """See `Node.evidence`."""
        check_text("item", item)
        query = {"identity": identity, "like": list(wished({"like": like}).like)}
        return self._found("/v1/evidence", Evidence, item=item, **query)

    def status(self, *, bounds: bool = True) -> dict[str, Any]:
        """See `Node.status`."""
        return self._speaker.get("/v1/status", dict[str, Any], bounds=str(bounds).lower())

    @property
    def is_connected(self) -> bool:
        """See `Node.is_connected`."""
        return any(broker["connected"] for broker in self.status(bounds=False)["brokers"])

    @property
    def storage_fault(self) -> str | None:
        """See `Node.storage_fault`."""
        fault: str | None = self.status(bounds=False)["storage"]["fault"]
        return fault

    @property
    def people(self) -> "RemotePeople":
        """See `Node.people`."""
        return RemotePeople(self._speaker)

    @property
    def journal(self) -> RemoteJournal:
        """See `Node.journal`."""
        return RemoteJournal(self._speaker)

    @property
    def identities(self) -> dict[str, str]:
        """See `Node.identities`."""
        found: dict[str, str] = {}
        after: str | None = ""
        while after is not None:
            page = self._speaker.get(
                "/v1/identities", LocalUsers, after=after, limit=_USERS_PER_PAGE
            )
            found |= {user.name: user.identity for user in page.identities}
            after = page.next
        return found

    def identity(self, name: str) -> RemoteIdentity:
        """See `Node.identity`."""
        return self.add_identities([name])[0]

    def add_identities(self, names: Iterable[str]) -> list[RemoteIdentity]:
        """Return several local users, made on first use, 64 at a time. See `Node.add_identities`.

        Raises:
            UsageError: a name cannot be a user's, and nobody of these 64 is made; or a key cannot
                be written, or was brought while the node runs, and those before it are made.
        """
        made = []
        for portion in portions(several("names", names, "names"), BATCH_COUNT):
            done = self._speaker.post("/v1/identities/many", NewUsers(names=portion), UserList)
            made += [RemoteIdentity(self, user.name, user.identity) for user in done.identities]
        return made

    def events(self, *, watch: Iterable[str] = (), k: int = 10) -> RemoteSubscription:
        """See `Node.events`; the daemon bounds how many wait for the reader."""
        return RemoteSubscription(self._line, unique(several("watch", watch, "names")), k)

    def _found(self, path: str, answer: type[_T], **query: object) -> _T | None:
        """Return what a node answers about an item, or None where nothing speaks for it."""
        try:
            return self._speaker.get(path, answer, **query)
        except AbsentError as error:
            if NOTHING_SPEAKS not in str(error):
                raise
        return None


class RemotePeople:
    """A node's people; `SyncPeople` over HTTP.

    Args:
        speaker: asks the daemon.
    """

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker

    def around(self, limit: int, *, identity: str = DEFAULT_IDENTITY) -> Neighbourhood:
        """See `People.around`; of 200 people at most."""
        return self._speaker.get("/v1/neighbourhood", Neighbourhood, limit=limit, identity=identity)

    def behind(self, items: Iterable[str], *, identity: str = DEFAULT_IDENTITY) -> list[Backing]:
        """See `People.behind`."""
        backing = []
        for portion in portions(several("items", items, "ids"), BATCH_COUNT):
            asked = Items(items=portion, identity=identity)
            backing += self._speaker.post("/v1/backing", asked, BackingList, changes=False).backing
        return backing

    @property
    def equivocators(self) -> list[bytes]:
        """See `People.equivocators`."""
        told = self._speaker.get("/v1/equivocators", Equivocators)
        return [parse_id(each) for each in told.equivocators]


def _advice(line: ShownAdvice) -> Advice:
    return Advice(line.item, line.score, line.unverified, line.reasons)


def _plays(plays: Sequence[Play]) -> list[Play]:
    found = several("plays", plays, "plays")
    for play in found:
        if not isinstance(play, Play):
            raise UsageError(f"{play!r} is no tastemesh.Play")
    return found
