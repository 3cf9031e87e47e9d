"""Only endorsements make trust: what any set of identities can have, however it splits."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.reputation.graph import EndorsementGraph
from tastemesh.reputation.parameters import WalkParameters
from tastemesh.reputation.standing import standing
from tastemesh.reputation.trust import TrustParameters, endorsed_mass, tilted
from tastemesh.reputation.walks import walk_mass

EGO = b"\x00"
PEOPLE = 8
FEW = WalkParameters(alpha=0.3, walk_count=200)

edges = st.lists(
    st.tuples(
        st.integers(0, PEOPLE - 1), st.integers(0, PEOPLE - 1), st.sampled_from([-1.0, 0.2, 1.0])
    ),
    max_size=30,
)
follows = st.lists(st.sampled_from([0.0, 0.1, 1.0, 50.0]), min_size=PEOPLE, max_size=PEOPLE)
subsets = st.lists(st.booleans(), min_size=PEOPLE, max_size=PEOPLE)
trusts = st.builds(
    TrustParameters,
    walks=st.just(FEW),
    beta=st.sampled_from([0.0, 0.8, 1.0]),
    multiplier=st.sampled_from([1.0, 2.0, 5.0]),
    reference_share=st.sampled_from([0.0, 0.5, 1.0]),
)


def graph(said: list[tuple[int, int, float]]) -> EndorsementGraph:
    found = EndorsementGraph()
    for seq, (author, subject, weight) in enumerate(said):
        found.endorse(bytes([author]), bytes([subject]), weight, epoch=0, seq=seq)
    return found


@given(edges, follows, subsets, trusts)
def test_no_set_has_more_trust_than_m_times_its_endorsement_mass(
    said: list[tuple[int, int, float]], adopted: list[float], chosen: list[bool], p: TrustParameters
) -> None:
    walks = walk_mass(graph(said), EGO, seed=b"", parameters=FEW)
    count = len(walks.hits)
    mass = endorsed_mass(walks, p.beta)
    trust = tilted(mass, np.resize(np.array(adopted), count), p)
    members = np.flatnonzero(np.resize(np.array(chosen), count))
    for row in range(len(walks.contacts)):  # by contact, and so in all
        had = trust[[row]].toarray()[0][members].sum()
        endorsed = walks.contact_mass[[row]].toarray()[0][members].sum()
        assert had <= p.multiplier * endorsed * (1 + 1e-12)
    assert (trust.toarray() >= mass.toarray() * (1 - 1e-12)).all()


@given(st.integers(1, 60), st.sampled_from([0.0, 0.8]))
def test_splitting_behind_one_edge_gains_nothing_that_the_edge_did_not_carry(
    count: int, beta: float
) -> None:
    """All that Sybils have came through the first, whom 1/alpha bounds, however many they are."""
    said = [(0, 1, 1.0), (1, 2, 1.0)]
    found = graph(said)
    for sybil in range(count):
        name = b"sybil" + bytes([sybil])
        found.endorse(b"\x02", name, 1.0, epoch=0, seq=10 + sybil)
        found.endorse(name, b"\x02", 1.0, epoch=0, seq=10)
    walks = walk_mass(found, EGO, seed=b"", parameters=FEW)
    p = TrustParameters(walks=FEW, beta=beta)
    entry = walks.mass[found.index_of(b"\x02") or 0]
    everybody = np.full(len(walks.hits), 9.0)
    trust = tilted(endorsed_mass(walks, beta), everybody, p).toarray().sum(axis=0)
    sybils = [index for index, name in enumerate(found.csr().ids) if name.startswith(b"sybil")]
    assert trust[sybils].sum() <= p.multiplier * entry * 0.7 / 0.3 * 1.5  # sampling error


@given(st.floats(0, 1), st.integers(1, 50), st.sampled_from([1e-4, 0.01, 1.0]))
def test_a_set_has_at_most_its_mass_in_votes(mass: float, parts: int, reference: float) -> None:
    voices = standing(np.full(parts, mass / parts), reference)
    assert (voices <= 1).all()
    assert voices.sum() <= mass / reference * (1 + 1e-9)


def test_adoption_of_those_who_are_not_endorsed_moves_nothing() -> None:
    walks = walk_mass(graph([(0, 1, 1.0), (0, 2, 1.0), (5, 6, 1.0)]), EGO, seed=b"", parameters=FEW)
    mass = endorsed_mass(walks, 0.8)
    adopted = np.array([0.0, 1.0, 2.0, 0.0, 0.0])
    strangers = adopted.copy()
    strangers[3:] = 100.0
    p = TrustParameters()
    assert np.array_equal(tilted(mass, adopted, p).data, tilted(mass, strangers, p).data)
    assert tilted(mass, np.zeros(5), p) is mass


@pytest.mark.parametrize(
    ("field", "value"),
    [("beta", 1.1), ("multiplier", 0.5), ("reference_share", -0.1), ("reference_mass", 0.0)],
)
def test_ranges_are_checked(field: str, value: float) -> None:
    with pytest.raises(UsageError, match=field):
        msgspec.structs.replace(TrustParameters(), **{field: value})
