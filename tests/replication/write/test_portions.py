"""Where large batches are cut."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from limedb.replication.requests import Write
from limedb.replication.write.portions import is_large, portions

MOST = 10
VALUES = st.one_of(st.none(), st.text(max_size=15), st.binary(max_size=15))
WRITES = st.lists(st.tuples(st.text(), VALUES).map(lambda pair: Write(*pair)), min_size=1)


def size(writes: list[Write]) -> int:
    return sum(len(write.value or b"") for write in writes)


@given(WRITES)
def test_portions_are_the_batch_in_its_order_each_small_or_one_write(writes: list[Write]) -> None:
    cut = [list(portion) for portion in portions(writes, MOST)]
    assert [write for portion in cut for write in portion] == writes
    assert all(len(portion) == 1 or (len(portion) > 0 and size(portion) <= MOST) for portion in cut)


@given(WRITES)
def test_a_batch_is_large_just_when_it_is_cut(writes: list[Write]) -> None:
    if is_large(writes, MOST):
        assert len(list(portions(writes, MOST))) > 1
    else:
        assert len(writes) == 1 or list(portions(writes, MOST)) == [writes]


@given(WRITES)
def test_no_portion_could_have_taken_the_write_behind_it(writes: list[Write]) -> None:
    cut = [list(portion) for portion in portions(writes, MOST)]
    for portion, following in itertools.pairwise(cut):
        assert size([*portion, following[0]]) > MOST
