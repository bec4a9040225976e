"""The commands against a real cluster: what they print, where, and with which exit code.

Tests limedb/cli/kv.py, limedb/cli/options.py, limedb/cli/views.py, limedb/cli/top.py and
limedb/operator/cluster.py.

Tests limedb/cli/codes.py.
"""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.support.clusters import RunningCluster, limedb
from tests.support.ports import free_port
from tests.support.waiting import wait_for

Told = Callable[..., Any]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(cluster: RunningCluster) -> Run:
    return lambda *arguments: limedb(*arguments, "--target", cluster.nodes[0].address)


def test_a_value_is_set_got_and_deleted(run: Run) -> None:
    assert run("set", "kv/a", "hällo").stdout == "OK\n"
    assert run("get", "kv/a").stdout == "hällo\n"
    assert run("del", "kv/a").stdout == "1\n"
    assert run("del", "kv/a").stdout == "0\n"


def test_a_key_without_a_value_is_exit_code_3(run: Run) -> None:
    done = run("get", "kv/none")
    assert (done.returncode, done.stdout, "key not found" in done.stderr) == (3, "", True)


def test_json_reports_receipts_values_and_nodes(told: Told, cluster: RunningCluster) -> None:
    receipt = told("set", "kv/json", "v")
    assert int(receipt["version"]) > 1 << 40
    assert 2 <= receipt["acked"] <= receipt["replicas"] == 3
    found = told("get", "kv/json")
    assert (found["key"], found["value"]) == ("kv/json", "v")
    assert found["nodeUrl"] in [node.url for node in cluster.nodes]
    assert told("del", "kv/json")["deleted"] == 1


def test_tables_report_values_and_receipts_too(run: Run) -> None:
    head, row = run("set", "kv/table", "two words", "-o", "table").stdout.splitlines()
    assert head.split() == ["KEY", "VERSION", "EPOCH", "ACKED", "REPLICAS"]
    assert row.split()[0] == "kv/table"
    assert run("get", "kv/table", "-o", "table").stdout.splitlines()[1].endswith("  two words")
    assert run("del", "kv/table", "-o", "table").stdout.splitlines()[1].split()[:2] == ["kv/table", "1"]


@pytest.mark.parametrize("command", [["status"], ["ring"], ["gossip"], ["locate", "k"], ["top", "-n", "1"]])
def test_views_are_raw_rows_for_scripts_too(run: Run, command: list[str]) -> None:
    shown = run(*command, "-o", "table").stdout.splitlines()
    raw = [line.split("\t") for line in run(*command, "-o", "raw").stdout.splitlines()]
    assert {len(row) for row in raw} == {len(raw[0])}
    assert all(any(cell.startswith("http://127.0.0.1:") for cell in row) for row in raw)
    assert len(raw) == sum("http://127.0.0.1:" in line and "sees" not in line for line in shown)


def test_a_value_lives_as_long_as_its_ttl(run: Run, told: Told) -> None:
    for life in (("--ttl", "600"), ("--ttl-ms", "600000")):
        before = time.time()
        assert run("set", "kv/ttl", "v", *life).stdout == "OK\n"
        ends = {int(owner["expiresAtMs"]) / 1000 for owner in told("locate", "kv/ttl")["owners"]} - {0}
        assert ends
        assert all(before + 590 < end < time.time() + 610 for end in ends)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2030-01-31T12:00:00Z", 1896091200000),
        ("2030-01-31T14:00:00.25+02:00", 1896091200250),
        ("1896091200000", 1896091200000),
    ],
)
def test_a_value_lives_until_its_moment(run: Run, told: Told, text: str, moment: int) -> None:
    assert run("set", "kv/moment", "v", "--expires-at", text).stdout == "OK\n"
    assert {int(owner["expiresAtMs"]) for owner in told("locate", "kv/moment")["owners"]} - {0} == {moment}


def test_a_moment_that_has_passed_deletes_the_key(run: Run) -> None:
    assert run("set", "kv/passed", "v").stdout == "OK\n"
    assert run("set", "kv/passed", "new", "--expires-at", "2020-01-01T00:00:00Z").stdout == "OK\n"
    assert run("get", "kv/passed").returncode == 3


@pytest.mark.process
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2030-01-31", "is neither a time such as 2030-01-31T12:00:00Z"),
        ("2030-01-31T12:00:00", "is neither a time such as 2030-01-31T12:00:00Z"),
        ("2030-02-31T12:00:00Z", "is neither a time such as 2030-01-31T12:00:00Z"),
        ("", "is neither a time such as"),
        ("-1", "is neither a time such as"),
        ("1896091200", "must be 100000000000 (in 1973) to 253402300799999 (in 9999), in milliseconds since"),
        ("9" * 5000, "must be 100000000000 (in 1973) to"),
    ],
)
def test_what_is_no_moment_is_refused_with_the_forms(text: str, message: str) -> None:
    done = limedb("set", "k", "v", "--expires-at", text)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", [["get", ""], ["set", "k" * 5000, "v"], ["locate", ""]])
