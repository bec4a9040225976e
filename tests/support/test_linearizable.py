"""The linearizability checker finds what was planted, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from math import inf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.linearizable import EDITS, Kind, Op, UndecidedError, Value, check_history, check_key


def write(value: str, start: float, end: float = inf) -> Op:
    return Op("k", Kind.WRITE, value, start, end)


def read(value: Value, start: float, end: float) -> Op:
    return Op("k", Kind.READ, value, start, end)


def delete(start: float, end: float = inf) -> Op:
    return Op("k", Kind.DELETE, None, start, end)


PLANTED = {
    "a stale read": [write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)],
    "a lost update": [write("a", 0, 1), read(None, 2, 3)],
    "a value that comes back": [write("a", 0, 1), write("b", 0, 9), read("b", 2, 3), read("a", 4, 5)],
    "a deleted value that comes back": [write("a", 0, 1), delete(2, 3), read("a", 4, 5)],
    "a value that was never written": [write("a", 0, 1), read("b", 2, 3)],
    "a value read before it was written": [read("a", 0, 1), write("a", 2, 3)],
    "an unknown write read before it was asked": [read("a", 0, 1), write("a", 2)],
    "two readers that disagree on the order": [
        *(write("a", 0, 9), write("b", 0, 9)),
        *(read("a", 1, 2), read("b", 3, 4), read("a", 5, 6)),
    ],
    "an unknown write that takes effect twice": [
        *(write("a", 0), write("b", 0, 1)),
        *(read("a", 2, 3), write("c", 4, 5), read("a", 6, 7)),
    ],
    "an unknown write that is gone again": [
        write("a", 0, 1),
        write("b", 2),
        read("b", 3, 4),
        read("a", 5, 6),
    ],
}

SOUND = {
    "nothing": [],
    "absence": [read(None, 0, 1)],
    "a read beside a write, early": [write("a", 0, 1), write("b", 2, 5), read("a", 3, 4)],
    "a read beside a write, late": [write("a", 0, 1), write("b", 2, 5), read("b", 3, 4)],
    "an unknown write that never took effect": [write("a", 0, 1), write("b", 2), read("a", 3, 4)],
    "an unknown write that took effect late": [
        *(write("a", 0, 1), write("b", 2)),
        *(read("a", 3, 4), read("b", 5, 6)),
    ],
    "an unknown delete that took effect late": [
        *(write("a", 0, 1), delete(2)),
        *(read("a", 3, 4), read(None, 5, 6)),
    ],
    "moments that touch": [write("a", 0, 1), read(None, 1, 2)],
    "a value written twice": [write("a", 0, 1), write("b", 2, 3), write("a", 4, 5), read("a", 6, 7)],
}


@pytest.mark.parametrize("ops", PLANTED.values(), ids=PLANTED)
def test_what_was_planted_is_found(ops: Sequence[Op]) -> None:
    assert check_key(ops) is not None


@pytest.mark.parametrize("ops", SOUND.values(), ids=SOUND)
def test_what_is_sound_passes(ops: Sequence[Op]) -> None:
    assert check_key(ops) is None


def test_a_violation_reports_the_key_the_longest_order_and_what_does_not_fit() -> None:
    violation = check_key(PLANTED["a stale read"])
    assert violation is not None
    assert [op.value for op in violation.prefix] == ["a", "b"]
    assert (violation.holds, [op.value for op in violation.stuck]) == ("b", ["a"])
    assert "read 'a'" in str(violation)


def test_keys_are_checked_each_for_itself() -> None:
    other = [replace(op, key="j") for op in SOUND["a value written twice"]]
    violations = check_history([*other, *PLANTED["a stale read"]])
    assert [violation.key for violation in violations] == ["k"]


def test_a_search_that_grows_too_large_is_no_pass() -> None:
    """Writes side by side, and a read that none explains."""
    ops = [write(str(i), 0, 10) for i in range(16)]
    with pytest.raises(UndecidedError):
        check_key([*ops, read("none", 11, 12)], max_looks=1000)


USUAL = Kind.READ, Kind.READ, Kind.WRITE, Kind.WRITE, Kind.DELETE
NUMBERS = Kind.READ, Kind.WRITE, Kind.DELETE, Kind.ADD, Kind.ADD
TEXTS = Kind.READ, Kind.WRITE, Kind.DELETE, Kind.APPEND, Kind.APPEND


def atomic_history(
    rng: Random, clients: int, ops: int, unknown: float = 0.1, kinds: Sequence[Kind] = USUAL
) -> list[Op]:
    """Operations on a real register: each takes effect at a moment between its start and its end.

    Some writes have an unknown outcome, of which half took effect, maybe long after they were asked.
    """
    planned: list[tuple[float, Op]] = []
    for client in range(clients):
        now = 0.0
        for i in range(ops // clients):
            start = now + rng.random()
            now = start + rng.random() * 2
            kind = rng.choice(kinds)
            name = f"{client}.{i}" if kinds is not NUMBERS else str(rng.randrange(9))
            value = name if kind is Kind.WRITE else None
            op, moment = Op("k", kind, value, start, now, str(client)), rng.uniform(start, now)
            if kind in EDITS:
                op = replace(op, by=rng.choice([-1, 1, 5]), initial=rng.randrange(3), suffix=f"+{name}")
            if kind is not Kind.READ and rng.random() < unknown:
                op = replace(op, end=inf)
                moment = rng.choice([inf, start + rng.expovariate(0.5)])
            planned.append((moment, op))
    held: Value = None
    history = []
    for moment, op in sorted(planned, key=lambda pair: pair[0]):
        if op.kind is Kind.READ:
            history.append(replace(op, value=held))
        else:
            after = op.after(held)
            if op.kind in EDITS and not op.is_maybe:
                op = replace(op, value=after if op.kind is Kind.ADD else str(len(str(after))))
            history.append(op)
            held = after if moment < inf else held
    rng.shuffle(history)
    return history


def brute_force(ops: Sequence[Op]) -> bool:
    """Whether some order of all certain and some unknown operations explains the history."""
    certain = [op for op in ops if not op.is_maybe]
    maybe = [op for op in ops if op.is_maybe]
    subsets = ([op for i, op in enumerate(maybe) if bits >> i & 1] for bits in range(1 << len(maybe)))
    return any(_explains(order) for subset in subsets for order in permutations([*certain, *subset]))


def _explains(order: Sequence[Op]) -> bool:
    held: Value = None
    latest = -inf
    for op in order:
        latest = max(latest, op.start)
        if op.end < latest or (op.kind is Kind.READ and op.value != held) or not op.fits(held):
            return False
        held = held if op.kind is Kind.READ else op.after(held)
    return True


@pytest.mark.parametrize("kinds", [USUAL, NUMBERS, TEXTS])
@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 150))
@settings(max_examples=60, deadline=None)
def test_what_a_real_register_does_passes(kinds: Sequence[Kind], seed: int, clients: int, ops: int) -> None:
    if kinds is TEXTS:  # whose unknown operations can be told apart, so that more orders are tried
        clients, ops = min(clients, 4), min(ops, 40)
    assert check_key(atomic_history(Random(seed), clients, ops, kinds=kinds)) is None


@pytest.mark.parametrize("kinds", [USUAL, NUMBERS, TEXTS])
@given(st.integers(0, 2**32), st.data())
@settings(max_examples=150, deadline=None)
def test_it_agrees_with_trying_all_orders(kinds: Sequence[Kind], seed: int, data: st.DataObject) -> None:
    ops = atomic_history(Random(seed), 3, 6, unknown=0.3, kinds=kinds)
    reads = [
        i for i, op in enumerate(ops) if op.kind in (Kind.READ, Kind.ADD, Kind.APPEND) and not op.is_maybe
    ]
    values = [None, *(op.value for op in ops if op.kind is Kind.WRITE)]
    if kinds is not USUAL:
        values = [*map(str, range(12))]
    for i in data.draw(st.lists(st.sampled_from(reads), max_size=2)) if reads else []:
        ops[i] = replace(ops[i], value=data.draw(st.sampled_from(values)))
    assert (check_key(ops) is None) == brute_force(ops)


def test_most_changed_histories_are_found() -> None:
    rng = Random(1)
    found = 0
    for _ in range(100):
        ops = atomic_history(rng, 4, 80)
        reads = [i for i, op in enumerate(ops) if op.kind is Kind.READ]
        changed = rng.choice(reads)
        others = [op.value for op in ops if op.value not in (None, ops[changed].value)]
        ops[changed] = replace(ops[changed], value=rng.choice(others))
        found += check_key(ops) is not None
    assert found >= 90


def test_hundreds_of_operations_of_a_key_are_checked_quickly() -> None:
    """Quickly is told by the bound on the search, which is a tenth of the usual one."""
    assert check_key(atomic_history(Random(7), 10, 800), max_looks=100_000) is None


def test_unknown_operations_that_write_the_same_are_not_tried_in_every_order() -> None:
    deletes = [delete(0) for _ in range(20)]
    rounds = [(write(f"{i}", 3 * i, 3 * i + 1), read(None, 3 * i + 1.5, 3 * i + 2)) for i in range(10)]
    ops = [*deletes, *(op for both in rounds for op in both)]
    assert check_key(ops, max_looks=1000) is None
    assert check_key([*ops, read("0", 40, 41)], max_looks=1000) is not None


def test_a_cas_takes_effect_only_on_what_it_expects() -> None:
    first = Op("k", Kind.CAS, "a", 0.0, 1.0)
    second = Op("k", Kind.CAS, "b", 2.0, 3.0, expected="a")
    assert check_history([first, second]) == []
    assert check_history([first, second, Op("k", Kind.CAS, "c", 2.0, 3.0, expected="a")])
    assert check_history([first, Op("k", Kind.CAS, "c", 4.0, 5.0, expected="b")])
    unknown = Op("k", Kind.CAS, "b", 2.0, expected="a")
    assert check_history([first, unknown, Op("k", Kind.CAS, "c", 4.0, 5.0, expected="b")]) == []


def test_a_repeated_write_takes_effect_until_its_end_at_the_latest() -> None:
    ops = [Op("k", Kind.WRITE, "a", 0.0, 1.0), Op("k", Kind.WRITE, "b", 2.0, 3.0)]
    again = Op("k", Kind.WRITE, "a", 0.0, until=1.0)
    late = Op("k", Kind.READ, "a", 4.0, 5.0)
    assert check_history([*ops, again, late])
    assert check_history([*ops, Op("k", Kind.WRITE, "a", 0.0), late]) == []
