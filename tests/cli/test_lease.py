"""Leases from the shell. Tests limedb/cli/lease.py."""

import signal
import sys
import time

import pytest

from tests.cli.test_commands import Run, Told, run
from tests.support.children import child
from tests.support.clusters import RunningCluster
from tests.support.waiting import wait_for

__all__ = ["run"]


def test_keys_are_there_until_their_lease_is_revoked(run: Run, told: Told) -> None:
    granted = run("lease", "grant", "--ttl", "10m")
    lease = granted.stdout.strip()
    assert (granted.returncode, lease.isdigit()) == (0, True)
    for key in ("cli/lease/a", "cli/lease/b"):
        assert run("set", key, "v", "--lease", lease).stdout == "OK\n"
    status = told("lease", "ttl", lease)
    assert (status["id"], status["grantedTtlMs"]) == (lease, "600000")
    assert status["keys"] == ["cli/lease/a", "cli/lease/b"]
    assert 0 < float(run("lease", "ttl", lease).stdout) <= 600
    assert 0 < float(run("lease", "keep-alive", lease, "--once").stdout) <= 600
    table = run("lease", "ttl", lease, "-o", "table").stdout
    assert "cli/lease/b" in table
    revoked = run("lease", "revoke", lease)
    assert (revoked.returncode, revoked.stdout) == (0, "2\n")
    assert run("get", "cli/lease/a", "--consistency", "linearizable").returncode == 3


def test_a_lease_that_has_ended_is_not_found(run: Run, told: Told) -> None:
    lease = told("lease", "grant")["id"]
    assert told("lease", "revoke", lease) == {"id": lease, "deleted": "0"}
    for words in (
        ("lease", "revoke", lease),
        ("lease", "ttl", lease),
        ("lease", "keep-alive", lease),
        ("set", "cli/lease/late", "v", "--lease", lease),
    ):
        refused = run(*words)
        assert (refused.returncode, refused.stdout) == (3, ""), words
        assert f"lease {lease}" in refused.stderr
    assert run("get", "cli/lease/late").returncode == 3


def test_it_is_kept_alive_until_the_process_ends(cluster: RunningCluster, run: Run, told: Told) -> None:
    lease = told("lease", "grant", "--ttl", "3s")["id"]
    run("set", "cli/lease/alive", "v", "--lease", lease)
    where = ("--target", cluster.envoy_address)
    with child([sys.executable, "-m", "limedb", "lease", "keep-alive", lease, *where]) as process:
        end = time.monotonic() + 8  # more than two lives
        while time.monotonic() < end:
            assert run("get", "cli/lease/alive", "--consistency", "linearizable").stdout == "v\n"
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    wait_for("the key goes", lambda: run("get", "cli/lease/alive").returncode == 3)


@pytest.mark.parametrize("wrong", ["0", "-1", "x", str(1 << 63)])
def test_what_is_no_id_is_refused_in_a_line(run: Run, wrong: str) -> None:
    refused = run("lease", "ttl", "--", wrong)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "is not a whole number from 1 to" in refused.stderr
