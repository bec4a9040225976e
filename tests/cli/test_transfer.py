"""Import and export with real clusters: what goes in comes out, though interrupted, in little memory.

Tests limedb/cli/export.py, limedb/cli/import_.py and limedb/cli/import_source.py.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.children import child
from tests.support.clusters import limedb
from tests.support.waiting import wait_for

HIGH_WATER = (
    "import sys; from limedb.cli.app import cli\n"
    "try: cli(standalone_mode=False)\n"
    "finally: print([l for l in open('/proc/self/status') if l.startswith('VmHWM')][0], file=sys.stderr)"
)
"""Runs a command, and tells the most memory that it had: ru_maxrss of the kernel counts the parent's too."""
STANDS_STILL = (
    "import os, signal\n"
    "from limedb.bulk import progress\n"
    "from limedb.cli import export, import_\n"
    "from limedb.cli.app import cli\n"
    "export.SAVE_SECONDS = import_.SAVE_SECONDS = 0\n"
    "save = progress.save\n"
    "def second(*told): progress.save = save; os.kill(os.getpid(), signal.SIGSTOP); save(*told)\n"
    "def first(*told): progress.save = second; save(*told)\n"
    "progress.save = first\n"
    "cli()"
)
"""Runs a command that keeps its state at each batch or page, and stands still before it does so again."""


def interrupt(command: list[str], how: signal.Signals) -> tuple[int, str]:
    """Interrupt a command in its middle; its exit code, and what it complained of."""
    with child([sys.executable, "-c", STANDS_STILL, *command], stderr=subprocess.PIPE) as process:
        seen = psutil.Process(process.pid)
        wait_for("it stands still", lambda: seen.status() == psutil.STATUS_STOPPED)
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        complaint = process.communicate(timeout=30)[1]
    return process.returncode, complaint


def state_of(file: Path) -> Path:
    return file.with_name(file.name + ".limedb-state")


def write_jsonl(file: Path, count: int, size: int = 100) -> None:
    with file.open("w") as out:
        out.writelines(f'{{"key":"key/{n:07d}","value":"{n} {"v" * size}"}}\n' for n in range(count))


def stored(target: str) -> dict[str, dict[str, Any]]:
    """All that a cluster holds, by key."""
    done = limedb("scan", "--limit", "0", "-o", "json", "--target", target)
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert [entry["key"] for entry in entries] == sorted({entry["key"] for entry in entries})
    return {entry["key"]: entry for entry in entries}


def contents(told: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Any, Any]]:
    return {key: (entry.get("value"), entry.get("blob")) for key, entry in told.items()}


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_what_is_exported_and_imported_elsewhere_is_the_same(
    node: str, other: str, tmp_path: Path, ending: str
) -> None:
    later = time.time_ns() // 1_000_000 + 3_600_000
    lines = [{"key": f"k{n}", "value": f"v{n}"} for n in range(2000)]
    lines += [
        {"key": 'line\nbreak, "quote" and \r', "value": "a\r\nb\n,\"'"},
        {"key": "😀", "value": ""},
        {"key": "blob", "blob": base64.b64encode(bytes(range(256))).decode()},
        {"key": "empty blob", "blob": ""},
        {"key": "ends", "value": "v", "expiresAtMs": later},
    ]
    source, copy = tmp_path / "source.jsonl", tmp_path / f"copy.{ending}"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    first = limedb("import", str(source), "--target", node)
    assert (first.returncode, first.stderr) == (0, "2,005 keys stored, 0 bad lines\n")
    done = limedb("export", str(copy), "--target", node)
    assert (done.returncode, done.stderr) == (0, "2,005 keys written, 0 left out\n")
    assert limedb("import", str(copy), "--target", other).returncode == 0
    there, here = stored(node), stored(other)
    assert contents(here) == contents(there)
    assert len(here) == len(lines)
    assert int(here["ends"]["expiresAtMs"]) == int(there["ends"]["expiresAtMs"]) == later
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, copy.name])


def test_a_go_data_file_goes_in_and_comes_out(node: str, tmp_path: Path) -> None:
    keys = {f"user:{n}": f"näme {n}" for n in range(1500)}
    source, copy = tmp_path / "http:%2F%2Fnode1:8484.json", tmp_path / "copy.json"
    source.write_text(json.dumps(keys, indent=0))
    assert limedb("import", str(source), "--target", node).returncode == 0
    assert limedb("export", str(copy), "--target", node).returncode == 0
    assert json.loads(copy.read_text()) == keys


