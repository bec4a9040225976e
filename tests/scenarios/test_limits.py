"""Limits of each client on real nodes, directly and through Envoy: what is refused, how it says when to come
back, and that the client library comes back then.

Tests limedb/rpc/server/limits.py and limedb/rpc/server/clients.py.
"""

import time
from collections.abc import Iterator

import grpc
import httpx
import pytest
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import RetryInfo

import limedb
from limedb.errors import LimitExceededError
from limedb.wire.status import DETAILS
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc
from tests.support.clusters import RunningCluster, running_cluster
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

RATE, BURST = 20, 10
DEBT = 120
"""Keys of a batch after which nothing more is admitted for some seconds."""
SECONDS = 10.0
LIMITS = {
    "CLIENT_RATE": str(RATE),
    "CLIENT_BURST": str(BURST),
    "CLIENT_WATCHES": "2",
    "CLIENT_SCANS": "1",
    "CLIENT_STREAMS": "5",
    "MAX_CLUSTER_WATCHES": "2",
}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    with running_cluster(tmp_path_factory.mktemp("limited"), nodes=1, env=LIMITS) as running:
        yield running


@pytest.fixture
def channel(limited: RunningCluster) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(limited.nodes[0].address) as channel:
        _wait_rested(channel)
        yield channel


def _wait_rested(channel: grpc.Channel, keys: int = 1) -> None:
    """Wait until the calls before count no longer: a batch of some keys is admitted."""
    request = kv_pb2.BatchGetRequest(keys=map(str, range(keys)))
    wait_for(
        "a batch to be admitted",
        lambda: kv_pb2_grpc.KVServiceStub(channel).BatchGet(request, timeout=SECONDS),
        ignore=grpc.RpcError,
    )


def _refused(channel: grpc.Channel) -> grpc.RpcError:
    """A refusal, of a call after a large batch."""
    _wait_rested(channel, keys=DEBT)
    with pytest.raises(grpc.RpcError) as caught:
        kv_pb2_grpc.KVServiceStub(channel).Get(kv_pb2.GetRequest(key="k"), timeout=SECONDS)
    return caught.value


def _delay_of(error: grpc.RpcError) -> float:
    """Seconds, by the RetryInfo of a refusal."""
    trailers = dict(error.trailing_metadata())  # type: ignore[attr-defined]
    status, delay = status_pb2.Status.FromString(trailers[DETAILS]), RetryInfo()
    assert status.details[1].Unpack(delay)
    return delay.retry_delay.ToMilliseconds() / 1000


def test_a_call_beyond_the_rate_says_when_to_come_back_and_is_served_then(channel: grpc.Channel) -> None:
    error = _refused(channel)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]
    assert "address 127.0.0.1 may have 20 requests a second" in error.details()  # type: ignore[attr-defined]
    delay = _delay_of(error)
    assert 0 < delay <= DEBT / RATE
    time.sleep(delay)  # what the node asked for
    with pytest.raises(grpc.RpcError) as caught:
        kv_pb2_grpc.KVServiceStub(channel).Get(kv_pb2.GetRequest(key="missing"), timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND  # type: ignore[attr-defined]


def test_rest_answers_429_with_retry_after(limited: RunningCluster) -> None:
    with grpc.insecure_channel(limited.envoy_address) as channel:
        _refused(channel)
    headers = {"x-forwarded-for": "6.6.6.6"}  # Envoy adds the true address, which counts
    answer = httpx.get(f"{limited.envoy_url}/api/v1/get/k", headers=headers)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= DEBT / RATE
    body = answer.json()
    assert body["code"] == 8
    assert [detail["@type"].rpartition(".")[2] for detail in body["details"]] == ["ErrorInfo", "RetryInfo"]
    assert body["details"][0]["reason"] == "LIMIT_EXCEEDED"
    assert body["details"][0]["metadata"]["whose"].startswith("address ")
    assert "6.6.6.6" not in answer.text
    assert float(body["details"][1]["retryDelay"].removesuffix("s")) > 0


async def test_the_client_library_comes_back_when_it_was_asked_to(
    limited: RunningCluster, channel: grpc.Channel
) -> None:
    async with limedb.connect(limited.nodes[0].address, timeout=SECONDS) as db:
        started = time.monotonic()
        for n in range(4 * BURST):
            await db.set(f"own-{n}", "v")
        assert time.monotonic() - started > (3 * BURST - 1) / RATE  # nothing came faster than it may
        assert await db.get(f"own-{4 * BURST - 1}") == "v"


async def test_a_call_without_time_for_the_delay_fails_at_once_and_says_why(
    limited: RunningCluster, channel: grpc.Channel
) -> None:
    async with limedb.connect(limited.nodes[0].address, timeout=1.0) as db:
        _refused(channel)
        started = time.monotonic()
        with pytest.raises(LimitExceededError, match="CLIENT_RATE") as caught:
            await db.get("k")
        assert time.monotonic() - started < 1.0
        assert caught.value.retry_seconds > 1.0
        assert caught.value.nothing_written


@pytest.mark.parametrize(
    ("what", "setting"), [("Watch", "CLIENT_WATCHES"), ("WatchCluster", "watches of the cluster")]
)
def test_more_streams_than_allowed_are_refused_until_one_ends(
    channel: grpc.Channel, what: str, setting: str
) -> None:
    def begun() -> grpc.Call:
        """A stream whose first message has come: all take part in the rate."""
        if what == "Watch":
            call = kv_pb2_grpc.KVServiceStub(channel).Watch(kv_pb2.WatchRequest(key="k"), timeout=60)
        else:
            stub = cluster_pb2_grpc.ClusterServiceStub(channel)
            call = stub.WatchCluster(cluster_pb2.WatchClusterRequest(), timeout=60)
        next(call)
        return call

    def refusal() -> grpc.RpcError | None:
        with pytest.raises(grpc.RpcError) as caught:
            begun()
        return caught.value if setting in str(caught.value) else None

    calls = [wait_for("a stream to begin", begun, ignore=grpc.RpcError) for _ in range(2)]
    error = wait_for("a refusal", refusal)
    assert error is not None
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]
    assert _delay_of(error) == 1.0
    calls.pop().cancel()
    calls.append(wait_for("room for another stream", begun, ignore=grpc.RpcError))
    for call in calls:
        call.cancel()


def test_health_and_status_show_that_a_limit_refuses(channel: grpc.Channel) -> None:
    _refused(channel)
    stub = cluster_pb2_grpc.ClusterServiceStub(channel)
    health = stub.GetHealth(cluster_pb2.GetHealthRequest(), timeout=SECONDS)  # no rate counts it
    assert health.status == "healthy"
    assert any("CLIENT_RATE" in warning for warning in health.warnings)
    assert not any("127.0.0.1" in warning for warning in health.warnings if "CLIENT_RATE" in warning)
    for _ in range(3 * BURST):
        stub.GetState(cluster_pb2.GetStateRequest(), timeout=SECONDS)
