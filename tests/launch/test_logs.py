"""The logs of a cluster, read from their ends and followed."""

import json
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from limedb.errors import LaunchError
from limedb.launch.logs import LogTail, find_logs, follow
from limedb.launch.records import Folder
from tests.support.clusters import limedb


def log(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.log"
    path.write_text(text)
    return path


def test_the_last_lines_are_read(tmp_path: Path) -> None:
    path = log(tmp_path, "node1", "one\ntwo\nthree\n")
    assert LogTail(path, 2).rest() == ["two", "three"]
    assert LogTail(path, 0).rest() == []
    assert LogTail(path, 9).rest() == ["one", "two", "three"]


def test_a_line_that_is_not_whole_yet_is_only_read_where_nothing_follows(tmp_path: Path) -> None:
    path = log(tmp_path, "node1", "one\ntw")
    assert LogTail(path, 5).rest() == ["one", "tw"]
    tail = LogTail(path, 5)
    assert tail.read() == ["one"]
    with path.open("a") as more:
        more.write("o\n")
    assert tail.read() == ["two"]


def test_logs_are_followed_with_their_names(tmp_path: Path) -> None:
    path = log(tmp_path, "node1", "one\n")
    lines = follow({"node1": LogTail(path, 1), "envoy": LogTail(log(tmp_path, "envoy", ""), 1)})
    assert next(lines) == ("node1", "one")
    with path.open("a") as more:
        more.write("two\nthree\n")
    assert list(islice(lines, 2)) == [("node1", "two"), ("node1", "three")]


def test_logs_are_found_by_name_and_outlive_the_cluster(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="no cluster was started there"):
        find_logs(Folder(tmp_path), [])
    log(tmp_path, "node1", ""), log(tmp_path, "envoy", "")
    assert list(find_logs(Folder(tmp_path), [])) == ["envoy", "node1"]
    assert list(find_logs(Folder(tmp_path), ["node1", "node1"])) == ["node1"]
    with pytest.raises(LaunchError, match=r"no log of node7 in .*, but of envoy, node1"):
        find_logs(Folder(tmp_path), ["node7"])


@pytest.mark.process
def test_the_command_prints_them_to_the_byte_with_names_where_there_are_several(tmp_path: Path) -> None:
    log(tmp_path, "node1", "one\n\x1b[31mtwo\n")
    log(tmp_path, "envoy", "here\n")
    where = ("--data-dir", str(tmp_path))
    assert limedb("cluster", "logs", "node1", "-n", "1", *where).stdout == "\x1b[31mtwo\n"
    assert limedb("cluster", "logs", *where).stdout == "envoy  here\nnode1  one\nnode1  \x1b[31mtwo\n"
    shown = limedb("cluster", "logs", "envoy", "-o", "json", *where).stdout
    assert json.loads(shown) == {"name": "envoy", "line": "here"}


@pytest.mark.process
def test_the_command_follows_until_it_is_interrupted(tmp_path: Path) -> None:
    path = log(tmp_path, "node1", "one\n")
    command = [sys.executable, "-m", "limedb", "cluster", "logs", "-f", "node1", "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"
        with path.open("a") as more:
            more.write("two\n")
        assert process.stdout.readline() == "two\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
