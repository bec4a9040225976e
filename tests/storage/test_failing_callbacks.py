"""Errors in callbacks and threads of the store: no caller waits forever, and the node gets the error."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from limedb.core.idempotency import FIRST, Proposal, WriteId
from limedb.core.paxos import Ballot
from limedb.core.record import Record
from limedb.errors import StoreError
from limedb.storage.lmdb import env as lmdb_env
from limedb.storage.lmdb import log_writer
from limedb.storage.lmdb import writer as lmdb_writer
from limedb.storage.lmdb.hints import LmdbHintLog
from limedb.storage.lmdb.memtable import Memtable
from limedb.storage.lmdb.operations import LmdbOperationLog
from limedb.storage.lmdb.space import Room
from limedb.storage.lmdb.store import LmdbStore
from limedb.storage.write_ahead_log import WriteAheadLog

LIMIT = 20.0


def raises(*_: Any, **__: Any) -> Any:
    raise FileNotFoundError(2, "No such file or directory")


def breaks_room(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Room, "is_sure", raises)


def breaks_groups(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(log_writer, "groups_of", raises)


def breaks_append(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WriteAheadLog, "append", raises)


def breaks_memtable(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Memtable, "add", raises)


def breaks_direct_write(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Room, "is_sure", lambda *_: False)
    patch.setattr(lmdb_writer, "write_items", raises)


def breaks_the_recovery_of_a_direct_write(patch: pytest.MonkeyPatch) -> None:
    breaks_direct_write(patch)
    patch.setattr(lmdb_writer, "is_no_room", raises)


BREAKS = [
    breaks_room,
    breaks_groups,
    breaks_append,
    breaks_memtable,
    breaks_direct_write,
    breaks_the_recovery_of_a_direct_write,
]


@pytest.mark.parametrize("breaks", BREAKS)
async def test_writers_hear_of_a_failure_and_so_does_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: Callable[[pytest.MonkeyPatch], None]
) -> None:
    failures: list[Exception] = []
    store = LmdbStore(tmp_path / "store", "always", failures.append)
    await store.apply([Record("before", "v", 1)], 0)
    breaks(monkeypatch)
    async with asyncio.timeout(LIMIT):
        writes = [store.apply([Record(f"k{number}", "v", 2)], 0) for number in range(3)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StoreError] * 3
        assert "No such file or directory" in str(outcomes[0])
        assert [type(failure) for failure in failures] == [StoreError]
        with pytest.raises(StoreError, match="no more is written there"):
            await store.apply([Record("after", "v", 3)], 0)
        monkeypatch.undo()
        await store.close()


async def test_a_checkpoint_that_fails_ends_the_store_and_not_the_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[Exception] = []
    store = LmdbStore(tmp_path / "store", "always", failures.append)
    await store.apply([Record("k", "v", 1)], 0)
    monkeypatch.setattr(lmdb_writer, "write_items", raises)
    async with asyncio.timeout(LIMIT):
        with pytest.raises(StoreError):
            await store.scan_tokens(0, 2**64 - 1, 10)
        assert len(failures) == 1
        monkeypatch.undo()
        await store.close()


async def test_hints_that_can_not_be_written_hold_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints = LmdbHintLog(tmp_path / "hints")
    monkeypatch.setattr(lmdb_env, "free_space", raises)

    class Broken:
        def begin(self, **_: Any) -> Any:
            raise OSError(5, "Input/output error")

    real, hints._writer._env = hints._writer._env, Broken()
    async with asyncio.timeout(LIMIT):
        hints.add("http://b:1", [Record("k", "v", 1)], 0)
        await hints.done("http://b:1", [Record("k", "v", 1)])
        hints._writer._env = real
        await hints.close()


class BrokenDisk:
    """An environment whose transactions fail."""

    def begin(self, **_: Any) -> Any:
        raise OSError(5, "Input/output error")


async def test_a_log_of_operations_whose_disk_fails_answers_all_that_wait_and_ends(tmp_path: Path) -> None:
    failures: list[Exception] = []
    log = LmdbOperationLog(tmp_path / "operations", "always", on_fatal=failures.append)
    steps = [Proposal(WriteId(bytes([i] * 16), 0, 1), Ballot(FIRST, "p" * 16), None) for i in range(3)]
    real, commit = log._env, log._commit

    def breaks(*arguments: Any) -> None:
        log._env = cast("Any", BrokenDisk())
        try:
            commit(*arguments)
        finally:
            log._env = real

    log._commit = breaks  # type: ignore[method-assign]
    async with asyncio.timeout(LIMIT):
        outcomes = await asyncio.gather(*(log.move([s], 1) for s in steps), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StoreError] * 3
        assert [str(failure) for failure in failures] == [str(outcomes[0])]
        log._commit = commit  # type: ignore[method-assign]
        with pytest.raises(StoreError, match="no more is written there"):
            await log.move(steps, 1)
        await log.close()
