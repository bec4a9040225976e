"""Tools of others, through Envoy: what they need of reflection and of health."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clusters import RunningCluster
from tests.support.keys import new_key

ROOT = Path(__file__).parents[2]


def run(tool: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a tool to its end. It is skipped by name where it is not built."""
    if not tool.exists():
        pytest.skip(f"needs {tool.name} (make examples)")
    return subprocess.run([str(tool), *arguments], capture_output=True, text=True, timeout=60, check=False)


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
