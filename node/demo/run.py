"""Real nodes replay a community's tastes to each other, while a hostile client does its worst.

Every user gets a node: its own keys, its own SQLite file, its own connection to a real broker. One
fifth of each user's interactions, the last ones where the data has times, is held out; the rest is
recorded in the data's order, interleaved over all users. When everything has arrived everywhere, or
time is up, each node recommends to its user, and the lists are held against what was held out and
against popularity in the same data.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tastemesh.errors import TransportError, UsageError
from tastemesh.node.answers import Advice
from tastemesh.node.broker import EmbeddedBroker
from tastemesh.node.clock import SystemClock
from tastemesh.node.demo.hostile import ATTACKS, TARGET_ITEM, HostileClient
from tastemesh.node.node import DEFAULT_IDENTITY, Node
from tastemesh.node.plays import Play
from tastemesh.node.settings import NodeConfig
from tastemesh.sim.community import connected_neighbourhood, synthetic_community
from tastemesh.sim.interactions import Endorsements, Interactions

NETWORK = "demo"
HELD_OUT_SHARE = 0.2  # contracts: one fifth of each user's last interactions
MINIMUM_ITEMS = 5  # fewer leave nothing to hold out
LIST_LENGTH = 10
BATCH_COUNT = 8  # interactions a call, so that the replay is made of many records

CONNECT_S = 15  # to the first connection of every node
ATTACK_ROUNDS = 4  # turns of each attack at least, however fast the records spread

Progress = Callable[[str, int, int], None]  # stage, done, total
After = Callable[[dict[str, Any], Node, dict[str, str]], Awaitable[None]]


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to show.

    Attributes:
        interactions: who took up what; None for the built-in community.
        endorsements: who vouches for whom; None for none (or the built-in ones).
        node_count: users shown, 2 to 200.
        time_limit_s: how long records may take to arrive everywhere.
        attack: one of `ATTACKS`, `all` or `none`.
        broker: MQTT URL, or empty for the embedded broker.
        seed: of everything random but the keys.
    """

    interactions: Interactions | None = None
    endorsements: Endorsements | None = None
    node_count: int = 24
    time_limit_s: float = 60.0
    attack: str = "all"
    broker: str = ""
    seed: int = 0


class Cast(msgspec.Struct, frozen=True):
    """Who plays, and with what.

    Attributes:
        users: their ids in the data.
        replayed: per user, the plays to record, in order.
        held_out: per user, the items to be guessed.
        friends: per user, whom he endorses, by position.
    """

    users: tuple[str, ...]
    replayed: tuple[tuple[Play, ...], ...]
    held_out: tuple[frozenset[str], ...]
    friends: tuple[tuple[int, ...], ...]


def check_options(node_count: int, attack: str) -> None:
    """Refuse what cannot be shown, whatever the data.

    Raises:
        UsageError: an option is out of range.
    """
    if not 2 <= node_count <= 200:
        raise UsageError(f"nodes is {node_count}; expected 2 to 200")
    if attack not in (*ATTACKS, "all", "none"):
        raise UsageError(
            f"attack is {attack!r}; expected one of {', '.join((*ATTACKS, 'all', 'none'))}"
        )


def cast(options: DemoOptions) -> Cast:
    """Choose the users and split what they did.

    Raises:
        UsageError: an option is out of range, or the data has too few users.
    """
    check_options(options.node_count, options.attack)
    interactions, endorsements = options.interactions, options.endorsements
    if interactions is None:
        interactions, endorsements = synthetic_community(options.node_count, options.seed)
    users = connected_neighbourhood(interactions, endorsements, options.node_count, MINIMUM_ITEMS)
    row_of = {name: n for n, name in enumerate(interactions.user_ids)}
    rng = np.random.default_rng(np.random.SeedSequence([options.seed, 3]))
    replayed, held_out = [], []
    for name in users:
        rows = np.flatnonzero(interactions.user == row_of[name])
        if interactions.time_s is None:
            rows = rng.permutation(rows)
        else:
            rows = rows[np.argsort(interactions.time_s[rows], kind="stable")]
        cut = len(rows) - max(1, round(HELD_OUT_SHARE * len(rows)))
        strength = np.log1p(interactions.weight[rows])
        strength /= strength.max()
        plays = [
            Play(item=interactions.item_ids[interactions.item[row]], weight=max(1e-4, float(w)))
            for row, w in zip(rows, strength, strict=True)
        ]
        replayed.append(tuple(plays[:cut]))
        held_out.append(frozenset(play.item for play in plays[cut:]))
    return Cast(tuple(users), tuple(replayed), tuple(held_out), _friends(users, endorsements))


