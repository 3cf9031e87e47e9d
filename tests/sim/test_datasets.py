from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import DataError, UsageError
from tastemesh.sim.datasets import load_endorsements, load_interactions
from tastemesh.sim.interactions import Endorsements, Interactions


@pytest.fixture
def write(tmp_path: Path) -> "Writer":
    return Writer(tmp_path)


class Writer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, text: str) -> Path:
        file = self._folder / "table"
        file.write_text(text)
        return file


def named(data: Interactions) -> list[tuple[str, str, float]]:
    return [
        (data.user_ids[user], data.item_ids[item], float(weight))
        for user, item, weight in zip(data.user, data.item, data.weight, strict=True)
    ]


def stated(data: Endorsements) -> list[tuple[str, str, float]]:
    return [
        (data.ids[source], data.ids[subject], float(weight))
        for source, subject, weight in zip(data.source, data.subject, data.weight, strict=True)
    ]


def test_repeated_pairs_are_summed_with_their_earliest_time(write: Writer) -> None:
    data = load_interactions(
        write("u,i,2,1000000000\nv,i,1,1000000001\nu,i,3,900000000\nu,j,4,1000000002\n")
    )
    assert named(data) == [("u", "i", 5.0), ("v", "i", 1.0), ("u", "j", 4.0)]
    assert data.time_s is not None
    assert data.time_s.tolist() == [900000000, 1000000001, 1000000002]
    assert [str(column.dtype) for column in (data.user, data.weight, data.time_s)] == [
        *("int32", "float32", "int64")
    ]
    assert (data.counts.read_count, data.counts.merged_count) == (4, 1)
    assert data.counts.notices() == []


def test_dates_in_three_columns_and_no_weight_count_one_a_row(write: Writer) -> None:
    table = (
        "userID\tartistID\ttagID\tday\tmonth\tyear\n2\t52\t13\t1\t4\t2009\n2\t52\t15\t1\t3\t2009\n"
    )
    recognised = load_interactions(write(table))
    asked = load_interactions(
        write(table), "user=userID,item=artistID,day=day,month=month,year=year"
    )
    for data in (recognised, asked):
        assert named(data) == [("2", "52", 2.0)]
        assert data.time_s is not None
        assert data.time_s.tolist() == [1235865600]
    assert recognised.counts.columns == "user=userID,item=artistID,day=day,month=month,year=year"


def test_a_header_in_other_words_is_told_by_the_numbers_below(write: Writer) -> None:
    assert named(load_interactions(write("who,what,much\na,b,3\n"))) == [("a", "b", 3.0)]
    assert named(load_interactions(write("a,b,3\nc,d,4\n"))) == [("a", "b", 3.0), ("c", "d", 4.0)]
    by_position = load_interactions(write("much who what\n3 a b\n"), "user=2,item=3,weight=1")
    assert named(by_position) == [("a", "b", 3.0)]


@pytest.mark.parametrize("head", ["user,item,rating", "user,item,time", "user,item,month,year"])
def test_a_cell_of_thousands_of_characters_is_quoted_by_its_beginning(
    head: str, write: Writer
) -> None:
    with pytest.raises(DataError, match=r"line 2: .*'x{60}…'") as caught:
        load_interactions(write(f"{head}\na,b,{'x' * 9999},{'x' * 9999}\n"))
    assert len(str(caught.value)) < 500


def test_a_header_in_other_words_is_told_by_the_dates_below(write: Writer) -> None:
    for table in ("who,what,when\na,b,2020-01-02\n", "who,what,when\na,b,2020-01-02 03:04:05Z\n"):
        data = load_interactions(write(table))
        assert (named(data), data.counts.columns) == (
            [("a", "b", 1.0)],
            "user=who,item=what,time=when",
        )
    undated = load_interactions(write("a,b,2020-01-02\nc,d,2020-01-03\n"))
    assert named(undated) == [("a", "b", 1.0), ("c", "d", 1.0)]


def test_ids_with_a_prefix_are_no_header(write: Writer) -> None:
    data = load_interactions(write("user:1,song:4,5\nuser:2,song:5,4\n"))
    assert named(data) == [("user:1", "song:4", 5.0), ("user:2", "song:5", 4.0)]


