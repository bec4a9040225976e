"""Several keys at once: read, counted, deleted; on real nodes, in pipes and on a terminal.

Tests limedb/cli/ranges.py and limedb/cli/gets.py.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from limedb.client import connect_sync
from limedb.client.sync import SyncClient
from tests.cli.terminal import on_terminal
from tests.support.clusters import limedb


@pytest.fixture
def db(node: str) -> Iterator[SyncClient]:
    with connect_sync(node) as client:
        yield client


def test_values_are_printed_in_the_order_of_their_keys(node: str, db: SyncClient) -> None:
    db.set_many({"a": "1", "b": b"\xff", "c": "3"})
    done = subprocess.run(
        [sys.executable, "-m", "limedb", "get", "c", "none", "b", "a", "--target", node],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, b"3\n\n\xff\n1\n")
    assert done.stderr == b"none has no value\n"
    done_json = limedb("get", "a", "none", "b", "-o", "json", "--target", node)
    found = [json.loads(line) for line in done_json.stdout.splitlines()]
    assert [(each["key"], each["found"]) for each in found] == [("a", True), ("none", False), ("b", True)]
    assert (found[0]["value"], found[2]["blob"]) == ("1", "/w==")
    versions = limedb("get", "a", "c", "--version", "--target", node).stdout.split()
    assert [int(version) for version in versions] == [int(found[0]["version"]), db.get_entry("c").version]  # type: ignore[union-attr]
    table = limedb("get", "a", "b", "-o", "table", "--target", node).stdout.splitlines()
    assert [line.split()[0] for line in table] == ["KEY", "a", "b"]


def test_keys_and_bytes_of_a_prefix_are_counted(node: str, db: SyncClient) -> None:
    db.set_many({f"p/{number}": "12345" for number in range(1200)} | {"q": "x"})
    assert limedb("count", "--target", node).stdout == "1201\n"
    assert limedb("count", "--prefix", "p/", "--target", node).stdout == "1200\n"
    assert json.loads(limedb("count", "--prefix", "p/", "-o", "json", "--target", node).stdout) == {
        "keys": 1200,
        "bytes": "6000",
    }
    linear = ("--consistency", "linearizable", "--target", node)
    assert limedb("count", "--start", "p/9", "--end", "q", *linear).stdout == "111\n"


def test_a_prefix_is_deleted_after_a_dry_run(node: str, db: SyncClient) -> None:
    db.set_many({f"p/{number}": "12345" for number in range(700)} | {"p": "x"})
    dry = limedb("del", "--prefix", "p/", "--dry-run", "-o", "json", "--target", node)
    assert json.loads(dry.stdout) == {"wouldDelete": 700, "bytes": "3500"}
    assert limedb("count", "--target", node).stdout == "701\n"
    done = limedb("del", "--prefix", "p/", "-o", "json", "--target", node)
    assert json.loads(done.stdout) == {"deleted": 700, "changed": 0, "failed": []}
    assert [entry.key for entry in db.scan()] == ["p"]
    assert limedb("del", "--all", "--target", node).stdout == "1\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["k", "--prefix", "p"],
        ["--prefix", ""],
        ["--prefix", "p", "--all"],
        ["--prefix", "p", "--if-exists"],
        ["k", "--dry-run"],
        ["k", "--yes"],
    ],
)
def test_what_could_delete_more_than_was_meant_is_refused(
    node: str, db: SyncClient, arguments: list[str]
) -> None:
    db.set_many({"k": "v", "p": "v"})
    done = limedb("del", *arguments, "--target", node)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(list(db.scan())) == 2


def test_a_terminal_is_asked_with_the_count(node: str, db: SyncClient) -> None:
    db.set_many({"p/1": "v", "p/2": "v"})
    code, shown = on_terminal("del", "--prefix", "p/", "--target", node, interrupt_at="Delete 2 keys (2 B)")
    assert code == 130
    assert "that begin with p/? [y/N]" in shown
    assert len(list(db.scan())) == 2
    code, shown = on_terminal("del", "--prefix", "p/", "--yes", "--target", node)
    assert (code, shown.strip()) == (0, "2")


def test_one_that_is_interrupted_says_how_to_continue(node: str, db: SyncClient) -> None:
    db.set_many({f"p/{number:05}": "v" for number in range(6000)})
    process = subprocess.Popen(
        [sys.executable, "-m", "limedb", "del", "--prefix", "p/", "--target", node],
        stderr=subprocess.PIPE,
        text=True,
    )
    while sum(1 for _ in db.scan(prefix="p/", keys_only=True)) == 6000:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    if process.returncode:  # it was not quicker than the signal
        assert "the same command" in complaint
        assert "continues" in complaint
        after = complaint.partition("--after ")[2].split(" ")[0]
        more = ["--after", after] if after else []
        assert limedb("del", "--prefix", "p/", *more, "--target", node).returncode == 0
    assert sum(1 for _ in db.scan(prefix="p/", keys_only=True)) <= 500, "a page may be deleted in part"
