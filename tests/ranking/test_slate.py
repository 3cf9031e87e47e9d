"""What may be listed, in which order, and that it is the same everywhere."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.ranking.slate import Recommendation, cut, own_items
from tastemesh.ranking.view import View
from tests.hash_seeds import printed

NOBODY = np.empty(0, dtype=np.int32)
KEY = b"key"


def view_of(count: int) -> View:
    view = View()
    view.append(b"u", [f"i{n}" for n in range(count)], 1.0, 0, 0)
    return view


def names(listed: list[Recommendation]) -> str:
    return " ".join(line.item + "?" * line.unverified for line in listed)


def test_best_first_without_zeros_and_excluded() -> None:
    scores = np.array([0.1, 0.5, 0.0, 0.4, 0.3])
    excluded = np.array([1, -1, 99], dtype=np.int32)
    assert names(cut(view_of(5), scores, 10, excluded=excluded, key=KEY)) == "i3 i4 i0"
    assert names(cut(view_of(5), scores, 2, excluded=excluded, key=KEY)) == "i3 i4"
    assert cut(view_of(5), scores, 0, excluded=NOBODY, key=KEY) == []
    assert cut(view_of(5), np.zeros(5), 3, excluded=NOBODY, key=KEY) == []


def test_only_candidates_are_listed_and_of_these_none_that_is_excluded() -> None:
    view, scores = view_of(5), np.array([0.1, 0.5, 0.0, 0.4, 0.3])
    excluded = np.array([3, -1], dtype=np.int32)
    asked = np.array([0, 2, 3, -1, 99, 0], dtype=np.int32)
    listed = cut(view, scores, 10, excluded=excluded, key=KEY, candidates=asked)
    assert names(listed) == "i0"
    listed = cut(view, scores, 10, excluded=NOBODY, key=KEY, candidates=asked)
    assert [(line.item, line.score) for line in listed] == [("i3", 0.4), ("i0", 0.1)]
    assert cut(view, scores, 10, excluded=NOBODY, key=KEY, candidates=NOBODY) == []
    loose = np.array([0.0, 0.0, 0.2, 0.9, 0.8])
    marked = cut(
        view, scores, 2, excluded=NOBODY, key=KEY,
        candidates=asked, unverified=loose, unverified_share=0.5,
    )  # fmt: skip
    assert names(marked) == "i3 i2?"


def test_ties_are_ordered_by_the_key_and_nothing_else() -> None:
    scores = np.full(30, 0.25)
    scores[::2] *= 1 + 1e-13  # the order of additions
    orders = {
        names(cut(view_of(30), scores, 10, excluded=NOBODY, key=bytes([key]))) for key in range(8)
    }
    assert len(orders) == 8
    by_hash = sorted(
        (hashlib.blake2b(f"i{n}".encode(), digest_size=16, key=KEY).digest(), n) for n in range(30)
    )
    listed = names(cut(view_of(30), scores, 10, excluded=NOBODY, key=KEY))
    assert listed == " ".join(f"i{n}" for _, n in by_hash[:10])


def test_unverified_slots_are_marked_spread_and_limited() -> None:
    view = view_of(8)
    scores = np.array([8, 7, 6, 5, 4, 0, 0, 0], dtype=float)
    loose = np.array([9, 0, 0, 0, 0, 3, 2, 1], dtype=float)
    listed = cut(view, scores, 5, excluded=NOBODY, key=KEY, unverified=loose, unverified_share=0.4)
    assert names(listed) == "i0 i1 i5? i2 i6?"
    assert listed[2].score == 3
    none = cut(view, scores, 5, excluded=NOBODY, key=KEY, unverified=loose, unverified_share=0.0)
    assert names(none) == "i0 i1 i2 i3 i4"
    every = cut(view, 0 * scores, 3, excluded=NOBODY, key=KEY, unverified=loose, unverified_share=1)
    assert names(every) == "i0? i5? i6?"


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.2000000000001]), min_size=1, max_size=9),
    st.lists(st.sampled_from([0.0, 0.1, 0.3]), min_size=9, max_size=9),
    st.integers(0, 12),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.lists(st.integers(0, 8), max_size=4),
)
def test_every_list_keeps_the_rules(
    scores: list[float], loose: list[float], k: int, share: float, excluded: list[int]
) -> None:
    anchored, unverified = np.array(scores), np.array(loose[: len(scores)])
    listed = cut(
        view_of(9),
        anchored,
        k,
        excluded=np.array(excluded, dtype=np.int32),
        key=KEY,
        unverified=unverified,
        unverified_share=share,
    )
    items = [int(line.item[1:]) for line in listed]
    assert len(items) == len(set(items)) <= k
    assert not set(items) & set(excluded)
    assert sum(line.unverified for line in listed) <= k * share
    assert all(line.score > 0 for line in listed)
    for kind, source in ((False, anchored), (True, unverified)):
        got = [line.score for line in listed if line.unverified is kind]
        assert got == [
            source[item]
            for item, line in zip(items, listed, strict=True)
            if line.unverified is kind
        ]
        assert all(a >= b * (1 - 1e-8) for a, b in pairwise(got))


def test_own_items_are_those_of_all_of_egos_rows() -> None:
    view = View()
    view.append(b"ego", ["a", "b"], 1.0, 0, 0)
    view.append(b"ego/private", ["c"], 1.0, 0, 1)
    view.append(b"other", ["d"], 1.0, 0, 2)
    egos = view.user_numbers([b"ego", b"ego/private", b"nobody"]).tolist()
    assert own_items(view.matrix(0), egos).tolist() == view.item_numbers(["a", "b", "c"]).tolist()
    assert own_items(view.matrix(0), [-1]).tolist() == []


def test_values_out_of_range_are_named() -> None:
    with pytest.raises(UsageError, match="k -1"):
        cut(view_of(1), np.ones(1), -1, excluded=NOBODY, key=KEY)
    with pytest.raises(UsageError, match="share 2"):
        cut(view_of(1), np.ones(1), 1, excluded=NOBODY, key=KEY, unverified_share=2.0)


SCRIPT = """
import numpy as np
import scipy.sparse as sp
from tastemesh.ranking.contacts import gather_trust
from tastemesh.ranking.exploration import explore
from tastemesh.ranking.profile import recent_profile
from tastemesh.ranking.reasons import explain
from tastemesh.ranking.salsa import rank
from tastemesh.ranking.slate import cut, own_items
from tastemesh.ranking.view import View