def test_a_field_that_is_not_asked_for_is_not_read(write: Writer) -> None:
    data = load_interactions(write("user,item,rating,time\nu,i,x,never\n"), "user=user,item=item")
    assert named(data) == [("u", "i", 1.0)]
    assert data.time_s is None


def test_weak_worthless_and_misdated_rows_are_dropped_and_counted(write: Writer) -> None:
    table = "user,item,rating,time\nu,i,5,2009-01-02\nu,j,2,2009-01-02\nu,k,0,2009-01-02\n"
    data = load_interactions(write(table + "u,l,5,1956-01-01\n"))
    assert [item for _, item, _ in named(data)] == ["i", "j"]
    assert data.counts.notices() == [
        "1 row dropped: dated before 1990 or after 2100",
        "1 row dropped: weight zero, negative, or about oneself",
    ]
    strict = load_interactions(write(table), min_weight=3)
    assert [item for _, item, _ in named(strict)] == ["i"]
    assert strict.counts.weak_count == 2


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("u,j", "line 3: expected at least 4 columns, found 2"),
        ("u,,1,2009-01-02", "line 3: the item is empty"),
        (",j,1,2009-01-02", "line 3: the user is empty"),
        ("u,j,many,2009-01-02", "line 3: weight 'many' is not a number"),
        ("u,j,inf,2009-01-02", "line 3: weight 'inf' is not finite"),
        ("u,j,1,yesterday", "line 3: time 'yesterday' is neither seconds nor an ISO date"),
        ("u,j,1,nan", "line 3: time 'nan' is neither"),
    ],
)
def test_a_bad_line_is_named_or_skipped_and_counted(write: Writer, line: str, says: str) -> None:
    good = "u,i,1,2009-01-02\n" * 20
    file = write(f"user,item,rating,time\nv,i,1,2009-01-02\n{line}\n{good}")
    with pytest.raises(DataError, match=says) as raised:
        load_interactions(file)
    assert raised.value.line == 3
    data = load_interactions(file, skip_bad=True)
    assert len(data) == 2
    assert data.counts.bad_count == 1
    assert data.counts.problems[0] in str(raised.value)
    assert data.counts.notices() == ["1 bad line skipped"]


def test_an_impossible_date_is_a_bad_line(write: Writer) -> None:
    with pytest.raises(DataError, match="line 2: '2009'-'2'-'30' is not a date"):
        load_interactions(write("user,item,day,month,year\nu,i,30,2,2009\n"))


def test_a_file_of_which_nothing_is_left_says_why(write: Writer) -> None:
    with pytest.raises(DataError, match="no row is left of 1: 1 row dropped: dated before 1990"):
        load_interactions(write("user,item,rating,time\nu,i,1,17\n"))
    with pytest.raises(DataError, match="no row is left of 0: no data lines"):
        load_interactions(write("user,item,rating\n"))


def test_a_least_weight_needs_weights(write: Writer) -> None:
    with pytest.raises(UsageError, match=r"--min-weight: .* has no weight column"):
        load_interactions(write("user,item\nu,i\n"), min_weight=3)


def test_progress_is_reported(write: Writer) -> None:
    seen: list[int] = []
    load_interactions(write("u,i,1\n" * 140_000), progress=seen.append)
    assert seen == [65_536, 131_072]


def test_the_latest_endorsement_of_a_pair_counts(write: Writer) -> None:
    table = "source,target,trust,time\na,b,1,2010-01-01\na,b,-1,2009-01-01\nb,a,4,2010-01-01\n"
    data = load_endorsements(write(table))
    assert stated(data) == [("a", "b", 1.0), ("b", "a", 4.0)]
    assert data.counts.merged_count == 1
    untimed = load_endorsements(write("source target trust\na b 1\na b 0\nb a 4\na c -2\n"))
    assert stated(untimed) == [("b", "a", 4.0), ("a", "c", -2.0)]
    assert untimed.time_s is None


