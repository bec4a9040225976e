"""Nodes that start where nodes of a Go LimeDB ran, with their DATA_DIR and NODE_URL."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import grpc
import pytest

from limedbpb.v1 import kv_pb2, kv_pb2_grpc, record_pb2
from tests.support.ports import free_ports
from tests.support.served import SECONDS, Served, served
from tests.support.waiting import wait_for

STORES = ["lmdb", "filesystem"]
LEVELS = (record_pb2.CONSISTENCY_ONE, record_pb2.CONSISTENCY_ALL)


def go_file(data: Path, url: str, content: str, written_s: int = 1_700_000_000) -> Path:
    """A file where the Go LimeDB has it: its joining of paths makes one slash of two."""
    scheme, rest = url.split("//")
    path = data / scheme / f"{rest}.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    os.utime(path, (written_s, written_s))
    return path


def wait_taken_over(node: Served) -> None:
    wait_for("the file is taken over", lambda: "took over" in node.log.read_text(), 60)


@pytest.mark.parametrize("store", STORES)
def test_a_node_takes_over_the_file_and_leaves_it_as_it_is(store: str, tmp_path: Path) -> None:
    with free_ports(1) as (port,):
        url, values = f"http://127.0.0.1:{port}", {f"key {i}/ü": f"<{i}>" * i for i in range(2500)}
        text = json.dumps(values | {"empty": ""}, indent=2)
        path = go_file(tmp_path / "data", url, text)
        env = {"STORE": store, "NODE_URL": url, "SERVER_PORT": str(port)}
        with served(tmp_path, env=env, is_awaited=False) as node, stub(port) as kv:
            wait_taken_over(node)
            assert f"took over 2501 keys of the Go LimeDB's file {path}" in node.log.read_text()
            assert all(get(kv, key) == values[key] for key in list(values)[::100])
            assert get(kv, "empty") == ""
            kv.Delete(kv_pb2.DeleteRequest(key="empty"), timeout=SECONDS)
            kv.Set(kv_pb2.SetRequest(key="key 1/ü", value="ours"), timeout=SECONDS)
        with served(tmp_path, env=env, is_awaited=False) as node, stub(port) as kv:
            wait_for("it serves again", lambda: get(kv, "key 1/ü") == "ours", ignore=grpc.RpcError)
            with pytest.raises(grpc.RpcError) as caught:
                get(kv, "empty")
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            assert "took over" not in node.log.read_text()
        assert path.read_text() == text


def test_three_nodes_bring_their_keys_to_the_owners_and_the_newest_file_wins(tmp_path: Path) -> None:
    with free_ports(3) as ports, ExitStack() as stack:
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        for i, url in enumerate(urls):
            own = {f"{i} {n}": f"{url} {n}" for n in range(300)} | {"in all": url}
            go_file(tmp_path / str(i) / "data", url, json.dumps(own), 1_700_000_000 - 60 * abs(i - 1))
        peers = {"NODE_PEERS": ",".join(urls), "REPLICATION_FACTOR": "2", "REPAIR_INTERVAL": "1h"}
        nodes = [
            stack.enter_context(
                served(
                    tmp_path / str(i),
                    env={"NODE_URL": url, "SERVER_PORT": str(port), **peers},
                    is_awaited=False,
                )
            )
            for i, (url, port) in enumerate(zip(urls, ports, strict=True))
        ]
        for node in nodes:
            wait_taken_over(node)
        for port in ports:
            kv = stack.enter_context(stub(port))
            wait_for("it serves", partial(get, kv, "0 0"), ignore=grpc.RpcError)
            expected = {f"{i} {n}": f"{url} {n}" for i, url in enumerate(urls) for n in range(0, 300, 50)}
            assert {key: get(kv, key) for key in expected} == expected
            assert get(kv, "in all") == urls[1]
            assert all(get(kv, key, level) == expected[key] for key in expected for level in LEVELS)


def test_a_damaged_file_stops_the_start_with_one_line(tmp_path: Path) -> None:
    with free_ports(1) as (port,):
        url = f"http://127.0.0.1:{port}"
        path = go_file(tmp_path / "data", url, '{"a": "1", "b"')
        env = {"NODE_URL": url, "SERVER_PORT": str(port)}
        with served(tmp_path, env=env, is_awaited=False) as node:
            assert node.process.wait(SECONDS) == 1
        (line,) = node.log.read_text().splitlines()
        assert f"{path} isn't a whole file of a Go LimeDB" in line
        assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["http:"]
        path.write_text('{"a": "1"}')
        with served(tmp_path, env=env, is_awaited=False) as node, stub(port) as kv:
            wait_taken_over(node)
            assert get(kv, "a") == "1"


def test_a_value_over_the_limit_stops_the_start_until_the_limit_is_raised(tmp_path: Path) -> None:
    with free_ports(1) as (port,):
        url = f"http://127.0.0.1:{port}"
        go_file(tmp_path / "data", url, json.dumps({"a": "1", "large": "v" * (5 << 20)}))
        env = {"NODE_URL": url, "SERVER_PORT": str(port)}
        with served(tmp_path, env=env, is_awaited=False) as node:
            assert node.process.wait(SECONDS) == 1
        (line,) = node.log.read_text().splitlines()
        assert "set MAX_VALUE_SIZE=5MiB on every node" in line
        more = {**env, "MAX_VALUE_SIZE": "5MiB"}
        with served(tmp_path, env=more, is_awaited=False) as node, stub(port) as kv:
            wait_taken_over(node)
            assert get(kv, "a") == "1"
            page = kv.ListKeys(kv_pb2.ListKeysRequest(after="a", page_size=1), timeout=SECONDS)
            assert [entry.size for entry in page.keys] == [5 << 20]


@contextmanager
def stub(port: int) -> Iterator["kv_pb2_grpc.KVServiceStub"]:
    with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.max_receive_message_length", -1)]) as channel:
        yield kv_pb2_grpc.KVServiceStub(channel)


def get(
    kv: "kv_pb2_grpc.KVServiceStub",
    key: str,
    level: record_pb2.Consistency = record_pb2.CONSISTENCY_UNSPECIFIED,
) -> str:
    return kv.Get(kv_pb2.GetRequest(key=key, consistency=level), timeout=SECONDS).value