def test_what_a_node_can_not_understand_is_exit_code_2_too(run: Run, command: list[str]) -> None:
    done = run(*command)
    assert (done.returncode, done.stdout, done.stderr.startswith("Error: node ")) == (2, "", True)


def test_bytes_of_a_file_come_back_as_they_were(run: Run, told: Told, tmp_path: Path) -> None:
    file = tmp_path / "blob"
    file.write_bytes(content := bytes(range(256)))
    assert run("set", "kv/blob", "--file", str(file)).returncode == 0
    assert base64.b64decode(told("get", "kv/blob")["blob"]) == content


@pytest.mark.process
@pytest.mark.parametrize(
    "arguments",
    [
        ["set", "k"],
        ["set", "k", "v", "--file", "-"],
        ["get"],
        ["get", "k", "-o", "yaml"],
        ["get", "k", "--timeout", "0"],
        ["get", "k", "--target", "localhost:"],
        ["status", "--target", "localhost:7001,:7002"],
        ["set", "k", "v", "--ttl", "1", "--ttl-ms", "1"],
        ["set", "k", "v", "--ttl", "1", "--expires-at", "1896091200000"],
        ["set", "k", "v", "--ttl", "0"],
        ["get", "k", "--consistency", "most"],
        ["watch"],
        ["watch", "k", "--prefix", "p"],
        ["top", "--interval", "0"],
        ["bench", "all"],
        ["bench", "verify", "--value-size", "8"],
        ["bench", "--pin", "node1"],
        ["import", "no-such-file.jsonl"],
        ["export", "data"],
        ["completion", "csh"],
    ],
    ids=" ".join,
)
def test_what_is_not_understood_is_exit_code_2(arguments: list[str]) -> None:
    done = limedb(*arguments)
    assert (done.returncode, done.stdout, bool(done.stderr)) == (2, "", True)


@pytest.mark.process
def test_an_argument_that_is_no_text_is_exit_code_2_and_says_what_to_do() -> None:
    command = [sys.executable.encode(), b"-m", b"limedb", b"get", b"\xff"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"not UTF-8" in done.stderr, b"Traceback" in done.stderr) == (2, True, False)


@pytest.mark.process
@pytest.mark.parametrize(
    "command",
    [
        ["get", "k"],
        ["keys"],
        ["scan"],
        ["watch", "k"],
        ["locate", "k"],
        ["status"],
        ["ring"],
        ["gossip"],
        ["health"],
        ["top"],
        ["export", "-"],
        ["bench", "--timeout", "1", "-n", "1"],
    ],
    ids=" ".join,
)
def test_nobody_there_is_exit_code_1_and_a_line_on_stderr_that_says_so(
    command: list[str],
) -> None:
    with free_port() as port:
        done = limedb(*command, env={"LIMEDB_TARGET": f"127.0.0.1:{port}"})
    assert (done.returncode, done.stdout) == (1, "")
    assert f"127.0.0.1:{port}" in done.stderr
    assert done.stderr.startswith("Error: ")


def test_the_target_is_taken_from_the_environment(cluster: RunningCluster) -> None:
    done = limedb("health", env={"LIMEDB_TARGET": cluster.nodes[1].address})
    assert (done.returncode, done.stdout) == (0, "SERVING\n")


def test_a_target_may_be_a_url_like_those_of_nodes_and_envoy(cluster: RunningCluster) -> None:
    for url in (cluster.nodes[1].url, cluster.envoy_url):
        assert limedb("health", "--target", url).stdout == "SERVING\n"


def test_health_is_reported_through_envoy_too(cluster: RunningCluster) -> None:
    done = limedb("health", "--target", cluster.envoy_address)
    assert (done.returncode, done.stdout) == (0, "SERVING\n")


def test_status_shows_all_members(run: Run, told: Told, cluster: RunningCluster) -> None:
    all_well = "3 of 3 nodes active, 3 replicas of each key"
    shown = wait_for("all active", lambda: all_well in (out := run("status").stdout) and out)
    assert shown
    assert all(node.url in shown for node in cluster.nodes)
    assert [member["url"] for member in told("status")["members"]] == sorted(n.url for n in cluster.nodes)


def test_the_ring_is_owned_in_full(run: Run, told: Told) -> None:
    rows = [line.split() for line in run("ring").stdout.splitlines()[1:]]
    assert [row[1] for row in rows] == ["256"] * 3
    assert sum(float(row[2].rstrip("%")) for row in rows) == pytest.approx(100, abs=0.1)
    assert told("ring")["totalNodes"] == 3


def test_gossip_shows_the_peers_of_the_node_that_is_asked(
    run: Run, told: Told, cluster: RunningCluster
) -> None:
    all_well = f"{cluster.nodes[0].url} sees the cluster as healthy: 2 of 2 peers active"
    shown = wait_for("all well", lambda: (out := run("gossip").stdout).startswith(all_well) and out)
    assert shown
    assert all(node.url in shown for node in cluster.nodes[1:])
    wait_for("all well, as JSON", lambda: told("gossip")["cluster_health"] == "healthy")