rng = np.random.default_rng(7)
view = View()
ids = [bytes([n]) * 32 for n in range(60)]
for number in range(300):
    items = [f"item/{n}" for n in rng.integers(90, size=4)]
    weights, times_s = rng.random(4) * 0.9 + 0.1, rng.integers(9**6, size=4)
    view.append(ids[number % 60], items, weights, times_s, number)
    if number % 7 == 0:
        view.remove_record(number // 2)
        view.matrix(9**6, 1e5)
matrix = view.matrix(9**6, 1e5)
shares = sp.random(20, 60, 0.2, rng=rng, format="csr")
trust = gather_trust(ids[:20], sp.csr_array(shares), view.user_numbers(ids), view.user_count)
egos = [view.user_number(ids[3])]
profile = recent_profile(view, matrix, egos)
scores = rank(matrix, trust, egos, profile=profile)
listed = cut(
    view,
    scores.items,
    20,
    excluded=own_items(matrix, egos),
    key=b"k",
    unverified=explore(matrix, trust.tau, egos, profile),
    unverified_share=0.2,
)
print(view.digest().hex(), listed, explain(view, matrix, scores, [line.item for line in listed]))
"""


def test_same_view_same_list_in_every_process() -> None:
    outputs = [printed(SCRIPT, hash_seed=seed) for seed in ("0", "1", "4242")]
    assert "unverified=True" in outputs[0]
    assert outputs[0].count("Reason(") > 20
    assert outputs[0] == outputs[1] == outputs[2]
