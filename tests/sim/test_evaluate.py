import json
from collections.abc import Callable
from datetime import datetime

import msgspec
import numpy as np
import pytest
from rich.console import Console

from tastemesh.errors import UsageError
from tastemesh.sim.evaluate import evaluate
from tastemesh.sim.evaluation import Evaluation, format_table
from tastemesh.sim.interactions import Endorsements, Interactions, LoadCounts
from tastemesh.sim.splits import SplitOptions
from tastemesh.sim.systems import ease
from tastemesh.sim.systems.registry import SYSTEMS

USER_COUNT = 60


def circles() -> Interactions:
    """Three circles of twenty users, who hold twelve of their circle's thirty items."""
    rng = np.random.default_rng(0)
    item = np.concatenate(
        [rng.choice(30, 12, replace=False) + 30 * (user % 3) for user in range(USER_COUNT)]
    )
    return Interactions(
        user_ids=tuple(f"u{at}" for at in range(USER_COUNT)),
        item_ids=tuple(f"i{at}" for at in range(90)),
        user=np.repeat(np.arange(USER_COUNT, dtype=np.int32), 12),
        item=item.astype(np.int32),
        weight=np.ones(12 * USER_COUNT, dtype=np.float32),
        counts=LoadCounts(bad_count=2),
    )


def friends() -> Endorsements:
    source = np.arange(USER_COUNT, dtype=np.int32)
    return Endorsements(
        ids=tuple(f"u{at}" for at in range(USER_COUNT)),
        source=source,
        subject=(source + 3) % USER_COUNT,
        weight=np.ones(USER_COUNT, dtype=np.float32),
    )


def ticking() -> Callable[[], float]:
    now_s = iter(range(10**6))
    return lambda: float(next(now_s))


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(circles(), friends(), clock=ticking())


def test_the_json_has_the_shape_of_the_contract(evaluation: Evaluation) -> None:
    told = json.loads(msgspec.json.encode(evaluation))
    assert {"dataset", "split", "seed", "results"} <= set(told)
    assert {**told["dataset"], "train": 0, "test": 0} == {
        "users": 60,
        "items": 90,
        "interactions": 720,
        "endorsements": 60,
        "test_users": 60,
        "train": 0,
        "test": 0,
    }
    assert (told["split"], told["seed"]) == ("random", 0)
    assert told["notices"] == ["2 bad lines skipped"]
    assert [row["method"] for row in told["results"]] == list(SYSTEMS)
    for row in told["results"]:
        assert set(row) == {
            *("method", "ndcg@10", "recall@20", "ndcg@10_ci95", "recall@20_ci95"),
            *("item_coverage@10", "gini@10", "popularity_overlap@10", "novelty@10"),
            *("ms_per_user", "fit_seconds", "parameters", "tuned", "tried"),
            *("ndcg@10_minus_first_ci95", "unverified_share"),
        }
        assert row["unverified_share"] == (0.0 if row["method"] == "tastemesh" else None)
        assert row["ndcg@10_ci95"][0] <= row["ndcg@10"] <= row["ndcg@10_ci95"][1]
        assert row["recall@20_ci95"][0] <= row["recall@20"] <= row["recall@20_ci95"][1]
        assert row["tuned"] == (row["tried"] > 1)
        assert row["ms_per_user"] == pytest.approx(1000 / 60)
        assert row["fit_seconds"] == 1.0


def test_popularity_is_beaten_where_there_is_taste_to_find() -> None:
    names = ["popularity", *(name for name in SYSTEMS if name != "popularity")]
    run = evaluate(circles(), friends(), None, names, clock=ticking())
    popularity, *personal = run.results
    assert popularity.popularity_overlap_at_10 == 1.0
    assert popularity.ndcg_at_10_minus_first_ci95 is None
    for row in personal:
        assert row.ndcg_at_10_minus_first_ci95 is not None
        assert row.ndcg_at_10_minus_first_ci95[0] > 0, row.method
        assert row.popularity_overlap_at_10 < 0.8


def test_all_but_the_times_depends_on_the_seed_alone() -> None:
    def told(seed: int) -> list[dict[str, object]]:
        run = evaluate(circles(), friends(), None, ["als", "userknn"], seed, clock=ticking())
        return [msgspec.to_builtins(row) for row in run.results]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_where_all_training_is_of_one_time_nothing_is_tuned_and_all_is_measured() -> None:
    data = circles()
    late = np.arange(len(data)) % 12 >= 10
    times_s = np.where(late, 1_600_086_400, 1_600_000_000)
    options = SplitOptions(kind="global-time", cutoff="1600086400")
    found = evaluate(
        msgspec.structs.replace(data, time_s=times_s),
        options=options,
        methods=["userknn", "popularity"],
        clock=ticking(),
    )
    assert found.tuning == "not at all, as the training part cannot be split once more"
    assert [(row.method, row.tuned, row.tried) for row in found.results] == [
        ("userknn", False, 1),
        ("popularity", False, 1),
    ]
    assert found.results[0].parameters == SYSTEMS["userknn"](0).grid(False)[0]