def test_friendships_listed_once_go_both_ways(write: Writer) -> None:
    file = write("userID\tfriendID\n1\t2\n2\t3\n3\t2\n3\t3\n")
    once, both = load_endorsements(file), load_endorsements(file, undirected=True)
    assert stated(once) == [("1", "2", 1.0), ("2", "3", 1.0), ("3", "2", 1.0)]
    assert sorted(stated(both)) == [
        *[("1", "2", 1.0), ("2", "1", 1.0)],
        *[("2", "3", 1.0), ("3", "2", 1.0)],
    ]
    assert once.counts.worthless_count == 1


def test_headerless_endorsements_take_a_weight_only_if_asked(write: Writer) -> None:
    file = write("6,2,4,1289241911.72836\n6,5,-2,1289241941.53378\n")
    assert stated(load_endorsements(file)) == [("6", "2", 1.0), ("6", "5", 1.0)]
    asked = load_endorsements(file, "source=1,subject=2,weight=3,time=4")
    assert stated(asked) == [("6", "2", 4.0), ("6", "5", -2.0)]
    assert asked.time_s is not None
    assert asked.time_s.tolist() == [1289241911, 1289241941]


def test_aligned_endorsements_share_the_users_positions(write: Writer) -> None:
    data = load_endorsements(write("a b\nb x\nx c\n")).aligned(("c", "b", "a", "d"))
    assert data.ids == ("c", "b", "a", "d", "x")
    assert stated(data) == [("a", "b", 1.0), ("b", "x", 1.0), ("x", "c", 1.0)]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 9)), min_size=2, max_size=40
    )
)
def test_any_table_is_read_as_a_dictionary_of_sums(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, int]]
) -> None:
    sums: dict[tuple[str, str], float] = {}
    for user, item, weight in rows:
        pair = (f"u{user}", f"i{item}")
        sums[pair] = sums.get(pair, 0.0) + weight
    file = tmp_path_factory.mktemp("table") / "rows.tsv"
    file.write_text("".join(f"u{user}\ti{item}\t{weight}\n" for user, item, weight in rows))
    data = load_interactions(file)
    assert named(data) == [(user, item, weight) for (user, item), weight in sums.items()]
    assert np.all(data.weight > 0)


def test_a_third_column_of_times_is_a_time(write: "Writer") -> None:
    data = load_interactions(write("a,b,1500869953\nc,d,1501899280\n"))
    assert data.counts.columns == "user=1,item=2,time=3"
    assert data.time_s is not None
    assert load_interactions(write("a,b,1500869953\nc,d,4\n")).time_s is None


def test_rows_of_which_each_has_an_item_of_its_own_are_remarked(write: "Writer") -> None:
    table = "thing,user\n" + "".join(f"{row},u{row % 3}\n" for row in range(40))
    (notice,) = load_interactions(write(table)).counts.notices()
    assert notice.startswith("every row has an item of its own (columns user=user,item=thing)")
    assert load_interactions(write(table + "7,u5\n")).counts.notices() == []


def test_a_list_of_friendships_that_go_one_way_is_remarked(write: "Writer") -> None:
    table = "".join(f"p{number} p{number + 1}\n" for number in range(120))
    (notice,) = load_endorsements(write(table)).counts.notices()
    assert notice.startswith(
        "none of the 120 endorsements is returned: if each line is a friendship"
    )
    assert load_endorsements(write(table), undirected=True).counts.notices() == []
    assert load_endorsements(write(table + "p8 p7\n")).counts.notices() == []


def test_weights_that_do_not_fit_are_named_by_line(write: "Writer") -> None:
    table = "user,item,rating\nu,i,1\nu,k,1e39\n"
    with pytest.raises(DataError, match="line 3: weight '1e39' is beyond 1e\\+30"):
        load_interactions(write(table))
    assert len(load_interactions(write(table), skip_bad=True)) == 1
    with pytest.raises(UsageError, match="--min-weight is nan; expected a number"):
        load_interactions(write(table), min_weight=float("nan"))


def test_a_weight_that_single_precision_makes_nothing_of_counts_as_none(write: "Writer") -> None:
    data = load_interactions(write("user,item,rating\nu,i,1e-50\nv,k,1\n"))
    assert named(data) == [("v", "k", 1.0)]
    assert data.counts.worthless_count == 1
