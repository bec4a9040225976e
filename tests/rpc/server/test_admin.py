"""AdminService: requests that are refused before any planning, and the problems in its status."""

from dataclasses import replace
from typing import Any, cast

import pytest

from limedb.core.detector import Status
from limedb.errors import InvalidRequestError, ReplicaUnreachableError
from limedb.rpc.server.admin import AdminServicer
from limedb.rpc.server.checks import Checks
from limedbpb.v1 import admin_pb2
from tests.rpc.cluster_sources import OTHER, FakeCluster


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"virtual_nodes": 1_000_000}, "virtualNodes=1000000: must be 0 to 4096"),
        ({"virtual_nodes": 4097}, "virtualNodes=4097"),
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


async def test_the_status_has_the_problems_of_other_nodes_which_answer() -> None:
    cluster, asked = FakeCluster(), []
    third = "http://node9:8484"
    cluster.statuses[third] = Status.ACTIVE

    async def problems(url: str) -> tuple[str, ...]:
        asked.append(url)
        if url == third:
            raise ReplicaUnreachableError(url, "it hangs")
        return (f"{url}: the disk is full",)

    sources = replace(cluster.sources(), problems_of_peer=problems)
    nobody = cast("Any", None)
    servicer = AdminServicer(sources, nobody, nobody, Checks(1000), nobody)
    status = await servicer.GetStatus(admin_pb2.GetStatusRequest(), nobody)
    assert f"{OTHER}: the disk is full" in status.problems
    assert sorted(asked) == sorted([OTHER, third])  # neither itself, nor one that is dead