def test_endorsements_made_after_the_cutoff_teach_nothing() -> None:
    dated = msgspec.structs.replace(
        circles(), time_s=1_000 + np.random.default_rng(1).permutation(12 * USER_COUNT)
    )
    options = SplitOptions(kind="global-time", test_fraction=0.3)
    names = ["tastemesh", "friends"]

    def told(people: Endorsements) -> Evaluation:
        return evaluate(dated, people, options, names, clock=ticking())

    early, late, nobody = (
        msgspec.structs.replace(friends(), time_s=np.full(USER_COUNT, when))
        for when in (0, 10**6, 10**6)
    )
    used, unused = told(early), told(late)
    assert used.results == told(friends()).results
    assert used.notices == ["2 bad lines skipped"]
    assert unused.notices[1:] == ["60 of 60 endorsements left out: made later"]
    assert unused.results == told(nobody.rows(np.zeros(USER_COUNT, bool))).results
    assert unused.results != used.results
    (cutoff,) = {used.cutoff, unused.cutoff}
    assert cutoff is not None
    at_s = int(datetime.fromisoformat(cutoff).timestamp())
    assert told(msgspec.structs.replace(early, time_s=np.full(USER_COUNT, at_s))).notices[1:]
    # What was said between the two cutoffs is known at the second, not while parameters are chosen.
    between = told(msgspec.structs.replace(early, time_s=np.full(USER_COUNT, at_s - 1)))
    assert between.results[0] == used.results[0]


def test_endorsements_of_strangers_are_noticed_and_the_list_is_marked() -> None:
    strangers = msgspec.structs.replace(
        friends(), ids=tuple(f"person {at}" for at in range(USER_COUNT))
    )
    run = evaluate(circles(), strangers, None, ["tastemesh", "popularity"], clock=ticking())
    expected = "0 of 60 endorsements are between users of the interactions: expected the same ids"
    assert run.notices[1].startswith(expected)
    assert [row.unverified_share for row in run.results] == [1.0, None]
    console = Console(width=220)
    with console.capture() as capture:
        console.print(format_table(run))
    assert "tastemesh (unverified)" in capture.get()
    assert "no endorsement stands behind" in capture.get()


def test_a_method_that_cannot_run_is_left_out_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ease, "MAX_BYTES", 100)
    steps: list[tuple[str, int, int]] = []
    run = evaluate(
        circles(),
        methods=["ease", "popularity"],
        clock=ticking(),
        progress=lambda *step: steps.append(step),
    )
    assert [row.method for row in run.results] == ["popularity"]
    assert "would need" in run.skipped["ease"]
    assert steps[0] == ("ease: setting 1 of 9", 0, 11)
    assert steps[-1] == ("popularity: test", 10, 11)
    assert run.results[0].tuned is False


def test_what_is_measured_before_an_interruption_is_told() -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if stage.startswith("als"):
            raise KeyboardInterrupt

    names = ["popularity", "als", "userknn"]
    run = evaluate(circles(), None, None, names, clock=ticking(), progress=interrupt)
    assert [row.method for row in run.results] == ["popularity"]
    assert run.skipped == {"als": "stopped by Ctrl-C", "userknn": "stopped by Ctrl-C"}
    assert run.stopped
    with pytest.raises(KeyboardInterrupt):
        evaluate(circles(), None, None, ["als"], clock=ticking(), progress=interrupt)


def test_wrong_methods_and_options_are_named() -> None:
    with pytest.raises(UsageError, match="unknown method 'svd'"):
        evaluate(circles(), methods=["svd"], clock=ticking())
    with pytest.raises(UsageError, match="--methods als,als: expected each once"):
        evaluate(circles(), methods=["als", "als"], clock=ticking())
    with pytest.raises(UsageError, match="no user has 99 training items"):
        evaluate(circles(), options=SplitOptions(min_interactions=99), clock=ticking())


def test_the_table_shows_every_method_and_what_was_tuned(evaluation: Evaluation) -> None:
    console = Console(width=220)
    with console.capture() as capture:
        console.print(format_table(evaluation))
    shown = capture.get()
    for name in SYSTEMS:
        assert name in shown
    assert "60 users, 90 items, 720 interactions, 60 endorsements; random split" in shown
    assert "at most 9 settings a method" in shown
    best = max(row.ndcg_at_10 for row in evaluation.results)
    assert f"{best:.4f}" in shown


def crowd(people: int) -> Interactions:
    """Many who hold six of few items each."""
    user = np.repeat(np.arange(people, dtype=np.int32), 6)
    return Interactions(
        user_ids=tuple(f"u{at}" for at in range(people)),
        item_ids=tuple(f"i{at}" for at in range(40)),
        user=user,
        item=((user * 7 + np.arange(len(user)) % 6) % 40).astype(np.int32),
        weight=np.ones(len(user), dtype=np.float32),
    )


def test_long_work_says_how_far_it_is_and_marks_as_much_as_in_one_go() -> None:
    people = 2_500
    steps: list[tuple[str, int, int]] = []
    run = evaluate(
        crowd(people),
        methods=["tastemesh"],
        clock=ticking(),
        progress=lambda *step: steps.append(step),
    )
    asked = [step[1:] for step in steps if step[0] == "tastemesh: users asked"]
    assert asked == [(1_024, people), (2_048, people), (people, people)]
    assert run.results[0].unverified_share == 1.0
