import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.client_counts import ClientCounts

NAMES = st.tuples(
    st.sampled_from(["user a", "user b", "user c"]), st.sampled_from(["address 1", "address 2"])
)
STEPS = st.lists(st.tuples(NAMES, st.integers(0, 7), st.booleans()), max_size=60)


@given(STEPS, st.integers(1, 10))
def test_nobody_has_more_than_its_most_and_all_comes_back(
    steps: list[tuple[tuple[str, str], int, bool]], most: int
) -> None:
    counts = ClientCounts((most, 2 * most))
    taken: list[tuple[tuple[str, str], int]] = []
    for names, amount, gives in steps:
        if gives and taken:
            counts.give(*taken.pop())
        elif counts.take(names, amount) is None:
            taken.append((names, amount))
        for name in ("user a", "user b", "user c", "address 1", "address 2"):
            own = sum(amount for names, amount in taken if name in names)
            assert counts.held.get(name, 0) == own <= most * (2 if name.startswith("address") else 1)
    for names, amount in taken:
        counts.give(names, amount)
    assert not counts.held


def test_a_refusal_counts_for_none_of_the_names() -> None:
    counts = ClientCounts((2, 3))
    assert counts.take(("user a", "address 1"), 2) is None
    assert counts.take(("user b", "address 1"), 2) == 1
    assert counts.take(("user a", "address 2"), 1) == 0
    assert dict(counts.held) == {"user a": 2, "address 1": 2}


def test_an_amount_above_the_most_has_its_turn_where_it_is_alone() -> None:
    counts = ClientCounts((2, 8), lone=True)
    names = ("user a", "address 1")
    assert counts.take(names, 5) is None
    assert counts.take(names, 1) == 0
    counts.give(names, 5)
    assert counts.take(names, 1) is None


def test_what_is_there_already_counts_beyond_the_most() -> None:
    counts = ClientCounts((2, 2))
    names = ("user a", "address 1")
    counts.force(names, 5)
    assert counts.full(names, 0) is not None
    counts.give(names, 4)
    assert counts.take(names, 1) is None


def test_more_than_there_is_can_not_be_given_back() -> None:
    with pytest.raises(ValueError, match="user a has 0"):
        ClientCounts((2, 2)).give(("user a", "address 1"), 1)