def test_bad_lines_are_reported_by_number_and_are_exit_code_4(node: str, tmp_path: Path) -> None:
    source = tmp_path / "bad.jsonl"
    large = json.dumps({"key": "large", "value": "v" * (5 << 20)})
    late = json.dumps({"key": "late", "value": "v", "expiresAtMs": 10**17})
    source.write_text(f'{{"key":"a","value":"1"}}\nnope\n{large}\n{late}\n{{"key":"b","value":"2"}}\n')
    done = limedb("import", str(source), "--target", node)
    assert done.returncode == 4
    told = done.stderr.splitlines()
    assert sorted(line.split(":")[0] for line in told[:3]) == ["line 2", "line 3", "line 4"]
    assert told[3] == "2 keys stored, 3 bad lines"
    assert set(stored(node)) == {"a", "b"}


def test_it_stops_at_a_bad_line_when_told_to_and_continues_when_that_is_mended(
    node: str, tmp_path: Path
) -> None:
    source = tmp_path / "bad.csv"
    source.write_text("key,value\na,1\nb\nc,3\n")
    done = limedb("import", str(source), "--stop-on-error", "--target", node)
    assert (done.returncode, "stopped at line 3" in done.stderr) == (1, True)
    assert set(stored(node)) == {"a"}
    again = limedb("import", str(source), "--target", node)
    assert (again.returncode, "--resume or --restart" in again.stderr) == (2, True)
    done = limedb("import", str(source), "--resume", "--target", node)
    assert (done.returncode, set(stored(node))) == (4, {"a", "c"})


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_file_in_utf_16_is_refused_as_what_it_is(node: str, tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_bytes('{"key":"k","value":"v"}\n'.encode("utf-16"))
    done = limedb("import", str(source), "--target", node)
    assert done.returncode == 1
    assert f"{source} is text in UTF-16: write it as UTF-8" in done.stderr
    assert not list(tmp_path.glob("*-state"))
    form = name.rpartition(".")[2]
    with source.open("rb") as file:
        command = [sys.executable, "-m", "limedb", "import", "-", "--format", form, "--target", node]
        piped = subprocess.run(command, stdin=file, capture_output=True, text=True, timeout=60, check=False)
    assert (piped.returncode, "the input is text in UTF-16" in piped.stderr) == (1, True)


def test_a_csv_file_with_a_quote_too_many_is_refused_and_a_pipe_is_stored_up_to_there(
    node: str, tmp_path: Path
) -> None:
    source = tmp_path / "bad.csv"
    source.write_text('key,value\na,1\nb,"2\nc,3\n')
    done = limedb("import", str(source), "--target", node)
    assert (done.returncode, stored(node), state_of(source).exists()) == (1, {}, False)
    assert "line 3 is not CSV: a quote is never closed" in done.stderr
    command = [sys.executable, "-m", "limedb", "import", "-", "--format", "csv", "--target", node]
    with source.open() as file:
        piped = subprocess.run(
            ["bash", "-c", 'cat | "$@"', "bash", *command],
            stdin=file, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert "1 keys stored, 0 bad lines: to continue, send the lines after line 2" in piped.stderr
    assert "line 3 is not CSV: a quote is never closed" in piped.stderr
    assert set(stored(node)) == {"a"}


def test_stdin_and_stdout_are_files_like_others(node: str, tmp_path: Path) -> None:
    line = '{"key": "piped", "value": "v"}\n'
    done = subprocess.run(
        [sys.executable, "-m", "limedb", "import", "-", "--format", "jsonl", "--target", node],
        input=line, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == "1 keys stored, 0 bad lines\n"
    assert limedb("export", "-", "--target", node).stdout == line
    script = 'exec "$@" <(echo "$LINE") --format jsonl --target "$NODE"'
    command = ["bash", "-c", script, "bash", sys.executable, "-m", "limedb", "import"]
    env = {**os.environ, "LINE": line.replace("piped", "named pipe"), "NODE": node}
    subprocess.run(command, env=env, capture_output=True, timeout=60, check=True)
    assert set(stored(node)) == {"piped", "named pipe"}


@contextmanager
def piped(target: str, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """An import of what is written into its stdin, which stays open."""
    command = ["import", "-", "--format", "jsonl", "--target", target, *options]
    pipe = subprocess.PIPE
    with child([sys.executable, "-m", "limedb", *command], stdin=pipe, stderr=pipe) as process:
        yield process


def send(process: "subprocess.Popen[str]", *keys: str) -> None:
    assert process.stdin is not None
    process.stdin.writelines(f'{{"key":"{key}","value":"v"}}\n' for key in keys)
    process.stdin.flush()


def test_lines_of_a_pipe_are_stored_as_they_come_and_ctrl_c_is_heard_though_nothing_comes(node: str) -> None:
    with piped(node) as process:
        send(process, "a", "b")
        wait_for("what was sent", lambda: set(stored(node)) == {"a", "b"}, 30)
        send(process, "c")
        wait_for("what was sent later", lambda: set(stored(node)) == {"a", "b", "c"}, 30)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
        assert process.stderr is not None
        told = "3 keys stored, 0 bad lines: to continue, send the lines after line 3"
        assert process.stderr.read() == f"interrupted; {told}\n"


WARNING = "Warning: if this import is interrupted, it can't be resumed, for "


@pytest.mark.parametrize(
    "script",
    [
        'exec "$@" /dev/fd/3 3<"$FILE"',
        'exec "$@" /dev/stdin <"$FILE"',
        'exec "$@" <(cat "$FILE")',
        'mkfifo "$FIFO"; cat "$FILE" >"$FIFO" & exec "$@" "$FIFO"',
    ],
    ids=["descriptor", "stdin", "substitution", "fifo"],
)
def test_what_has_no_folder_is_imported_with_a_warning(node: str, tmp_path: Path, script: str) -> None:
    source, fifo = tmp_path / "source.jsonl", tmp_path / "fifo"
    source.write_text('{"key": "a", "value": "v"}\n')
    command = [sys.executable, "-m", "limedb", "import", "--format", "jsonl", "--target", node]
    env = {**os.environ, "FILE": str(source), "FIFO": str(fifo)}
    done = subprocess.run(
        ["bash", "-c", script, "bash", *command],
        capture_output=True, text=True, timeout=60, check=False, env=env,
    )  # fmt: skip
    warning = f"{WARNING}it is a pipe or a descriptor"
    assert (done.returncode, done.stderr.splitlines()) == (0, [warning, "1 keys stored, 0 bad lines"])
    assert set(stored(node)) == {"a"}
    assert {path.name for path in tmp_path.iterdir()} <= {source.name, fifo.name}


@pytest.mark.root
def test_a_file_in_a_folder_that_is_only_read_is_imported_with_a_warning(node: str, tmp_path: Path) -> None:
    source = tmp_path / "source.jsonl"
    source.write_text('{"key": "a", "value": "v"}\n')
    mounted = 'mount --bind "$DIR" "$DIR" && mount -o remount,ro,bind "$DIR" && exec "$@"'
    command = [sys.executable, "-m", "limedb", "import", str(source), "--target", node]
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", mounted, "bash", *command],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "DIR": str(tmp_path)},
    )  # fmt: skip
    warning = f"{WARNING}{tmp_path} can't be written"
    assert (done.returncode, done.stderr.splitlines()) == (0, [warning, "1 keys stored, 0 bad lines"])
    assert set(stored(node)) == {"a"}


def test_a_folder_that_can_no_longer_be_written_does_not_end_an_import(node: str, tmp_path: Path) -> None:
    source = tmp_path / "source.jsonl"
    write_jsonl(source, 2000)
    state_of(source).mkdir()  # nothing can replace it
    done = limedb("import", str(source), "--restart", "--target", node)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "2,000 keys stored, 0 bad lines")
    assert done.stderr.count(WARNING) == 1


def test_a_descriptor_can_be_exported_to(node: str, tmp_path: Path) -> None:
    source, copy = tmp_path / "source.jsonl", tmp_path / "copy"
    source.write_text('{"key": "a", "value": "v"}\n')
    assert limedb("import", str(source), "--target", node).returncode == 0
    command = [sys.executable, "-m", "limedb", "export", "/dev/fd/3", "--format", "jsonl", "--target", node]
    done = subprocess.run(
        ["bash", "-c", 'exec "$@" 3>"$COPY"', "bash", *command],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "COPY": str(copy)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "1 keys written, 0 left out\n")
    assert copy.read_text() == source.read_text()


@pytest.mark.process
def test_a_pipe_cannot_be_resumed() -> None:
    done = limedb("import", "-", "--format", "csv", "--resume")
    assert (done.returncode, "can't be resumed" in done.stderr) == (2, True)


@pytest.mark.parametrize(("data", "code"), [("{}", 0), ('{"a": "v"}', 0), ("[]", 1), ("", 1)])
def test_a_go_data_file_may_come_through_a_pipe(node: str, data: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "limedb", "import", "-", "--format", "go", "--target", node],
        input=data, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert set(stored(node)) == ({"a"} if "a" in data else set())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "ctrl-c"])
