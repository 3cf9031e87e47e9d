"""An index means one identity for as long as anything uses it."""

from hypothesis import given
from hypothesis import strategies as st

from tastemesh.reputation.identities import Identities

NAMES = [b"a", b"b", b"b\x00", b"cc"]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), max_size=30))
def test_an_index_is_kept_while_it_is_used_and_given_out_again(
    steps: list[tuple[bytes, bool]],
) -> None:
    identities, uses, given = Identities(), dict.fromkeys(NAMES, 0), dict[bytes, int]()
    for name, comes in steps:
        if comes:
            index = identities.use(name)
            if uses[name]:
                assert index == given[name]
            given[name] = index
            uses[name] += 1
        elif uses[name]:
            identities.release(given[name])
            uses[name] -= 1
        held = {each: given[each] for each in NAMES if uses[each]}
        assert identities.index == held
        assert all(identities.names[index] == each for each, index in held.items())
        assert [each for each in identities.names if each] == sorted(held, key=held.__getitem__)
        by_rank = sorted(range(len(identities.names)), key=identities.ranks.__getitem__)
        assert [identities.ids[index] for index in by_rank] == sorted(identities.ids)
    assert len(identities.ids) <= len(NAMES)


def test_names_are_one_object_until_somebody_comes_or_goes() -> None:
    identities = Identities()
    first = identities.use(b"a")
    names = identities.names
    identities.use(b"a")
    identities.release(first)
    assert identities.names is names
    identities.release(first)
    assert identities.names == (b"",)
