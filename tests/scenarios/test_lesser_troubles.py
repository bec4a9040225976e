"""What only measures, logs or waits takes no real node down and hangs none.

Tests limedb/rpc/server/connections.py.
"""

import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import grpc
import pytest

from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.support import slow_disk
from tests.support.clusters import running_cluster
from tests.support.keys import new_key
from tests.support.pipes import full_pipe
from tests.support.served import SECONDS, served
from tests.support.slow_disk import SlowDisks
from tests.support.troubles import wait_for_no_trouble
from tests.support.waiting import wait_for

DESCRIPTORS = 1024


def test_more_idle_connections_than_descriptors_leave_a_node_serving(tmp_path: Path) -> None:
    with served(tmp_path, files=DESCRIPTORS) as node, ExitStack() as stack:
        for _ in range(DESCRIPTORS + 76):
            stack.enter_context(socket.create_connection(("127.0.0.1", node.port), SECONDS))
        said = "connections were ended: this process may open 1024 files"
        wait_for("the surplus to be ended", lambda: said in node.log.read_text())
        writes = 0
        began = time.monotonic()
        while time.monotonic() - began < 3:
            node.set(f"key {writes}")
            if not writes % 100:  # a checkpoint first, which opens a segment of the log
                node.kv.ListKeys(kv_pb2.ListKeysRequest(), timeout=SECONDS)
            writes += 1
        assert node.get(f"key {writes - 1}") == f"key {writes - 1}"
        with socket.create_connection(("127.0.0.1", node.port), SECONDS):  # there is room for one more
            assert node.process.poll() is None
        wait_for_no_trouble(lambda: node.health().warnings)


def move(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def remove(folder: Path) -> None:
    """At once: the node may make a file there meanwhile."""
    shutil.rmtree(folder.rename(folder.with_name("removed")))


def replace(folder: Path) -> None:
    remove(folder)
    folder.mkdir()


def remove_data(folder: Path) -> None:
    (folder / "data.mdb").unlink()


@pytest.mark.parametrize("takes_away", [remove, move, replace, remove_data])
def test_a_data_folder_that_is_taken_away_stops_the_node_with_the_reason(
    tmp_path: Path, takes_away: Callable[[Path], object]
) -> None:
    with served(tmp_path) as node:
        (folder,) = node.data.glob("*.lmdb")
        wait_for("a checkpoint", lambda: not any(path.stat().st_size > 8 for path in folder.glob("log-*")))
        takes_away(folder)
        with suppress(grpc.RpcError):  # whatever comes of it: it is answered
            node.set("second")
        assert node.process.wait(SECONDS) == 1
        assert f"the node had to stop: {folder}" in node.log.read_text()


def test_a_log_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    with full_pipe() as pipe, served(tmp_path, stderr=pipe) as node:
        for number in range(20):
            node.set(f"key {number}")
        assert node.health().status == "healthy"
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(SECONDS) == 0


def test_a_node_that_fails_ends_although_nobody_reads_its_log(tmp_path: Path) -> None:
    with full_pipe() as pipe, served(tmp_path, stderr=pipe) as node:
        node.data.rename(tmp_path / "gone")
        assert node.process.wait(60) == 1


def test_quorum_reads_of_new_keys_and_scans_notice_no_slow_disk(tmp_path: Path) -> None:
    disks = SlowDisks(tmp_path)
    with running_cluster(tmp_path, nodes=3, env=disks.env, envoy=False) as cluster, ExitStack() as stack:
        stubs = [
            kv_pb2_grpc.KVServiceStub(stack.enter_context(grpc.insecure_channel(node.address)))
            for node in cluster.nodes
        ]
        slow = cluster.nodes[2]
        with disks.slow(cluster.pid(slow.name)):
            for number in range(12):
                key = new_key()
                stubs[number % 2].Set(kv_pb2.SetRequest(key=key, value="new"), timeout=SECONDS)
                for stub in stubs:
                    began = time.monotonic()
                    assert stub.Get(kv_pb2.GetRequest(key=key), timeout=SECONDS).value == "new"
                    assert time.monotonic() - began < slow_disk.SECONDS / 2
            for stub in stubs:
                stubs[0].Set(kv_pb2.SetRequest(key=new_key(), value="new"), timeout=SECONDS)
                began = time.monotonic()
                assert sum(1 for _ in stub.Scan(kv_pb2.ScanRequest(), timeout=SECONDS))
                assert time.monotonic() - began < slow_disk.SECONDS / 2
