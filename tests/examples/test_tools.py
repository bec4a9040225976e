"""Tools of others, through Envoy: what they need of reflection and of health."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.support.clusters import RunningCluster
from tests.support.keys import new_key

ROOT = Path(__file__).parents[2]


def run(tool: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a tool to its end. It is skipped by name where it is not built."""
    if not tool.exists():
        pytest.skip(f"needs {tool.name} (make examples)")
    command = [str(tool), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def commands_of_the_page() -> list[str]:
    """Those of the last block of docs/languages.md, in their order."""
    return (ROOT / "docs/languages.md").read_text().split("```")[-2].strip().splitlines()


def test_each_command_of_the_page_works_also_where_a_value_has_4_mib(cluster: RunningCluster) -> None:
    with grpc.insecure_channel(cluster.envoy_address) as channel:
        large = kv_pb2.SetRequest(key="a/large", value="v" * (4 << 20))
        kv_pb2_grpc.KVServiceStub(channel).Set(large, timeout=30)
    for command in commands_of_the_page():
        tool, *arguments = shlex.split(command.replace("localhost:8484", cluster.envoy_address))
        folder = Path(sys.executable).parent if tool in ("buf", "grpcurl") else ROOT / "build/tools"
        done = run(folder / tool, *arguments)
        assert done.returncode == 0, (command, done.stderr)


@pytest.mark.parametrize("service", ["", "limedb.v1.KVService"])
def test_grpc_health_probe_finds_it_serving(cluster: RunningCluster, service: str) -> None:
    probe = ROOT / "build/tools/grpc-health-probe"
    done = run(probe, "-addr", cluster.envoy_address, "-service", service, "-rpc-timeout", "20s")
    assert (done.returncode, "SERVING" in done.stderr) == (0, True), done.stderr


def test_grpc_health_probe_fails_for_a_service_that_is_not_there(cluster: RunningCluster) -> None:
    done = run(ROOT / "build/tools/grpc-health-probe", "-addr", cluster.envoy_address, "-service", "nothing")
    assert done.returncode != 0


def test_ghz_finds_a_method_by_reflection_and_calls_it(cluster: RunningCluster) -> None:
    call = ["--insecure", "--call", "limedb.v1.KVService.Set", "-n", "20", "-c", "2", "--format", "json"]
    data = json.dumps({"key": new_key(), "value": "v"})
    done = run(ROOT / "build/tools/ghz", *call, "-d", data, cluster.envoy_address)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["statusCodeDistribution"] == {"OK": 20}


@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
def test_buf_curl_lists_and_calls_methods_by_reflection(cluster: RunningCluster, version: str) -> None:
    buf = Path(sys.executable).with_name("buf")
    options = ["curl", "--http2-prior-knowledge", "--protocol", "grpc", "--reflect-protocol", version]
    listed = run(buf, *options, "--list-methods", cluster.envoy_url)
    assert "limedb.v1.KVService/Get" in listed.stdout.split(), listed.stderr
    assert "limedb.v1.ReplicaService/Read" not in listed.stdout.split()
    key = new_key()
    called = run(
        buf, *options, "-d", json.dumps({"key": key}), f"{cluster.envoy_url}/limedb.v1.KVService/Get"
    )
    assert '"code": "not_found"' in called.stderr + called.stdout
