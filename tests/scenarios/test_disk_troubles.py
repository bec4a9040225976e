"""A disk that fails, is read-only, has no room or never answers: a real node says so and ends, or goes on.

Tests limedb/node/node.py and limedb/node/files.py.
"""

import errno
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import grpc
import pytest

from limedbpb.v1 import kv_pb2
from tests.support.children import LIMIT
from tests.support.clusters import limedb
from tests.support.faulty_disk import HANGS, FaultyDisks
from tests.support.served import SECONDS, served
from tests.support.troubles import wait_for_no_trouble
from tests.support.waiting import wait_for


@pytest.mark.parametrize(
    ("call", "code"), [("sync", errno.EIO), ("write", errno.EROFS), ("create", errno.EROFS)]
)
def test_a_disk_that_fails_stops_the_node_with_the_reason(tmp_path: Path, call: str, code: int) -> None:
    disks = FaultyDisks(tmp_path)
    with served(tmp_path, env=disks.env) as node, disks.failing(call, code):
        with suppress(grpc.RpcError):  # whatever comes of it: it is answered
            node.set("second")
        assert node.process.wait(SECONDS) == 1
        log = node.log.read_text()
        assert "the node had to stop: " in log
        assert os.strerror(code) in log


def test_no_room_for_a_segment_of_the_log_stops_nothing(tmp_path: Path) -> None:
    disks = FaultyDisks(tmp_path)
    with served(tmp_path, env=disks.env) as node:
        with disks.failing("create", errno.ENOSPC):
            began, writes = time.monotonic(), 0
            while time.monotonic() - began < 2.5:
                node.set(f"key {writes}")
                if not writes % 100:  # a checkpoint comes first
                    node.kv.ListKeys(kv_pb2.ListKeysRequest(), timeout=SECONDS)
                writes += 1
            assert node.get("key 0") == "key 0"
        wait_for_no_trouble(lambda: node.health().warnings)
        assert node.process.poll() is None


def test_a_node_ends_while_its_disk_answers_nothing_at_its_start(tmp_path: Path) -> None:
    """The loop itself stands still: it opens the store."""
    disks = FaultyDisks(tmp_path)
    with disks.failing("sync", HANGS), served(tmp_path, env=disks.env, is_awaited=False) as node:
        wait_for("the disk to be asked", lambda: disks.is_hanging, limit=60)
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(60) == 1
        assert "did not stop within 5 s" in node.log.read_text()
        assert "limedb/storage/files.py" in node.log.read_text()  # where it hangs


def test_a_file_that_cant_be_read_ends_a_start_and_is_named(tmp_path: Path) -> None:
    disks = FaultyDisks(tmp_path)
    with served(tmp_path, env=disks.env) as node:
        node.process.kill()
        node.process.wait(LIMIT)
        names = {path.name for path in node.data.rglob("*")}
        for part in "lmdb/data.mdb", "lmdb/log-", "lmdb/limedb.lock":
            with disks.failing(f"read:{part}", errno.EIO):
                done = limedb("serve", env={**node.env, "LOG_LEVEL": "WARNING"})
            assert done.returncode == 1
            assert re.search(f"^Error: .*lmdb.*{os.strerror(errno.EIO)}$", done.stderr, re.MULTILINE)
            assert "Traceback" not in done.stderr
        assert {path.name for path in node.data.rglob("*")} == names


def test_a_file_that_is_cut_under_a_node_ends_it_with_a_word(tmp_path: Path) -> None:
    """By a read of what isn't there any more (SIGBUS), or by the watch over the file, whichever is first."""
    with served(tmp_path) as node:
        (path,) = node.data.glob("*.lmdb/data.mdb")
        os.truncate(path, 2 * 4096)
        with suppress(grpc.RpcError):
            assert node.get("first") == "first"
        assert node.process.wait(SECONDS) != 0
        assert re.search("Fatal Python error: Bus error|data.mdb was cut from", node.log.read_text())


def test_a_log_that_is_taken_away_ends_a_node_and_loses_nothing(tmp_path: Path) -> None:
    with served(tmp_path) as node:
        node.set("second")
        last, end = 0, time.monotonic() + SECONDS
        with suppress(grpc.RpcError):  # until it is noticed; what is answered for stays
            while time.monotonic() < end:
                for path in node.data.glob("*.lmdb/log-*"):  # each second the node begins a new one
                    path.unlink(missing_ok=True)
                node.set(f"key {last + 1}")
                last += 1
        assert node.process.wait(SECONDS) == 1
        assert re.search("the node had to stop: .*log-[0-9]* is gone: ", node.log.read_text())
        with served(tmp_path, env=node.env, is_awaited=False):
            for key in "second", f"key {last}":
                assert wait_for("a value", partial(node.get, key), ignore=grpc.RpcError) == key


def test_a_folder_that_is_moved_away_ends_a_node_and_is_named(tmp_path: Path) -> None:
    with served(tmp_path) as node:
        (folder,) = node.data.glob("*.lmdb")
        folder.rename(tmp_path / "moved")
        with suppress(grpc.RpcError):  # its next segment has no place any more
            node.set("second", timeout=1)
        assert node.process.wait(SECONDS) == 1
        log = node.log.read_text()
        assert re.search(f"the node had to stop: {re.escape(str(folder))}.* is gone: it was moved", log)
        assert "the disk failed" not in log


def take_away(file: Path) -> None:
    file.unlink(missing_ok=True)


