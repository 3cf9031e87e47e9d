"""What a log says of long work."""

import pytest

from tastemesh.node.cli.progress import EVERY_S, stages


def test_a_log_is_told_how_far_it_is_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    now_s = 100.0
    with stages(lambda: now_s) as told:
        for done in range(5):
            told("attacking", done, 2000)
            now_s += EVERY_S / 2
        told("measuring", 0, 3)
    assert capsys.readouterr().err.splitlines() == [
        "attacking ...",
        "attacking: 2 of 2,000",
        "attacking: 4 of 2,000",
        "measuring ...",
    ]
