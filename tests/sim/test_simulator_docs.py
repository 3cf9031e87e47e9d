"""docs/simulator.md names every key of a scenario with its default, and every strategy."""

from pathlib import Path

import msgspec

from tastemesh.sim.adversaries.deployment import strategies
from tastemesh.sim.scenario import TABLES
from tastemesh.sim.series import Series

TEXT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")


def shown(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    match field.default:
        case str():
            return f'`"{field.default}"`'
        case bool():
            return f"`{str(field.default).lower()}`"
        case tuple():
            return "`[]`"
    return f"`{field.default}`"


def test_every_key_stands_in_the_table_with_its_default() -> None:
    rows = {
        line.split(" | ")[0]: line.split(" | ")[1] for line in TEXT.splitlines() if "` | " in line
    }
    expected = {
        f"| `{f'{table}.' if table else ''}{field.name}`": shown(field)
        for table, schema in TABLES.items()
        for field in msgspec.structs.fields(schema)
        if table or field.name not in TABLES
    }
    assert {row: rows.get(row) for row in expected} == expected
    unknown = {row for row in rows if "." in row} - set(expected)
    assert not unknown


def test_every_strategy_is_explained() -> None:
    assert [name for name in strategies() if f"`{name}`" not in TEXT] == []


def test_every_column_of_a_series_is_explained() -> None:
    assert [name for name in Series.__struct_fields__ if f"`{name}`" not in TEXT] == []
