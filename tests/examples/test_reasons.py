"""The example service's reasons, word by word."""

import pytest

from examples.music_app.taste import because
from tastemesh.node.answers import Advice, AdviceReason, Backing, Voice


@pytest.mark.parametrize(
    ("voices", "acquainted", "expected"),
    [
        ("a:a", 0, "Ana plays it."),
        ("a:a b:b", 0, "Ana and Ben play it. Otherwise none of them knows another."),
        ("a:a x:a", 0, "Ana plays it, and so does somebody they trust."),
        ("a:a x:b", 1, "Ana plays it, and so does somebody Ben trusts."),
        ("x:a", 0, "Somebody Ana trusts plays it."),
        ("x:a y:b", 2, "2 people Ana and Ben trust play it."),
        ("a:a b:b c:c d:d", 1, "Ana, Ben, somebody elsewhere and one other play it."),
        ("", 0, "It came through Ana."),
    ],
)
def test_reasons_in_plain_language(voices: str, acquainted: int, expected: str) -> None:
    heard = [Voice(*each.split(":")) for each in voices.split()]
    line = Advice("item", 1.0, False, (AdviceReason("a", 1.0, ()),))
    behind = Backing(heard, len(heard), acquainted)
    assert because(line, behind, {"a": "Ana", "b": "Ben"}) == expected