def test_an_import_that_was_interrupted_continues_and_nothing_is_lost_or_twice(
    node: str, tmp_path: Path, how: signal.Signals
) -> None:
    count = 10_000
    source = tmp_path / "source.jsonl"
    write_jsonl(source, count)
    command = ["import", str(source), "--target", node]
    code, complaint = interrupt(command, how)
    assert code == (130 if how is signal.SIGINT else -how)
    place = json.loads(state_of(source).read_text())
    hint = f"0 bad lines: --resume continues after line {place['line']}\n"
    assert complaint.endswith(hint) == (how is signal.SIGINT)
    assert 0 < place["line"] == place["stored"] < count
    before = stored(node)
    done = limedb(*command, "--resume")
    assert (done.returncode, done.stderr) == (0, f"{count:,} keys stored, 0 bad lines\n")
    after = stored(node)
    assert len(after) == count
    assert all(after[f"key/{n:07d}"]["value"].startswith(f"{n} ") for n in range(count))
    untouched = [f"key/{n:07d}" for n in range(place["line"])]
    assert all(before[key]["version"] == after[key]["version"] for key in untouched), "stored again"
    assert not state_of(source).exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "ctrl-c"])
def test_an_export_that_was_interrupted_continues_and_nothing_is_lost_or_twice(
    node: str, tmp_path: Path, how: signal.Signals
) -> None:
    count = 10_000
    source, copy = tmp_path / "source.jsonl", tmp_path / "copy.jsonl"
    write_jsonl(source, count)
    assert limedb("import", str(source), "--target", node).returncode == 0
    whole = tmp_path / "whole.jsonl"
    assert limedb("export", str(whole), "--target", node).returncode == 0
    command = ["export", str(copy), "--target", node]
    code, complaint = interrupt(command, how)
    hint = "keys written: --resume continues from about there\n"
    assert (code, complaint.endswith(hint)) == ((130, True) if how is signal.SIGINT else (-how, False))
    if how is signal.SIGKILL:
        assert copy.stat().st_size > json.loads(state_of(copy).read_text())["size"]
    assert json.loads(state_of(copy).read_text())["written"] < count
    refused = limedb(*command)
    assert (refused.returncode, "--resume or --force" in refused.stderr) == (2, True)
    other_range = limedb(*command, "--resume", "--prefix", "key/1")
    assert (other_range.returncode, "give the same" in other_range.stderr) == (1, True)
    done = limedb(*command, "--resume")
    assert (done.returncode, done.stderr) == (0, f"{count:,} keys written, 0 left out\n")
    assert copy.read_bytes() == whole.read_bytes()
    assert not state_of(copy).exists()


