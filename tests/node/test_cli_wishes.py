"""`tastemesh recommend` for what is asked for: items from files, and lists like an item."""

import io
import json
import sys
from pathlib import Path

import pytest

import tastemesh
from tests.node.daemons import Shell, offline_home, running

SEPARATED = "with\u2028a separator"
BOUND = "anybody whom trust reaches can add to it"

pytestmark = pytest.mark.slow


class Said(io.BytesIO):
    """What is on standard input."""

    name = "<stdin>"


async def test_a_list_of_items_from_files_or_like_an_item(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = offline_home(tmp_path / "home")
    with tastemesh.open_node_sync(home) as node:
        me, (ana,) = node.identity("me"), node.add_identities(["ana"])
        me.endorse(ana.id)
        me.record("both")
        ana.record_many([tastemesh.Play(item) for item in ("both", SEPARATED, "another")])
    listed = ["recommend", "--home", home]
    async with running(home, "--http-port", 0):
        assert BOUND in await shell(*listed, "--explain")
        (tmp_path / "some").write_bytes(SEPARATED.encode() + b"\r\nunheard")
        some = await shell(*listed, "--candidates", tmp_path / "some", "--explain")
        assert "a separator" in some
        assert "another" not in some
        assert BOUND not in some  # which is of the whole list
        like = await shell(*listed, "--like", "both", "--explain")
        assert "another" in like
        assert BOUND not in like
        wrong = *listed, "--candidates", "-", "--exclude", "-"
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Said(b"another\n")))
        status, _, told = await shell.attempt(*wrong)
        assert (status, "standard input is read once" in told) == (2, True)
        proof = tmp_path / "proof.json"
        shown = await shell(*listed, "--like", "both", "--evidence", proof, "--json")
        lines = {line["item"]: line["reasons"] for line in json.loads(shown)["recommendations"]}
        for piece in json.loads(proof.read_text()):
            grounds = [(each["contact"], each["share"]) for each in piece["grounds"]]
            reasons = [(each["contact"], each["share"]) for each in lines[piece["item"]]]
            assert grounds == reasons
        assert (await shell("verify", proof)).endswith("everything holds\n")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Said(b"\xef\xbb\xbfanother\r\n")))
        assert "a separator" in await shell(*listed, "--exclude", "-")
