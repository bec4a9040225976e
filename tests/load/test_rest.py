"""The REST target against an HTTP server that answers as Envoy does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from google.protobuf.json_format import MessageToJson

from limedb.errors import LevelUnreachableError, LimeDBError, OutcomeUnknownError, RemoteError
from limedb.load.rest import RestTarget, rest_target
from limedb.load.tally import Tally
from limedb.load.target import wrote_nothing
from limedb.wire.status import status_of

MISSING = {"http://b:1": "refused"}


@asynccontextmanager
async def answering(status: int, body: str) -> AsyncIterator[RestTarget]:
    """A target whose server answers every request with this."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with (
        TestServer(app, host="127.0.0.1") as server,
        rest_target(f"127.0.0.1:{server.port}", None, 10.0, "", workers=1) as target,
    ):
        yield target


async def failure(status: int, body: str) -> LimeDBError:
    """What a write raises where the server answers so."""
    async with answering(status, body) as target:
        with pytest.raises(LimeDBError) as raised:
            await target.write("k", "v")
    return raised.value


@pytest.mark.parametrize(
    ("error", "nothing"),
    [
        (LevelUnreachableError("k", "QUORUM", 2, 1, 3, MISSING), True),
        (OutcomeUnknownError("k", 2, 1, MISSING), False),
    ],
    ids=lambda case: getattr(case, "reason", ""),
)
async def test_an_error_of_a_node_is_counted_by_its_reason_and_proves_what_its_class_proves(
    error: LimeDBError, nothing: bool
) -> None:
    found = await failure(503, MessageToJson(status_of(error)))
    tally = Tally()
    tally.failed(found)
    assert dict(tally.errors) == {error.reason: 1}
    assert (type(found), str(found), wrote_nothing(found)) == (type(error), str(error), nothing)


@pytest.mark.parametrize("body", ['{"code":14,"message":"no healthy upstream","details":[]}', "<html>"])
async def test_an_error_of_envoy_itself_is_counted_by_its_status_and_proves_nothing(body: str) -> None:
    found = await failure(503, body)
    assert isinstance(found, RemoteError)
    assert (found.reason, wrote_nothing(found)) == ("HTTP_503", False)
