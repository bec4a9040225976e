"""Changes of a key by what it has, from the shell. Tests limedb/cli/edits.py."""

from pathlib import Path

from tests.cli.test_commands import Run, Told, run
from tests.support.clusters import RunningCluster, limedb

__all__ = ["run"]


def test_a_counter_is_increased(run: Run, told: Told, cluster: RunningCluster) -> None:
    assert run("incr", "edit/n").stdout == "1\n"
    assert run("incr", "edit/n", "5").stdout == "6\n"
    address = cluster.nodes[0].address
    assert limedb("incr", "--target", address, "edit/n", "--", "-10").stdout == "-4\n"
    assert run("incr", "edit/from", "--initial", "100", "--ttl", "600").stdout == "101\n"
    assert told("incr", "edit/from")["value"] == "102"
    assert int(told("get", "edit/from")["expiresAtMs"]) > 0
    run("set", "edit/word", "many")
    refused = run("incr", "edit/word")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "key 'edit/word' has no counter" in refused.stderr
    assert run("incr", "edit/n", "1.5").returncode == 2
    assert run("incr", "edit/n", "9223372036854775808").returncode == 2


def test_content_is_added(run: Run, told: Told, tmp_path: Path) -> None:
    assert run("append", "edit/log", "ä").stdout == "2\n"
    assert run("append", "edit/log", "b").stdout == "3\n"
    assert run("get", "edit/log").stdout == "äb\n"
    (tmp_path / "more").write_bytes(b"\xff")
    assert told("append", "edit/bytes", "--file", str(tmp_path / "more"))["size"] == "1"
    assert run("append", "edit/log", "--file", str(tmp_path / "more")).returncode == 1
    assert run("append", "edit/log").returncode == 2


def test_values_are_swapped_and_taken(run: Run, told: Told) -> None:
    first = run("get-and-set", "edit/s", "1")
    assert (first.returncode, first.stdout, run("get", "edit/s").stdout) == (0, "", "1\n")
    assert run("get-and-set", "edit/s", "2", "--ttl", "600").stdout == "1\n"
    assert run("get-and-set", "edit/s", "3", "--keep-ttl").stdout == "2\n"
    assert int(told("get", "edit/s")["expiresAtMs"]) > 0
    assert run("get-and-set", "edit/s", "3", "--keep-ttl", "--ttl", "5").returncode == 2
    assert told("get-and-del", "edit/s")["value"] == "3"
    gone = run("get-and-del", "edit/s")
    assert (gone.returncode, gone.stdout) == (3, "")
    assert told("get-and-set", "edit/s", "1").keys() == {"key", "version"}
    assert run("get-and-delete", "edit/s").stdout == "1\n"  # as REST calls it
    table = run("get-and-set", "edit/s", "x", "-o", "table")
    assert "VALUE BEFORE" in table.stdout
