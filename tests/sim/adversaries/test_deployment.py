"""Adversaries inside the simulator: each stays within its budget, and gets what is said it gets."""

from pathlib import Path
from typing import Any

import pytest

from tastemesh.errors import UsageError
from tastemesh.sim.adversaries.deployment import NETWORK_STRATEGIES, strategies
from tastemesh.sim.adversaries.strategies import STRATEGIES
from tastemesh.sim.run import run_scenario
from tastemesh.sim.scenario import Adversary, Community, Scenario


def silent(stage: str, done: int, total: int) -> None:
    assert 0 <= done <= total


def attacked(*adversaries: Adversary) -> dict[str, Any]:
    scenario = Scenario(
        description="sixteen people in two circles",
        nodes=16,
        seconds=150.0,
        quiet_s=60.0,
        records_per_hour=30.0,
        sync_period_s=15.0,
        community=Community(topology="groups", groups=2, history=10),
        adversaries=adversaries,
    )
    return run_scenario(scenario, 1, silent)


@pytest.fixture(scope="module")
def vandalised() -> dict[str, Any]:
    return attacked(
        *(
            Adversary(strategy=name, identities=3, messages=60, start_s=10.0)
            for name in NETWORK_STRATEGIES
        )
    )


def test_every_attack_on_the_network_is_paid_from_its_budget(vandalised: dict[str, Any]) -> None:
    sent = {each["strategy"]: each["messages_sent"] for each in vandalised["adversaries"]}
    assert set(sent) == set(NETWORK_STRATEGIES)
    assert all(0 < count <= 60 for count in sent.values())


def test_what_is_wrong_is_refused_by_reason_and_exposes_nobody(vandalised: dict[str, Any]) -> None:
    assert {
        "bad-signature", "convicted", "equivocation", "from-future", "malformed", "revoked-key",
        "forgotten",
    } <= {str(reason) for reason in vandalised["rejected"]}  # fmt: skip
    found = {each["strategy"]: each for each in vandalised["adversaries"]}
    assert found["equivocate"]["convicted_by"] == 1.0
    assert found["equivocate"]["window_share"] == 0.0
    assert found["forge"]["window_share"] == found["replay"]["window_share"] == 0.0
    assert all(each["exposure@10"] == 0.0 for each in found.values())
    assert vandalised["coverage"] > 0.99


def test_without_an_attack_edge_nobody_sees_the_target_whatever_is_published() -> None:
    result = attacked(
        *(
            Adversary(strategy=name, identities=10, start_s=20.0)
            for name in ("copycat", "early-spam", "cycle", "back-date", "slander")
        )
    )
    for each in result["adversaries"]:
        assert each["messages_sent"] >= 10
        assert each["window_share"] > 0.0
        assert each["exposure@10"] == 0.0


def silent_people(nodes: int, adversary: Adversary) -> Scenario:
    return Scenario(
        description="people who know each other and have said all they will",
        nodes=nodes,
        seconds=60.0,
        quiet_s=20.0,
        records_per_hour=0.0,
        community=Community(history=10),
        adversaries=(adversary,),
    )


def test_the_share_of_the_windows_is_of_statements_as_their_bounds_are() -> None:
    flood = Adversary(strategy="flood", identities=1, messages=1, start_s=10.0)
    (found,) = run_scenario(silent_people(4, flood), 1, silent)["adversaries"]
    assert found["messages_sent"] == 1
    assert 0.4 < found["window_share"] < 0.6  # 51 statements beside four times 2 and at most 10


def test_where_all_whom_one_asks_are_beside_the_deceived_there_is_no_exposure() -> None:
    star = Adversary(strategy="star", identities=2, attack_edges=1, start_s=10.0)
    (found,) = run_scenario(silent_people(3, star), 1, silent)["adversaries"]
    assert found["exposure@10"] is None  # each of three endorses the two others
    assert found["exposure_of_the_deceiveds_friends@10"] == 1.0


def test_who_adapts_reads_the_brokers_and_tells_what_he_chose() -> None:
    (found,) = attacked(Adversary(strategy="adaptive", identities=5, attack_edges=1, start_s=30.0))[
        "adversaries"
    ]
    assert found["reviews"][0]["chosen"] in strategies()
    assert 0.0 <= found["reviews"][0]["expected_exposure@10"] <= 1.0
    assert found["messages_sent"] > 0
    assert found["exposure_of_the_deceiveds_friends@10"] is not None


def test_an_unknown_strategy_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown strategy 'bribery'; expected one of chain, .*"):
        attacked(Adversary(strategy="bribery"))


def test_an_unknown_strategy_replaces_no_trace(tmp_path: Path) -> None:
    trace = tmp_path / "earlier.trace"
    trace.write_text("an earlier run")
    scenario = Scenario(description="x", adversaries=(Adversary(strategy="bribery"),))
    with pytest.raises(UsageError, match="unknown strategy"):
        run_scenario(scenario, 1, silent, trace)
    assert trace.read_text() == "an earlier run"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_who_is_to_look_like_people_who_do_nothing_is_refused(strategy: str) -> None:
    scenario = Scenario(
        description="nobody says anything",
        nodes=4,
        seconds=20.0,
        quiet_s=5.0,
        records_per_hour=0.0,
        adversaries=(Adversary(strategy=strategy),),
    )
    with pytest.raises(UsageError, match=f"adversaries: '{strategy}' hides among .* raise records"):
        run_scenario(scenario, 1, silent)


def test_where_nobody_endorses_nobody_can_be_deceived() -> None:
    scenario = Scenario(
        description="strangers",
        nodes=6,
        friends=0,
        adversaries=(Adversary(strategy="star", attack_edges=2),),
    )
    with pytest.raises(UsageError, match="attack_edges is 2, and nobody endorses anybody"):
        run_scenario(scenario, 1, silent)
