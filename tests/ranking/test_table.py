"""Replacing a few users' rows gives what making everything anew does, bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.ranking import patch
from tastemesh.ranking.columns import Interactions, selected
from tastemesh.ranking.firsts import Firsts
from tastemesh.ranking.table import Table

USERS, ITEMS, GROWN = 5, 6, (7, 9)

# user, item, weight in sixteenths, time_s; one record each, in the order of arrival
Row = tuple[int, int, int, int]


def rows_of(user_count: int, item_count: int) -> st.SearchStrategy[list[Row]]:
    users, items = st.integers(0, user_count - 1), st.integers(0, item_count - 1)
    return st.lists(st.tuples(users, items, st.integers(1, 16), st.integers(0, 90)), max_size=40)


def columns_of(rows: list[tuple[int, Row]]) -> Interactions:
    table = np.array([row for _, row in rows], dtype=np.int32).reshape(-1, 4)
    return Interactions(
        user=table[:, 0],
        item=table[:, 1],
        weight=table[:, 2].astype(np.float32) / np.float32(16),
        time_s=table[:, 3],
        record=np.array([number for number, _ in rows], dtype=np.int32),
    )


def made(rows: Interactions, shape: tuple[int, int], half_life_s: float | None) -> Table:
    table = Table.of(rows, shape, half_life_s, 0.0)
    firsts = Firsts.of(rows, table.weights.by_user)
    return Table(table.weights, half_life_s, 0.0, firsts)


def arrays(table: Table) -> dict[str, tuple[str, bytes]]:
    weights, firsts = table.weights, table.firsts
    assert firsts is not None
    parts = {
        f"{direction}.{name}": getattr(getattr(weights, direction), name)
        for direction in ("by_user", "by_item")
        for name in ("indptr", "indices", "data")
    }
    parts |= {name: getattr(weights, name) for name in ("user_sums", "item_sums")}
    parts |= {name: getattr(firsts, name) for name in Firsts.__struct_fields__}
    return {name: (part.dtype.str, part.tobytes()) for name, part in parts.items()}


@pytest.mark.parametrize("edit_limit", [1, 1_000])
def test_replaced_rows_are_made_anew(edit_limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both ways to the other direction; with what left, what came, and larger numbers."""
    monkeypatch.setattr(patch, "_EDIT_LIMIT", edit_limit)

    @given(
        rows_of(USERS, ITEMS),
        st.lists(st.integers(0, 39), max_size=20),
        rows_of(*GROWN),
        st.sampled_from([None, 2.0]),
    )
    def holds(
        before: list[Row], gone: list[int], after: list[Row], half_life_s: float | None
    ) -> None:
        numbered = list(enumerate(before))
        stayed = [row for row in numbered if row[0] not in gone]
        now = stayed + list(enumerate(after, 40))
        changed = {row[0] for row in after} | {row[0] for at, row in numbered if at in gone}
        if not changed:
            return
        users = np.array(sorted(changed), np.int32)
        rows = columns_of(now)
        old = made(columns_of(numbered), (USERS, ITEMS), half_life_s)
        kept = arrays(old)
        theirs = selected(rows, np.flatnonzero(np.isin(rows.user, users)))
        replaced = old.replaced(users, theirs, GROWN)
        assert arrays(replaced) == arrays(made(rows, GROWN, half_life_s))
        assert arrays(old) == kept

    holds()
