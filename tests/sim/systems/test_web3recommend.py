import msgspec
import numpy as np
import pytest

from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.web3recommend import Web3Recommend

LITERAL: dict[str, float | int | str] = {"alpha": 0.1, "beta": 0.8, "trust": "endorsements"}


def holding(*held: str) -> Interactions:
    """One user for each word, who holds its letters."""
    user = np.repeat(np.arange(len(held), dtype=np.int32), [len(word) for word in held])
    letters = sorted(set("".join(held)))
    return Interactions(
        user_ids=tuple(str(at) for at in range(len(held))),
        item_ids=tuple(letters),
        user=user,
        item=np.array([letters.index(letter) for letter in "".join(held)], dtype=np.int32),
        weight=np.ones(len(user), dtype=np.float32),
    )


def endorsing(*edges: tuple[int, int], count: int) -> Endorsements:
    return Endorsements(
        ids=tuple(str(at) for at in range(count)),
        source=np.array([source for source, _ in edges], dtype=np.int32),
        subject=np.array([subject for _, subject in edges], dtype=np.int32),
        weight=np.ones(len(edges), dtype=np.float32),
    )


def scores(system: Web3Recommend, ego: int) -> dict[str, float]:
    found = np.zeros((1, system._owned.shape[1]), dtype=np.float32)
    egos = np.array([ego], dtype=np.int32)
    system._add_scores(egos, np.random.default_rng(0), found)
    return dict(zip("abcdefghij", found[0].tolist(), strict=False))


def test_an_item_behind_one_person_loses_beta_and_one_behind_two_does_not() -> None:
    data = holding("ab", "acd", "bce")
    people = endorsing((0, 1), (0, 2), count=3)
    with_decay, without = Web3Recommend(), Web3Recommend()
    with_decay.fit(data, people, LITERAL)
    without.fit(data, people, {**LITERAL, "beta": 0.0})
    decayed, plain = scores(with_decay, 0), scores(without, 0)
    assert decayed["c"] == pytest.approx(plain["c"])  # through either of the two
    assert decayed["d"] == pytest.approx(plain["d"] * 0.2)
    assert decayed["e"] == pytest.approx(plain["e"] * 0.2)
    assert decayed["a"] == plain["a"]  # the root's own items have no one in between


def test_bottlenecks_are_what_counting_walk_by_walk_finds(community: Interactions) -> None:
    system = Web3Recommend()
    system.fit(community, None, {**LITERAL, "trust": "similarity"})
    item_count, user_count = 26, 30
    rng = np.random.default_rng(3)
    trace = np.full((2000, 7), -1, dtype=np.int32)
    for path in trace:  # any walks will do; not even ones that the rule allows
        length = rng.integers(0, 8)
        path[:length:2] = rng.integers(0, item_count, len(path[:length:2]))
        path[1:length:2] = rng.integers(0, 3, len(path[1:length:2]))
    egos = np.array([1, 7], dtype=np.int32)
    cell, share = system._bottlenecks(egos, trace)
    expected: dict[int, float] = {}
    owned = set(zip(community.user.tolist(), community.item.tolist(), strict=True))
    for at, ego in enumerate(egos.tolist()):
        paths = [path[path >= 0].tolist() for path in trace[1000 * at : 1000 * at + 1000]]
        nodes = [[("iu"[step % 2], node) for step, node in enumerate(path)] for path in paths]
        for item in range(item_count):
            reaching = [path for path in nodes if ("i", item) in path]
            if not reaching or (ego, item) in owned:
                continue
            before = [set(path[: path.index(("i", item))]) - {("u", ego)} for path in reaching]
            everything = [("i", i) for i in range(item_count)]
            everything += [("u", u) for u in range(user_count)]
            most = max(sum(node in earlier for earlier in before) for node in everything)
            expected[at * item_count + item] = most / len(reaching)
    assert cell.tolist() == sorted(expected)
    assert share == pytest.approx([expected[at] for at in sorted(expected)])


def test_whoever_has_endorsed_few_is_filled_up_to_five_by_similarity() -> None:
    data = holding(*["abc"] * 8, "xyz", "xy")
    people = endorsing(*((0, v) for v in (8, 1, 2, 3, 4, 5)), (1, 9), count=10)
    system = Web3Recommend()
    system.fit(data, people, LITERAL)
    trust = system._trust
    trusted = [trust.target[trust.start[u] : trust.start[u + 1]].tolist() for u in range(10)]
    assert trusted[0] == [1, 2, 3, 4, 5, 8]  # own endorsements are not capped
    assert len(trusted[1]) == 5
    assert 9 in trusted[1]
    assert trusted[8] == [9]  # nobody else shares two items


def test_distrust_and_people_without_interactions_lead_nowhere() -> None:
    data = holding("ab", "ac", "bd")
    people = endorsing((0, 1), (0, 2), (0, 3), count=4)
    distrusting = msgspec.structs.replace(
        people, weight=np.array([1.0, -1.0, 1.0], dtype=np.float32)
    )
    system = Web3Recommend()
    system.fit(data, distrusting, LITERAL)
    ranked = system.rank(np.array([0, 1], dtype=np.int32), 4)
    assert ranked.tolist() == [[2, -1, -1, -1], [-1, -1, -1, -1]]


def test_the_grid_offers_the_literal_setting_and_both_sources_of_trust() -> None:
    system = Web3Recommend()
    assert system.grid(True)[0] == LITERAL
    assert {str(setting["trust"]) for setting in system.grid(True)} == {
        *("endorsements", "similarity")
    }
    assert system.grid(False)[0] == {**LITERAL, "trust": "similarity"}