def overwrite(file: Path) -> None:
    file.write_bytes(b"junk")


@pytest.mark.parametrize("names", [["node.json"], ["node.json.copy"], ["node.json", "node.json.copy"]])
@pytest.mark.parametrize(("ruin", "what"), [(take_away, "was taken away"), (overwrite, "was overwritten")])
def test_a_node_file_that_is_ruined_is_written_again(
    tmp_path: Path, ruin: Callable[[Path], None], what: str, names: list[str]
) -> None:
    with served(tmp_path) as node:
        (path,) = node.data.glob("*.lmdb/node.json")
        wait_for("a cluster", lambda: json.loads(path.read_text())["topology"]["epoch"], limit=SECONDS)
        before = json.loads(path.read_text())

        def ruin_them() -> bool:
            ruined = [path.with_name(name) for name in names]
            for each in ruined:
                ruin(each)
            return any(f"{each} {what}" in node.log.read_text() for each in ruined)

        def is_whole() -> bool:
            files = path, path.with_name("node.json.copy")
            return all(json.loads(file.read_text())["topology"] == before["topology"] for file in files)

        wait_for("a word", ruin_them, limit=SECONDS)
        wait_for("the file", is_whole, limit=SECONDS, ignore=Exception)
        node.process.kill()
        node.process.wait(LIMIT)
        with served(tmp_path, env=node.env, is_awaited=False):
            assert wait_for("a value", partial(node.get, "first"), ignore=grpc.RpcError) == "first"


def test_what_is_remembered_of_operations_is_missed_as_data_is(tmp_path: Path) -> None:
    with served(tmp_path) as node:
        (folder,) = node.data.glob("*.operations")
        shutil.rmtree(folder)
        assert node.process.wait(SECONDS) == 1
        assert f"the node had to stop: {folder}" in node.log.read_text()


def remove(hints: Path) -> None:
    shutil.rmtree(hints)


def cut(hints: Path) -> None:
    os.truncate(hints / "data.mdb", 0)


@pytest.mark.parametrize(("harm", "what"), [(remove, "is gone"), (cut, "was cut")])
def test_hints_that_are_harmed_are_reported_stop_nothing_and_are_missed_at_the_next_start(
    tmp_path: Path, harm: Callable[[Path], None], what: str
) -> None:
    with served(tmp_path) as node:
        (folder,) = node.data.glob("*.hints")
        harm(folder)

        def warnings() -> list[str]:
            return [text for text in node.health().warnings if f"{folder}/data.mdb {what}" in text]

        (warning,) = wait_for("a warning", warnings, limit=SECONDS)
        assert "keeps no hints until it is restarted" in warning
        node.set("second")
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(SECONDS) == 0
        with served(tmp_path, env=node.env, is_awaited=False) as again:
            assert wait_for("a value", partial(node.get, "second"), ignore=grpc.RpcError) == "second"
            assert "the hints that this node kept are lost" in again.log.read_text()


def flip_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def halve(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def make_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("harm", "is_named"), [(flip_bit, True), (halve, True), (make_a_folder, True), (take_away, False)]
)
def test_a_node_does_without_the_small_files_of_its_last_run(
    tmp_path: Path, harm: Callable[[Path], None], is_named: bool
) -> None:
    with served(tmp_path) as node:
        scrub = wait_for("a pass of scrubbing", lambda: [*node.data.glob("*.scrub")], limit=SECONDS)
        harm(*scrub)
        node.set("second")
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(SECONDS) == 0
        changes, times = [*node.data.glob("*.changes")], [*node.data.glob("*.time")]
        harm(*changes)
        harm(*times)
        with served(tmp_path, env=node.env, is_awaited=False) as again:
            assert wait_for("a value", partial(node.get, "second"), ignore=grpc.RpcError) == "second"
            log = again.log.read_text()
            files = [str(file) for file in (*scrub, *changes, *times)]
            assert [file for file in files if f"{file} " in log] == (files if is_named else [])
            assert "counts for watches some seconds later" in log or not is_named
            assert "Traceback" not in log


def zeros(path: Path) -> None:
    path.write_bytes(bytes(8192))


def ones(path: Path) -> None:
    path.write_bytes(b"\xff" * 8192)


def an_empty_file(path: Path) -> None:
    path.touch()


@pytest.mark.parametrize("leave", [zeros, ones, an_empty_file])
def test_nothing_that_becomes_of_lmdbs_lock_files_hurts_a_node(
    tmp_path: Path, leave: Callable[[Path], None]
) -> None:
    """While it runs they have no name, so nobody can cut them; what is left or put in their place is removed.
    LMDB maps them: of one that was cut, the next read or write died of SIGBUS.
    """
    with served(tmp_path) as node:
        folders = [path for kind in ("lmdb", "hints", "operations") for path in node.data.glob(f"*.{kind}")]
        assert len(folders) == 3
        for folder in folders:
            with suppress(FileNotFoundError):
                os.truncate(folder / "lock.mdb", 0)
            leave(folder / "lock.mdb")
        for number in range(200):
            node.set(f"key {number}")
        assert node.get("key 0") == "key 0"
        node.process.kill()
        node.process.wait(LIMIT)
        with served(tmp_path, env=node.env, is_awaited=False) as again:
            wait_for("a value", partial(node.get, "key 199"), ignore=grpc.RpcError)
            node.set("key 200")
            again.process.terminate()
            assert again.process.wait(SECONDS) == 0
        assert "Traceback" not in node.log.read_text()