def test_locate_shows_who_holds_a_key(run: Run, told: Told) -> None:
    version = told("set", "kv/located", "four")["version"]
    lines = [line for line in run("locate", "kv/located").stdout.splitlines() if version in line]
    assert 2 <= len(lines) <= 3
    assert all("4 bytes" in line for line in lines)
    assert {owner["role"] for owner in told("locate", "kv/located")["owners"]} == {"current"}


def test_health_shows_rates_and_storage_when_asked_for_more(run: Run, told: Told) -> None:
    shown = run("health", "-o", "table").stdout
    assert "requests_per_second" in shown
    assert "storage keys" in shown
    assert told("health")["status"] == "healthy"


@pytest.mark.parametrize(
    ("command", "path"), [("health", "health"), ("status", "cluster/state"), ("gossip", "cluster/gossip")]
)
def test_json_has_the_fields_of_rest_in_their_order(
    run: Run, cluster: RunningCluster, command: str, path: str
) -> None:
    told = json.loads(run(command, "-o", "json").stdout)
    with urlopen(f"{cluster.envoy_url}/api/v1/{path}?node={cluster.nodes[0].url}") as answer:
        assert in_order(told) == in_order(json.load(answer))


def in_order(told: Any) -> Any:
    """The names of all fields, in their order."""
    if isinstance(told, list):
        return [in_order(part) for part in told]
    return [(name, in_order(part)) for name, part in told.items()] if isinstance(told, dict) else None


def test_top_shows_a_number_of_samples_in_a_pipe(run: Run, cluster: RunningCluster) -> None:
    shown = run("top", "-n", "2", "--interval", "0.2").stdout
    assert shown.count("REQ/S") == 2
    assert all(shown.count(node.url) >= 2 for node in cluster.nodes)
    assert "\x1b" not in shown


def test_top_in_json_is_an_object_a_line(run: Run) -> None:
    lines = run("top", "-n", "2", "--interval", "0.2", "-o", "json").stdout.splitlines()
    samples = [json.loads(line) for line in lines]
    assert [len(sample["nodes"]) for sample in samples] == [3, 3]
    assert samples[0]["timestamp"] != samples[1]["timestamp"]


@pytest.mark.parametrize(
    "command",
    [["get", "kv/snow"], ["get", "kv/snow", "-o", "json"], ["scan", "kv/snow", "-o", "raw"]],
    ids=" ".join,
)
def test_output_that_its_encoding_cannot_hold_fails_with_the_reason(
    cluster: RunningCluster, command: list[str]
) -> None:
    address = cluster.nodes[0].address
    assert limedb("set", "kv/snow", "\u2603", "--target", address).returncode == 0
    done = limedb(*command, "--target", address, env={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"})
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "the output's encoding" in done.stderr
    assert "has no '\\u2603': use a UTF-8 locale" in done.stderr


def test_a_write_may_require_what_its_key_has(run: Run, told: Told) -> None:
    assert run("set", "if/a", "1", "--if-absent").stdout == "OK\n"
    failed = run("set", "if/a", "2", "--if-absent")
    assert (failed.returncode, failed.stdout) == (6, "")
    assert "for this write, and it has version" in failed.stderr
    version = run("get", "if/a", "--version").stdout.strip()
    assert told("get", "if/a")["version"] == version
    assert run("set", "if/a", "2", "--if-version", version).stdout == "OK\n"
    assert run("del", "if/a", "--if-version", version).returncode == 6
    assert run("del", "if/nothing", "--if-exists").returncode == 6
    assert run("cas", "if/a", "1", "3").returncode == 6
    assert run("cas", "if/a", "2", "3").stdout == "OK\n"
    assert run("get", "if/a").stdout == "3\n"
    assert run("del", "if/a", "--if-value", "3").stdout == "1\n"
    assert run("set", "if/a", "4", "--if-exists").returncode == 6


def test_a_life_is_kept(run: Run, told: Told) -> None:
    run("set", "if/life", "1", "--ttl", "600")
    before = told("get", "if/life")["expiresAtMs"]
    run("set", "if/life", "2", "--keep-ttl")
    after = told("get", "if/life")
    assert (after["value"], after["expiresAtMs"]) == ("2", before)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--if-version", "1", "--if-absent"), "give one condition"),
        (("--if-version", str(1 << 64)), "is not a whole number from 0 to"),
        (
            ("--keep-ttl", "--ttl", "5"),
            "give one of --ttl, --ttl-ms, --expires-at, --keep-ttl and --lease",
        ),
        (("--lease", "7", "--ttl", "5"), "give one of --ttl, --ttl-ms"),
    ],
)
def test_conditions_that_make_no_sense_are_usage_errors(
    run: Run, arguments: tuple[str, ...], text: str
) -> None:
    done = run("set", "if/none", "x", *arguments)
    assert (done.returncode, text in done.stderr) == (2, True), done.stderr
