"""When values expire, seen and changed by the command line, on real nodes."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from limedb.cli import lives
from limedb.cli.app import cli
from limedb.client import connect_sync
from limedb.core.quorum import Level
from limedb.operator.calls import Found, NodeClient, node_client
from limedb.tls.target import Target
from tests.support.clusters import RunningCluster, limedb

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(cluster: RunningCluster) -> Run:
    def command(*arguments: str) -> tuple[int, str, str]:
        done = limedb(*arguments, "--target", cluster.envoy_address)
        return done.returncode, done.stdout, done.stderr

    return command


def test_a_value_is_given_a_life_and_relieved_of_it(run: Run) -> None:
    assert run("set", "lives/a", "kept")[0] == 0
    assert run("ttl", "lives/a")[:2] == (0, "never\n")
    assert run("expire", "lives/a", "10m")[:2] == (0, "OK\n")
    code, shown, _ = run("ttl", "lives/a")
    assert (code, 500 < float(shown) <= 600) == (0, True)
    assert run("get", "lives/a")[1] == "kept\n"
    assert run("expire", "lives/a", "7000")[0] == 0
    left = json.loads(run("ttl", "lives/a", "-o", "json")[1])
    assert 6_900_000 < int(left["ttlMs"]) <= 7_000_000
    assert run("persist", "lives/a")[:2] == (0, "OK\n")
    assert json.loads(run("ttl", "lives/a", "-o", "json")[1])["ttlMs"] is None
    assert run("get", "lives/a")[1] == "kept\n"


def test_bytes_stay_bytes_and_a_moment_is_exact(run: Run, cluster: RunningCluster) -> None:
    with connect_sync(cluster.envoy_address) as db:
        db.set("lives/bytes", b"\xff\x00")
        assert run("expire", "lives/bytes", "--at", "2040-01-31T12:00:00Z")[0] == 0
        entry = db.get_entry("lives/bytes")
    assert entry is not None
    assert (entry.value, entry.expires_at_ms) == (b"\xff\x00", 2_211_624_000_000)


def test_a_key_that_has_no_value_is_exit_code_3(run: Run) -> None:
    for command in (["ttl"], ["persist"], ["expire", "--at", "2040-01-31T12:00:00Z"]):
        assert run(*command, "lives/none")[0] == 3
    assert run("expire", "lives/none", "1h")[0] == 3


@pytest.mark.parametrize("text", ["0", "1x", "", "nan", "-1", "1e11", "9999999999999999999999h"])
def test_what_is_no_time_is_refused_in_a_line(run: Run, text: str) -> None:
    code, out, err = run("expire", "lives/a", "--", text)
    assert (code, out) == (2, "")
    assert "is not a time above 0" in err


def test_a_time_or_a_moment_has_to_be_given(run: Run) -> None:
    assert "either DURATION or --at" in run("expire", "lives/a")[2]
    assert run("expire", "lives/a", "1h", "--at", "2040-01-31T12:00:00Z")[0] == 2


def test_a_value_that_others_write_meanwhile_is_not_overwritten(
    cluster: RunningCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writes of others fall between the command's read and its write."""
    with connect_sync(cluster.envoy_address) as db:
        db.set("lives/raced", "old")
        others = iter(["newer", "newest"])

        class Raced(NodeClient):
            def get(self, key: str, level: Level | None = None) -> Found:
                found = super().get(key, level)
                if (value := next(others, None)) is not None:
                    db.set(key, value)
                return found

        @contextmanager
        def raced(target: Target, timeout: float) -> Iterator[Any]:
            with node_client(target, timeout) as node:
                node.__class__ = Raced
                yield node

        monkeypatch.setattr(lives, "node_client", raced)
        cli.main(["expire", "lives/raced", "1h", "--target", cluster.envoy_address], standalone_mode=False)
        entry = db.get_entry("lives/raced")
    assert entry is not None
    assert entry.value == "newest"
    assert entry.expires_at_ms
