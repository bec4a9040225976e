"""AdminService: requests that are refused before any planning."""

from typing import Any, cast

import pytest

from limedb.errors import InvalidRequestError
from limedb.rpc.server.admin import AdminServicer
from limedb.rpc.server.checks import Checks
from limedbpb.v1 import admin_pb2


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"virtual_nodes": 1_000_000}, "virtual_nodes=1000000: must be 0 to 4096"),
        ({"virtual_nodes": 4097}, "virtual_nodes=4097"),
        ({"zone": "\x1b[2J"}, "zone="),
        ({"zone": "z" * 1000}, "128 printable"),
    ],
)
async def test_a_plan_of_what_no_node_can_be_is_refused(fields: dict[str, Any], why: str) -> None:
    nobody = cast("Any", None)
    servicer = object.__new__(AdminServicer)
    servicer._changes, servicer._checks = nobody, Checks(1000)
    with pytest.raises(InvalidRequestError, match=why):
        await servicer.PlanJoin(admin_pb2.PlanJoinRequest(url="http://node9:8484", **fields), nobody)
