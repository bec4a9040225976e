from itertools import pairwise
from random import Random
from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from limedb.core.digest import accumulate, compare, cut, is_behind, leaves
from limedb.core.layout import EVERYTHING, Span
from limedb.core.ring import TOKENS

WORDS = st.integers(0, 2**64 - 1)
PACKED = st.lists(st.tuples(WORDS, WORDS), max_size=8)
SPANS = st.tuples(WORDS, WORDS).map(lambda pair: Span(min(pair), max(pair)))


class Stored(NamedTuple):
    key: str
    version: int
    checksum: int = 0
    ends_at: int = 0


STORED = st.builds(Stored, st.sampled_from("abcd"), st.integers(1, 3), st.integers(0, 1), st.just(0))
REPLICA = st.lists(STORED, max_size=4, unique_by=lambda entry: entry.key)


def packed(entries: list[tuple[int, int]]) -> bytes:
    return b"".join(word.to_bytes(8, "big") for entry in entries for word in entry)


# --- digests


@given(PACKED, st.randoms(use_true_random=False), st.integers(0, 8))
def test_a_digest_is_the_same_in_any_order_and_portions(
    entries: list[tuple[int, int]], rng: Random, at: int
) -> None:
    other = entries[:]
    rng.shuffle(other)
    assert accumulate(accumulate(0, packed(other[:at])), packed(other[at:])) == accumulate(0, packed(entries))


@given(PACKED)
@example([(0, 0)])
@example([(2**64 - 1, 2**64 - 1)])
@example([(1, 2**64 - 2)])
def test_only_no_entries_have_the_digest_zero(entries: list[tuple[int, int]]) -> None:
    assert (accumulate(0, packed(entries)) == 0) is (not entries)
    assert 0 <= accumulate(0, packed(entries)) < 2**64


@given(PACKED, st.tuples(WORDS, st.integers(0, 2**64 - 2)), st.integers(1, 2**64 - 2))
def test_another_checksum_makes_another_digest(
    entries: list[tuple[int, int]], entry: tuple[int, int], more: int
) -> None:
    other = (entry[0], (entry[1] + more) % (2**64 - 1))
    assert accumulate(0, packed([*entries, entry])) != accumulate(0, packed([*entries, other]))


# --- cutting


@given(SPANS, st.integers(1, 40))
@example(EVERYTHING, 7)
@example(Span(5, 5), 3)
def test_parts_cover_a_span_once(span: Span, parts: int) -> None:
    pieces = list(cut(span, parts))
    assert len(pieces) == min(parts, span.size)
    assert (pieces[0].first, pieces[-1].last) == span
    assert all(a.last + 1 == b.first for a, b in pairwise(pieces))
    assert max(p.size for p in pieces) - min(p.size for p in pieces) <= 1


def test_leaves_hold_about_as_many_keys_as_asked() -> None:
    assert len(list(leaves([EVERYTHING], 1_000_000 / TOKENS, 100))) in (10_000, 10_001)
    assert list(leaves([EVERYTHING], 0.0)) == [EVERYTHING]
    assert list(leaves([Span(1, 9), Span(20, 30)], 1e-18)) == [Span(1, 9), Span(20, 30)]
    assert all(leaf.size == 1 for leaf in leaves([Span(1, 9)], 200.0))


# --- comparing


def _merged(replica: list[Stored], other: list[Stored], keys: list[str]) -> dict[str, Stored]:
    """A replica after the other's records under those keys were merged into it."""
    mine, theirs = ({entry.key: entry for entry in entries} for entries in (replica, other))
    for key in keys:
        mine[key] = max(mine.get(key, Stored(key, 0)), theirs[key])
    return mine


@given(REPLICA, REPLICA)
def test_exchanging_the_difference_makes_replicas_equal(own: list[Stored], other: list[Stored]) -> None:
    difference = compare(own, other)
    assert _merged(own, other, difference.pull) == _merged(other, own, difference.push)


@given(REPLICA, REPLICA)
def test_the_other_side_sees_the_same_difference(own: list[Stored], other: list[Stored]) -> None:
    assert tuple(reversed(compare(own, other))) == tuple(compare(other, own))


@given(REPLICA)
def test_equal_replicas_have_nothing_to_send(replica: list[Stored]) -> None:
    assert compare(replica, list(reversed(replica))) == ([], [])


def test_equal_versions_of_unequal_values_go_both_ways() -> None:
    assert compare([Stored("a", 5, 1)], [Stored("a", 5, 2)]) == (["a"], ["a"])


def test_garbage_is_brought_only_to_who_has_something_older() -> None:
    tombstone = Stored("a", 5, ends_at=99)
    assert compare([tombstone], [], cutoff_ms=100) == ([], [])
    assert compare([], [tombstone], cutoff_ms=100) == ([], [])
    assert compare([tombstone], [Stored("a", 4)], cutoff_ms=100) == ([], ["a"])
    assert compare([tombstone], [], cutoff_ms=99) == ([], ["a"])
    assert compare([Stored("a", 5)], [], cutoff_ms=100) == ([], ["a"])


def test_who_is_behind() -> None:
    assert is_behind(None, Stored("a", 1))
    assert is_behind(Stored("a", 1), Stored("a", 2))
    assert is_behind(Stored("a", 2, 1), Stored("a", 2, 2))
    assert not is_behind(Stored("a", 2, 1), Stored("a", 2, 1))
    assert not is_behind(Stored("a", 3), Stored("a", 2))