def _friends(users: list[str], endorsements: Endorsements | None) -> tuple[tuple[int, ...], ...]:
    if endorsements is None:
        return tuple(() for _ in users)
    seat = {name: n for n, name in enumerate(users)}
    friends: list[list[int]] = [[] for _ in users]
    for source, subject in zip(endorsements.source, endorsements.subject, strict=True):
        ends = seat.get(endorsements.ids[source]), seat.get(endorsements.ids[subject])
        if ends[0] is not None and ends[1] is not None:
            friends[ends[0]].append(ends[1])
    return tuple(tuple(f) for f in friends)


async def run_demo(
    options: DemoOptions, progress: Progress, after: After | None = None
) -> dict[str, Any]:
    """Run the demonstration in a temporary folder.

    Args:
        options: what to show.
        progress: told how far each stage is.
        after: given the result, the first user's node and everybody's names by identity, while the
            nodes still run.

    Returns:
        The result as the command contract has it, ready for JSON.

    Raises:
        UsageError: an option is wrong.
        TransportError: no connection to the broker.
    """
    parts = cast(options)
    clock = SystemClock()
    started_ms = clock.now_ms()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tastemesh-demo-")))
        url, kind = options.broker, options.broker
        if not url:
            broker = await stack.enter_async_context(EmbeddedBroker(folder / "broker"))
            url, kind = broker.url, f"embedded NATS server at {broker.url}"
        nodes = await _start_nodes(stack, folder, url, parts, progress)
        rng = np.random.default_rng(np.random.SeedSequence([options.seed, 4]))
        chosen = ATTACKS if options.attack == "all" else (options.attack,)
        attacks = () if options.attack == "none" else chosen
        hostile = HostileClient(url, NETWORK, attacks, clock, rng)
        attacker = asyncio.create_task(hostile.run())
        stack.push_async_callback(_end, attacker)
        published = await _replay(nodes, parts, progress)
        coverage = await _spread(nodes, published, options.time_limit_s, clock, progress)
        if attacks:
            with suppress(TimeoutError):  # the verdict says what it managed to send
                async with asyncio.timeout(options.time_limit_s):
                    await hostile.struck(ATTACK_ROUNDS)
        lists = {
            name: await node.recommend(LIST_LENGTH)
            for name, node in zip(parts.users, nodes, strict=True)
        }
        await _end(attacker)
        result = _verdict(parts, nodes, lists, published, coverage)
        forged_accepted = _forged_accepted(nodes, published)
        rejected: Counter[str] = Counter()
        for node in nodes:
            rejected.update(node.status()["rejected"])
        told = {
            "nodes": len(nodes),
            "broker": kind,
            **result,
            "forged_sent": sum(n for name, n in hostile.sent.items() if name in ("forge", "alter")),
            "forged_accepted": forged_accepted,
            "hostile_sent": dict(sorted(hostile.sent.items())),
            "rejected": dict(sorted(rejected.items())),
            "seconds": round((clock.now_ms() - started_ms) / 1000, 1),
        }
        if after is not None:
            await after(told, nodes[0], _names(parts, nodes))
    return told


async def _start_nodes(
    stack: AsyncExitStack, folder: Path, url: str, parts: Cast, progress: Progress
) -> list[Node]:
    nodes: list[Node] = []
    for number in range(len(parts.users)):
        config = NodeConfig(home=folder / f"node-{number:03d}", network=NETWORK, brokers=(url,))
        nodes.append(await stack.enter_async_context(Node(config)))
        progress("starting nodes", number + 1, len(parts.users))
    try:
        async with asyncio.timeout(CONNECT_S):
            for node in nodes:
                await node.connected()
    except TimeoutError:
        raise TransportError(f"no connection to the broker {url} within {CONNECT_S} s") from None
    return nodes


