"""Item ids: the same recording under the same id, whatever service it was played on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Interaction
from tastemesh.gossip.statements import check_statement
from tastemesh.node.imports import items

MBID = "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"
TRACK = "11dFghVXANMlKmJXsNCbNl"


@pytest.mark.parametrize(
    ("text", "item"),
    [
        (MBID, f"mbid:{MBID}"),
        (f"mbid:{MBID.upper()}", f"mbid:{MBID}"),
        (f"https://musicbrainz.org/recording/{MBID}", f"mbid:{MBID}"),
        ("USRC17607839", "isrc:USRC17607839"),
        ("isrc:us-rc1-76-07839", "isrc:USRC17607839"),
        (f"spotify:track:{TRACK}", f"spotify:track:{TRACK}"),
        (f"https://open.spotify.com/intl-de/track/{TRACK}?si=2", f"spotify:track:{TRACK}"),
        ("https://example.org/book/3", "https://example.org/book/3"),
        (" 42 ", "42"),
    ],
)
def test_known_ids_are_normalised_and_others_left_alone(text: str, item: str) -> None:
    assert items.of_anything(text) == item


def test_words_are_the_last_resort() -> None:
    assert items.of_words("  BJÖRK", "Jóga\t") == items.of_words("björk", "jóga")
    assert items.of_words("AC/DC", "x") != items.of_words("AC", "DC/x")
    assert items.of_words("", "x") == items.of_words("x", " ") == ""


@given(st.text(), st.text())
def test_whatever_the_words_the_id_can_be_signed(artist: str, title: str) -> None:
    try:
        item = items.of_words(artist, title)
    except UnicodeEncodeError:
        return  # a lone surrogate, which no decoded file has
    if item:
        check_statement(Interaction(item, "listen", 1), Limits())
        assert items.of_words(f" {artist}", f"{title} ") == item
