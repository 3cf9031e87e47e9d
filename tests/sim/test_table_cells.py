import pytest

from tastemesh.sim.table_cells import parse_time_s


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("1289241911", 1289241911),
        ("1289241911.99", 1289241911),
        ("1289241911000", 1289241911),
        ("1289241911000000", 1289241911),
        ("1289241911000000000", 1289241911),
        ("1.289e9", 1289000000),
        ("2010-11-08", 1289174400),
        ("2010/11/08", 1289174400),
        ("20101108", 1289174400),
        ("2010-11-08T18:45:11Z", 1289241911),
        ("2010-11-08 18:45:11 UTC", 1289241911),
        ("2010-11-08T19:45:11+01:00", 1289241911),
    ],
)
def test_times_are_read_in_every_usual_form(cell: str, seconds: int) -> None:
    assert parse_time_s(cell) == seconds