def test_a_disk_that_is_full_is_reported_and_the_export_continues_when_there_is_room(
    node: str, tmp_path: Path
) -> None:
    source, copy = tmp_path / "source.jsonl", tmp_path / "copy.jsonl"
    write_jsonl(source, 3000)
    assert limedb("import", str(source), "--target", node).returncode == 0
    command = [sys.executable, "-m", "limedb", "export", str(copy), "--target", node]
    small = ["bash", "-c", 'ulimit -f 100; exec "$@"', "bash", *command]
    full = subprocess.run(small, capture_output=True, text=True, timeout=60, check=False)
    assert (full.returncode, "can't be written" in full.stderr, "Traceback" in full.stderr) == (
        1,
        True,
        False,
    )
    done = limedb(*command[3:], "--resume")
    assert (done.returncode, done.stderr) == (0, "3,000 keys written, 0 left out\n")
    assert len(copy.read_text().splitlines()) == 3000


def test_a_file_that_is_there_is_not_written_over_unasked(node: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text("mine")
    done = limedb("export", str(file), "--target", node)
    assert (done.returncode, file.read_text()) == (2, "mine")
    assert limedb("export", str(file), "--force", "--target", node).returncode == 0
    assert file.read_text() == ""


def test_another_file_of_the_same_name_is_not_taken_for_the_interrupted_one(
    node: str, tmp_path: Path
) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"key":"a","value":"1"}\nnope\n')
    assert limedb("import", str(source), "--stop-on-error", "--target", node).returncode == 1
    source.write_text('{"key":"other","value":"1"}\n')
    done = limedb("import", str(source), "--resume", "--target", node)
    assert (done.returncode, "is not the file" in done.stderr) == (1, True)
    assert limedb("import", str(source), "--restart", "--target", node).returncode == 0
    assert set(stored(node)) == {"a", "other"}