async def _replay(nodes: list[Node], parts: Cast, progress: Progress) -> list[list[str]]:
    """Record everything, all users at once; return each node's record ids."""
    ids = [node.status()["identities"][DEFAULT_IDENTITY] for node in nodes]
    total = sum(len(plays) for plays in parts.replayed)
    done = 0

    async def live(seat: int) -> list[str]:
        nonlocal done
        node, plays, said = nodes[seat], parts.replayed[seat], []
        if parts.friends[seat]:
            said += await node.endorse_many({ids[friend]: 1.0 for friend in parts.friends[seat]})
        for start in range(0, len(plays), BATCH_COUNT):
            batch = plays[start : start + BATCH_COUNT]
            said += await node.record_many(batch)
            done += len(batch)
            progress("recording", done, total)
        return said

    # No task group: what one of them could not say is told as what it is, not as a group of one.
    return await asyncio.gather(*(live(seat) for seat in range(len(nodes))))


async def _spread(
    nodes: list[Node],
    published: list[list[str]],
    time_limit_s: float,
    clock: SystemClock,
    progress: Progress,
) -> tuple[int, int]:
    """Wait until every node holds everybody's records; return (pairs delivered, pairs expected)."""
    expected = sum(len(ids) for ids in published) * (len(nodes) - 1)
    deadline_ms = clock.now_ms() + int(time_limit_s * 1000)
    while True:
        delivered = sum(
            node.holds(record_id)
            for seat, node in enumerate(nodes)
            for other, ids in enumerate(published)
            if other != seat
            for record_id in ids
        )
        progress("spreading", delivered, expected)
        if delivered == expected or clock.now_ms() > deadline_ms:
            return delivered, expected
        await asyncio.sleep(0.25)


def _verdict(
    parts: Cast,
    nodes: list[Node],
    lists: dict[str, list[Advice]],
    published: list[list[str]],
    coverage: tuple[int, int],
) -> dict[str, Any]:
    delivered, expected = coverage
    popular = Counter(play.item for plays in parts.replayed for play in plays)
    ranked = sorted(popular, key=lambda item: (-popular[item], item))
    hits = popular_hits = 0
    for seat, name in enumerate(parts.users):
        owned = {play.item for play in parts.replayed[seat]}
        wanted = parts.held_out[seat]
        common = [item for item in ranked if item not in owned][:LIST_LENGTH]
        hits += any(line.item in wanted for line in lists[name])
        popular_hits += any(item in wanted for item in common)
    names = _names(parts, nodes)
    return {
        "records_published": sum(len(ids) for ids in published),
        "pairs_expected": expected,
        "pairs_delivered": delivered,
        "coverage": delivered / expected if expected else 1.0,
        "hit_rate@10": hits / len(parts.users),
        "popularity_hit_rate@10": popular_hits / len(parts.users),
        "target_exposure@10": sum(
            any(line.item == TARGET_ITEM for line in lines) for lines in lists.values()
        )
        / len(parts.users),
        "recommendations": {
            name: [_as_json(line, names, parts.held_out[seat]) for line in lists[name]]
            for seat, name in enumerate(parts.users)
        },
    }


def _names(parts: Cast, nodes: list[Node]) -> dict[str, str]:
    """Return what the data calls each node's user, by identity."""
    return {
        node.identities[DEFAULT_IDENTITY]: name
        for name, node in zip(parts.users, nodes, strict=True)
    }


def _as_json(line: Advice, names: dict[str, str], held_out: frozenset[str]) -> dict[str, Any]:
    return {
        "item": line.item,
        "score": line.score,
        "unverified": line.unverified,
        "hit": line.item in held_out,
        "reasons": [
            {
                "contact": names.get(reason.contact, reason.contact),
                "share": reason.share,
                "record_ids": list(reason.record_ids),
            }
            for reason in line.reasons
        ],
    }


def _forged_accepted(nodes: list[Node], published: list[list[str]]) -> int:
    """Count (node, record) pairs in honest authors' names that these never said: must be none."""
    genuine = {record_id for ids in published for record_id in ids}
    authors = [node.status()["identities"][DEFAULT_IDENTITY] for node in nodes]
    return sum(
        record_id not in genuine
        for node in nodes
        for author in authors
        for record_id in node.records_of(author)
    )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
