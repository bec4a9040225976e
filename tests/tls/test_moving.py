"""A cluster that goes from plain to TLS and back, as docs/security.md says."""

import json
from pathlib import Path

import pytest

from tests.support.clusters import QUICK, limedb, read_cluster
from tests.support.ports import free_ports

pytestmark = pytest.mark.cluster

NODES = 3


def test_a_cluster_keeps_its_data_and_its_name(tmp_path: Path) -> None:
    folder = str(tmp_path / "cluster")
    with free_ports(2 * NODES) as ports:
        given = {**QUICK, "PEER_PORT_OFFSET": str(NODES)}
        settings = [part for name, value in given.items() for part in ("-e", f"{name}={value}")]
        start = ["cluster", "start", "--detach", "--no-envoy", "--nodes", str(NODES), *settings]
        start += ["--base-port", str(ports[0]), "--data-dir", folder]
        names: set[str] = set()
        for how in ([], ["--tls"], []):
            try:
                done = limedb(*start, *how)
                assert done.returncode == 0, done.stderr
                node = read_cluster(tmp_path / "cluster").nodes[0]
                files = json.loads((tmp_path / "cluster" / "cluster.json").read_text())["tls"] or {}
                env = {f"LIMEDB_{name.upper()}": path for name, path in files.items()}
                assert bool(env) is bool(how)
                if not names:
                    done = limedb("set", "lime", "green", "--target", node.address)
                    assert done.returncode == 0, done.stderr
                done = limedb("get", "lime", "--consistency", "all", "--target", node.address, env=env)
                assert done.stdout == "green\n", done.stderr
                status = limedb("admin", "status", "-o", "json", "--target", node.address, env=env)
                names.add(json.loads(status.stdout)["clusterId"])
            finally:
                limedb("cluster", "stop", "--data-dir", folder)
            if how:  # a cluster with certificates is not opened by an option that was forgotten
                refused = limedb(*start, "--forget")
                assert refused.returncode != 0
                assert "was started with --tls" in refused.stderr
                (tmp_path / "cluster" / "certs").rename(tmp_path / "certs")
    assert len(names) == 1
