"""The audit log: its lines, its bounds, and that a slow disk never blocks.

Tests limedb/observability/reopened.py.
"""

import json
import os
import select
from pathlib import Path
from threading import Thread

import pytest

from limedb.errors import ConfigError
from limedb.observability.audit import MAX_REFUSALS, AuditLog


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_who_did_what_and_the_outcome(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit = AuditLog(path, "http://a:1", lambda: 1_700_000_000_123)
    audit.record("alice", "ipv4:1.2.3.4:5", "KVService/Get", "'a\nb'", "PERMISSION_DENIED")
    audit.record("root", "", "AccessService/AddUser", "", "OK")
    audit.close()
    assert lines(path) == [
        {
            "time": "2023-11-14T22:13:20.123Z", "node": "http://a:1", "who": "alice",
            "peer": "ipv4:1.2.3.4:5", "what": "KVService/Get", "subject": "'a\nb'",
            "outcome": "PERMISSION_DENIED",
        },
        {
            "time": "2023-11-14T22:13:20.123Z", "node": "http://a:1", "who": "root", "peer": "",
            "what": "AccessService/AddUser", "outcome": "OK",
        },
    ]  # fmt: skip
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_continues_a_file(tmp_path: Path) -> None:
    for _ in range(2):
        audit = AuditLog(tmp_path / "audit.log", "", lambda: 0)
        audit.record("a", "", "b", "", "OK")
        audit.close()
    assert len(lines(tmp_path / "audit.log")) == 2


def test_refusals_are_bounded_and_changes_are_not(tmp_path: Path) -> None:
    now = 0
    audit = AuditLog(tmp_path / "audit.log", "", lambda: now)
    for _ in range(3 * MAX_REFUSALS):
        audit.record("a", "", "b", "", "UNAUTHENTICATED")
    for _ in range(MAX_REFUSALS):
        audit.record("a", "", "b", "", "OK")
    now = 1000
    audit.record("a", "", "b", "", "UNAUTHENTICATED")
    audit.close()
    found = lines(tmp_path / "audit.log")
    assert sum(line.get("outcome") == "UNAUTHENTICATED" for line in found) == MAX_REFUSALS + 1
    assert sum(line.get("outcome") == "OK" for line in found) == MAX_REFUSALS
    assert [line["leftOut"] for line in found if "leftOut" in line] == [2 * MAX_REFUSALS]


def test_a_file_that_nobody_empties_blocks_nothing(tmp_path: Path) -> None:
    """A pipe without a reader's attention stands for a disk that hangs."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader: list[int] = []
    opening = Thread(target=lambda: reader.append(os.open(pipe, os.O_RDONLY)))
    opening.start()
    audit = AuditLog(pipe, "", lambda: 0)
    opening.join()
    for _ in range(50_000):
        audit.record("a", "", "b" * 100, "", "OK")
    data = b""
    os.set_blocking(reader[0], False)
    while b"leftOut" not in data or not data.endswith(b"\n"):
        data += os.read(reader[0], 1 << 20) if select.select(reader, [], [], 10)[0] else b""
    assert all(json.loads(line) for line in data.splitlines())
    os.close(reader[0])
    audit.close()


def test_a_file_that_can_not_be_written_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="AUDIT_LOG"):
        AuditLog(tmp_path / "none" / "audit.log", "", lambda: 0)


def test_a_file_that_was_moved_is_opened_again(tmp_path: Path) -> None:
    path, moved = tmp_path / "audit.log", tmp_path / "audit.log.1"
    audit = AuditLog(path, "", lambda: 0)
    audit.record("one", "", "b", "", "OK")
    audit.flush()
    path.rename(moved)
    audit.record("two", "", "b", "", "OK")
    audit.flush()
    path.unlink()
    audit.record("three", "", "b", "", "OK")
    audit.close()
    assert [line["who"] for line in lines(moved)] == ["one"]
    assert [line["who"] for line in lines(path)] == ["three"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_lines_have_roles_and_reasons(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.log", "", lambda: 0)
    audit.record("root", "", "AccessService/AddUser", "'a'", "OK", {"roles": ["read:a/"]})
    audit.record("", "", "KVService/Get", "", "UNAUTHENTICATED", {"reason": "expired"})
    audit.close()
    found = lines(tmp_path / "audit.log")
    assert [line.get("roles") for line in found] == [["read:a/"], None]
    assert [line.get("reason") for line in found] == [None, "expired"]
