import pytest

from tastemesh.errors import UsageError
from tastemesh.sim.columns import (
    ENDORSEMENT_FIELDS,
    INTERACTION_FIELDS,
    default_endorsement_columns,
    default_interaction_columns,
    find_columns,
    parse_columns,
)


def test_an_option_names_headers_and_positions() -> None:
    text = "user=userID, item=2,day=day,month=month,year=year"
    wanted = parse_columns(text, INTERACTION_FIELDS, "--columns")
    header = ["userID", "artistID", "tagID", "day", "month", "year"]
    assert find_columns(wanted, header, 6) == {
        "user": 0,
        "item": 1,
        "day": 3,
        "month": 4,
        "year": 5,
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("user=1", "item missing"),
        ("weight=3", "user and item missing"),
        ("user=1,item=2,item=3", "named twice"),
        ("user=1,item=2,stars=3", "'stars=3' is not one of user=NAME"),
        ("user=1,item=", "'item=' is not one of"),
        ("user=1,item=2,time=3,year=4", "either time=NAME or year=NAME"),
        ("user=1,item=2,month=4", "either time=NAME or year=NAME"),
    ],
)
def test_a_wrong_option_is_named(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as raised:
        parse_columns(text, INTERACTION_FIELDS, "--columns")
    assert str(raised.value).startswith("--columns: ")


def test_a_header_that_is_a_number_wins_over_a_position() -> None:
    assert find_columns({"user": "2", "item": "7"}, ["7", "x", "2"], 3) == {"user": 2, "item": 0}


def test_names_match_without_case_and_punctuation_if_not_exactly() -> None:
    header = ["userid", "USER_ID", "Book-ID"]
    wanted = {"user": "USER_ID", "item": "book_id"}
    assert find_columns(wanted, header, 3) == {"user": 1, "item": 2}


@pytest.mark.parametrize(
    ("name", "header", "says"),
    [
        ("4", None, "expected a position from 1 to 3"),
        ("0", None, "expected a position from 1 to 3"),
        ("plays", ["a", "b", "c"], "it has a, b, c"),
        ("plays", None, "the file has no header line"),
    ],
)
def test_a_column_that_is_not_there_is_named(
    name: str, header: list[str] | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        find_columns({"weight": name}, header, 3)


def test_two_fields_in_one_column_are_refused() -> None:
    with pytest.raises(UsageError, match="column item=1: it is the user's already"):
        find_columns({"user": "ana", "item": "1"}, ["ana", "b"], 2)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("userID artistID weight", {"user": 0, "item": 1, "weight": 2}),
        ("userId,movieId,rating,timestamp", {"user": 0, "item": 1, "weight": 2, "time": 3}),
        ("date plays item user", {"time": 0, "weight": 1, "item": 2, "user": 3}),
        (
            "userID artistID tagID day month year",
            {"user": 0, "item": 1, "day": 3, "month": 4, "year": 5},
        ),
        ("user_id:token item_id:token rating:float", {"user": 0, "item": 1, "weight": 2}),
        ("item_id:token_seq user_id:token", {"item": 0, "user": 1}),
        ("rating thing user_id", {"weight": 0, "item": 1, "user": 2}),
        ("user item month", {"user": 0, "item": 1}),
        ("a b c d e", {"user": 0, "item": 1, "weight": 2, "time": 3}),
        ("id,user_id,video,score,timestamp", {"user": 1, "item": 2, "weight": 3, "time": 4}),
        ("event_id,listener,song_title,when", {"user": 1, "item": 2}),
        ("id,who,what", {"user": 1, "item": 2}),
        ("id item rating", {"user": 0, "item": 1, "weight": 2}),
        ("user,rating", {"user": 0, "item": 1}),
        ("who,what,rating,when", {"user": 0, "item": 1, "weight": 2, "time": 3}),
        ("user_id,item_id,created_at", {"user": 0, "item": 1, "time": 2}),
        ("user,movie,rating,year", {"user": 0, "item": 1, "weight": 2}),
        ("year,user,thing", {"user": 1, "item": 2}),
        ("user,item,month,year", {"user": 0, "item": 1, "month": 2, "year": 3}),
    ],
)
def test_common_interaction_headers_are_recognised(header: str, expected: dict[str, int]) -> None:
    names = header.replace(",", " ").split()
    assert default_interaction_columns(names, len(names)) == expected


def test_without_a_header_the_order_counts() -> None:
    assert default_interaction_columns(None, 3) == {"user": 0, "item": 1, "weight": 2}
    assert default_interaction_columns(None, 3, {2}) == {"user": 0, "item": 1, "time": 2}
    in_turn = {"user": 0, "item": 1, "time": 2, "weight": 3}
    assert default_interaction_columns(None, 4, {2}) == in_turn
    assert default_interaction_columns(None, 4, {3})["time"] == 3


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, {"source": 0, "subject": 1}),
        (["userID", "friendID"], {"source": 0, "subject": 1}),
        (["rating", "target", "source"], {"weight": 0, "subject": 1, "source": 2}),
        (["id", "user_id", "friend_id"], {"source": 1, "subject": 2}),
        (["id", "follower_id", "followed_id"], {"source": 1, "subject": 2}),
        (["id", "friend"], {"source": 0, "subject": 1}),
        (["user", "trust"], {"source": 0, "subject": 1}),
        (["a", "b", "trust", "date"], {"source": 0, "subject": 1, "weight": 2, "time": 3}),
    ],
)
def test_endorsement_columns_are_the_first_two_unless_headed(
    header: list[str] | None, expected: dict[str, int]
) -> None:
    assert default_endorsement_columns(header, len(header or range(4))) == expected
    assert set(expected) <= set(ENDORSEMENT_FIELDS)
