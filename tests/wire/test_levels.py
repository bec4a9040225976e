"""Each level has its number on the wire, and each number its level."""

import pytest

from limedb.core.quorum import Level
from limedb.wire.levels import LEVELS, consistency_of
from limedbpb.v1 import record_pb2


@pytest.mark.parametrize("level", [None, *Level])
def test_a_level_comes_back_from_its_number(level: Level | None) -> None:
    assert LEVELS[consistency_of(level)] is level


def test_no_number_of_the_contract_is_left_out() -> None:
    assert sorted(LEVELS) == sorted(record_pb2.Consistency.values())


def test_a_request_that_names_no_level_has_the_nodes_default() -> None:
    assert consistency_of(None) == record_pb2.CONSISTENCY_UNSPECIFIED == 0
