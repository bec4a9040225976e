"""The merge of what nodes hold of a range."""

from collections.abc import Mapping, Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from limedb.core.key_range import KeyRange
from limedb.core.range_merge import RangeMerge
from limedb.core.record import Record, merge

NODES = ("a", "b", "c")
RECORDS = st.builds(
    Record, st.sampled_from("klmnopqrs"), st.none() | st.sampled_from("xy"), st.integers(1, 3)
)
HELD = st.lists(RECORDS, max_size=12, unique_by=lambda record: record.key)


def run(
    held: Mapping[str, Sequence[Record]], owners: Mapping[str, set[str]], rng: Random, lost: str = ""
) -> list[Record]:
    """The result of a merge with pages of random sizes; a node is lost in the middle of it."""
    merging = RangeMerge(KeyRange("k"), held, lambda key: owners.get(key, set(NODES)))
    merged: list[Record] = []
    while not merging.is_done:
        if lost in merging.nodes and rng.random() < 0.3:
            merging.drop(lost)
        for node, start in merging.needs_page.items():
            left = sorted((r for r in held[node] if r.key >= start), key=lambda r: r.key)
            size = rng.randint(1, 4)
            merging.feed(node, left[:size], size >= len(left))
        merged += merging.take()
        assert all(record.key < merging.start for record in merged) or merging.is_done
    return merged


def standing(held: Mapping[str, Sequence[Record]], owners: Mapping[str, set[str]]) -> list[Record]:
    """The same by a plain walk over all of it."""
    found: dict[str, Record] = {}
    for node, records in held.items():
        for record in records:
            if node in owners.get(record.key, set(NODES)):
                found[record.key] = merge(found.get(record.key, record), record)
    return [found[key] for key in sorted(found)]


@given(
    st.fixed_dictionaries(dict.fromkeys(NODES, HELD)),
    st.dictionaries(st.sampled_from("klm"), st.sets(st.sampled_from(NODES))),
    st.randoms(use_true_random=False),
)
def test_a_merge_returns_the_valid_record_of_each_key_of_its_owners(
    held: dict[str, list[Record]], owners: dict[str, set[str]], rng: Random
) -> None:
    assert run(held, owners, rng) == standing(held, owners)


@given(HELD, st.randoms(use_true_random=False))
def test_a_node_that_is_lost_takes_nothing_along_that_others_hold(held: list[Record], rng: Random) -> None:
    assert run(dict.fromkeys(NODES, held), {}, rng, lost="b") == sorted(held, key=lambda r: r.key)


def test_nothing_is_reported_before_every_node_was_read_so_far() -> None:
    merging = RangeMerge(KeyRange(), ("a", "b"), lambda _: ("a", "b"))
    assert merging.needs_page == {"a": "", "b": ""}
    merging.feed("a", [Record("k", "old", 1), Record("m", "x", 1)], is_end=False)
    assert merging.take() == []
    merging.feed("b", [Record("k", "new", 2)], is_end=False)
    assert (merging.take(), merging.start) == ([Record("k", "new", 2)], "k\0")
    assert merging.needs_page == {"b": "k\0"}
    merging.feed("b", [], is_end=True)
    assert merging.take() == [Record("m", "x", 1)]
    merging.feed("a", [], is_end=True)
    assert merging.is_done
