"""Looks at nodes that answer late: they wait as long as the caller does, not for a fixed time."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import psutil
import pytest

from limedb.core.stop_limits import stop_seconds
from limedb.errors import LaunchError, NotReadyError
from limedb.launch import looks
from limedb.launch.cluster import longest_stop
from limedb.launch.processes import Pid
from limedb.launch.readiness import wait_ready, wait_watchable
from limedb.launch.records import Folder, Launch, Service
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc
from tests.support.ports import free_port

LATE_SECONDS = 0.3
SECONDS = 60.0


class LateNode(cluster_pb2_grpc.ClusterServiceServicer):
    """Answers after a while. waits_ms: for how long it does not count for watches, answer by answer. idle:
    how many answers say before that it doesn't serve.
    """

    def __init__(self, url: str, waits_ms: list[int], idle: int) -> None:
        self._url, self._waits_ms, self._idle = url, waits_ms, idle

    def GetState(  # noqa: N802 (gRPC's name)
        self, request: cluster_pb2.GetStateRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.GetStateResponse:
        time.sleep(LATE_SECONDS)
        self._idle -= 1
        wait_ms = self._waits_ms.pop(0) if len(self._waits_ms) > 1 else self._waits_ms[0]
        return cluster_pb2.GetStateResponse(
            node_url=self._url,
            total_nodes=1,
            active_nodes=1,
            status="joining" if self._idle >= 0 else "active",
            phase="steady",
            watch_wait_ms=wait_ms,
        )


def this_process() -> Pid:
    return Pid(os.getpid(), psutil.Process().create_time())


@contextmanager
def late_node(tmp_path: Path, *waits_ms: int, idle: int = 0) -> Iterator[Service]:
    """A node of a local cluster, as it was started."""
    with free_port() as port:
        url, log = f"http://127.0.0.1:{port}", tmp_path / "node1.log"
        log.write_text("what it logs\n")
        server = grpc.server(ThreadPoolExecutor(8), options=(("grpc.so_reuseport", 0),))
        cluster_pb2_grpc.add_ClusterServiceServicer_to_server(
            LateNode(url, list(waits_ms) or [0], idle), server
        )
        server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        try:
            yield Service("node1", url, f"127.0.0.1:{port}", (), {}, log, this_process())
        finally:
            server.stop(grace=0).wait(30)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look gives less time than the node needs."""
    monkeypatch.setattr(looks, "FIRST_SECONDS", LATE_SECONDS / 4)


def test_a_node_that_answers_late_is_found_ready(tmp_path: Path) -> None:
    with late_node(tmp_path) as node:
        wait_ready(Folder(tmp_path), Launch((node,), None), {node.log: 0}, SECONDS)


def test_the_wait_is_as_long_as_the_caller_says(tmp_path: Path) -> None:
    with (
        late_node(tmp_path) as node,
        pytest.raises(NotReadyError, match=r"node1 not ready within 0\.1 s") as why,
    ):
        wait_ready(Folder(tmp_path), Launch((node,), None), {node.log: 0}, 0.1)
    assert "it doesn't answer; the end of" in str(why.value)


@pytest.mark.parametrize(("share", "idle"), [(0.02, 10_000), (0.5, 5)])
def test_where_others_ended_a_node_gets_a_share_of_the_callers_time_to_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, idle: int
) -> None:
    monkeypatch.setattr(looks, "STUCK_SHARE", share)
    began, gone = time.monotonic(), tmp_path / "gone.log"
    gone.write_text("what it said at last\n")
    with late_node(tmp_path, idle=idle) as node:
        ended = [Service(name, "http://127.0.0.1:1", "127.0.0.1:1", (), {}, gone) for name in ("b", "c")]
        with pytest.raises(NotReadyError, match="what it said at last") as why:
            wait_ready(Folder(tmp_path), Launch((node, *ended), None), {node.log: 0, gone: 0}, SECONDS)
    assert time.monotonic() - began < SECONDS - 5
    assert [*why.value.serving] == (["node1"] if idle < 100 else [])


def test_a_node_that_answers_late_is_waited_for_until_it_counts_for_watches(tmp_path: Path) -> None:
    with late_node(tmp_path, 2000, 1000, 0) as node:
        wait_watchable([node], SECONDS)


def test_one_that_never_counts_is_named_and_one_that_refuses_is_left_alone(tmp_path: Path) -> None:
    with late_node(tmp_path, 7000) as node, pytest.raises(LaunchError, match=r"node1 for another 7 s"):
        wait_watchable([node], 10 * LATE_SECONDS)
    wait_watchable([node], SECONDS)


def test_nodes_may_take_as_long_to_stop_as_their_settings_let_them(tmp_path: Path) -> None:
    def node(**settings: str) -> Service:
        return Service("node1", "", "", (), settings, tmp_path / "log")

    assert longest_stop(node()) == stop_seconds(0.5)
    assert longest_stop(node(MAX_CLOCK_SKEW="5s")) == stop_seconds(5.0)
    assert longest_stop(node(MAX_CLOCK_SKEW="a setting of another version")) == stop_seconds(0.5)
