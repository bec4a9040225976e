"""The operations that replicas remember: in memory and on disk."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import lmdb
import pytest

from limedb.core.hlc import FIRST_BALLOT, version_at
from limedb.core.idempotency import FIRST, MAX_AGE_MS, AgreedVersion, Proposal, State, WriteId
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.topology import Fence
from limedb.errors import StoreClosedError, StoreCorruptError, StoreDamagedError, StoreError
from limedb.ports import OperationLog
from limedb.storage.lmdb.layout import number
from limedb.storage.lmdb.operations import LmdbOperationLog, pack, unpack
from limedb.storage.memory.operations import KEPT_MS, MemoryOperations
from limedb.storage.opening import open_operation_log

NOW = 1_700_000_000_000
FENCE = Fence("c1", 3)


def proposal(name: str = "o", began: int = NOW, attempt: int = 0, version: int | None = 1) -> Proposal:
    operation = WriteId(name.encode().ljust(16, b"."), 0, began)
    agreed = None if version is None else AgreedVersion(version, 0, existed=True)
    return Proposal(operation, Ballot(FIRST + attempt, "p" * 16), agreed)


def accepted(of: Proposal) -> State:
    return Acceptor(of.ballot, of.ballot, of.value)


@pytest.fixture(params=["memory", "lmdb"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OperationLog]:
    opened = (
        MemoryOperations(max_operations=4)
        if request.param == "memory"
        else LmdbOperationLog(tmp_path / "log", "always", max_operations=4)
    )
    yield opened
    await opened.close()


async def test_it_reports_what_was_accepted_and_promised(log: OperationLog) -> None:
    one, other = proposal(), proposal("other")
    assert await log.move([one], NOW) == [accepted(one)]
    assert await log.move([one, other], NOW) == [accepted(one), accepted(other)]
    later = proposal(attempt=1, version=None)
    (state,) = await log.move([later], NOW)
    assert state == Acceptor(later.ballot, one.ballot, one.value)
    assert await log.move([one], NOW) == [state]


async def test_steps_of_one_moment_see_each_other(log: OperationLog) -> None:
    one, later = proposal(), proposal(attempt=1, version=None)
    found = await asyncio.gather(log.move([later, one], NOW), log.move([one], NOW))
    assert [*found[0], *found[1]] == [Acceptor(later.ballot)] * 3


async def test_what_is_too_old_is_forgotten_and_never_what_may_be_asked_for(log: OperationLog) -> None:
    old, young = proposal("old", NOW - KEPT_MS), proposal("young", NOW - MAX_AGE_MS)
    await log.move([old, young], NOW - MAX_AGE_MS)
    await log.move([proposal("third")], NOW + 20_000)
    promise = proposal("old", NOW - KEPT_MS, 1, None)
    assert await log.move([promise], NOW - MAX_AGE_MS) == [Acceptor(promise.ballot)]
    assert log.forgotten_ms <= NOW - MAX_AGE_MS + 20_000
    promise = proposal("young", NOW - MAX_AGE_MS, 1, None)
    (state,) = await log.move([promise], NOW)
    assert state.value == young.value


async def test_of_too_many_the_oldest_are_forgotten_and_it_says_so(log: OperationLog) -> None:
    assert log.forgotten_ms == 0
    for i in range(8):
        await log.move([proposal(f"{i}", NOW + i * 20_000)], NOW)
    assert NOW < log.forgotten_ms <= NOW + 5 * 20_000
    newest = proposal("7", NOW + 7 * 20_000)
    assert await log.move([newest], NOW) == [accepted(newest)]


async def test_on_disk_it_outlives_a_restart(tmp_path: Path) -> None:
    log = LmdbOperationLog(tmp_path, "always")
    assert log.noted(FENCE) is None
    one = proposal()
    await log.move([one], NOW)
    log.note(FENCE, 77)
    await log.close()
    with pytest.raises(StoreClosedError):
        await log.move([one], NOW)
    log = LmdbOperationLog(tmp_path, "always")
    assert (log.noted(FENCE), log.noted(Fence("c1", 4))) == (77, None)
    assert await log.move([proposal(attempt=1, version=None)], NOW) == [
        Acceptor(Ballot(FIRST + 1, "p" * 16), one.ballot, one.value)
    ]
    with pytest.raises(StoreError, match="in use"):
        LmdbOperationLog(tmp_path, "always")
    await log.close()


async def test_many_callers_share_transactions_and_all_is_kept(tmp_path: Path) -> None:
    log = LmdbOperationLog(tmp_path, "always")
    steps = [proposal(f"{i}", version=i + 1) for i in range(500)]
    await asyncio.gather(*(log.move([step], NOW) for step in steps))
    await log.close()
    log = LmdbOperationLog(tmp_path, "none")
    assert await log.move(steps, NOW) == [accepted(step) for step in steps]
    await log.close()


@pytest.mark.parametrize(
    "state", [Acceptor(), Acceptor(Ballot(7, "x")), accepted(proposal(version=2**64 - 1))], ids=str
)
def test_a_state_comes_back_as_it_was(state: State) -> None:
    assert unpack(pack(state)) == state


def test_foreign_bytes_are_refused() -> None:
    with pytest.raises(StoreCorruptError, match="not the state"):
        unpack(b"foreign")


async def test_of_any_flipped_bit_no_state_comes_that_was_not_kept_and_none_is_missed(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    kept = [proposal(f"o{n}", NOW + n) for n in range(30)]
    log = LmdbOperationLog(folder, "always")
    log.note(FENCE, NOW)
    await log.move(kept, NOW)
    await log.close()
    data, rng, found = (folder / "data.mdb").read_bytes(), Random(1), 0
    asked = [proposal(f"o{n}", NOW + n, attempt=1, version=None) for n in range(30)]
    for at in rng.sample([at for at in range(len(data)) if data[at]], 60):
        (folder / "data.mdb").write_bytes(data[:at] + bytes((data[at] ^ 1 << at % 8,)) + data[at + 1 :])
        try:
            log = LmdbOperationLog(folder, "always")
        except StoreDamagedError:
            found += 1
            continue
        states = await log.move(asked, NOW)
        assert [(s.accepted, s.value) for s in states] == [(p.ballot, p.value) for p in kept]
        await log.close()
        shutil.rmtree(folder)
        folder.mkdir()
    assert found > 20


async def test_an_older_copy_is_refused_and_a_new_log_knows_of_no_topology(tmp_path: Path) -> None:
    folder = tmp_path / "http:%2F%2Fn:1.operations"
    log = open_operation_log("lmdb", tmp_path, "http://n:1", "always", lambda error: None)
    log.note(FENCE, NOW)
    await log.move([proposal()], NOW)
    await log.close()
    old = (folder / "data.mdb").read_bytes()
    log = open_operation_log("lmdb", tmp_path, "http://n:1", "always", lambda error: None)
    assert log.noted(FENCE) == NOW
    await log.move([proposal("later")], NOW)
    await log.close()
    (folder / "data.mdb").write_bytes(old)
    log = open_operation_log("lmdb", tmp_path, "http://n:1", "always", lambda error: None)
    assert log.noted(FENCE) is None
    await log.close()
    assert len([name for name in os.listdir(tmp_path) if ".operations.damaged-" in name]) == 1


@pytest.mark.parametrize("durability", ["always", "none"])
async def test_an_older_copy_is_refused_after_a_kill_too(tmp_path: Path, durability: str) -> None:
    folder, killed, replaced = tmp_path / "log", tmp_path / "killed", tmp_path / "replaced"
    log = LmdbOperationLog(folder, durability)
    await log.move([proposal()], NOW)
    old = (folder / "data.mdb").read_bytes()
    await log.move([proposal("later")], NOW)
    for left in killed, replaced:
        shutil.copytree(folder, left)  # what a kill leaves at this moment
    await log.close()
    log = LmdbOperationLog(killed, durability)
    assert await log.move([proposal("later")], NOW) == [accepted(proposal("later"))]
    await log.close()
    (replaced / "data.mdb").write_bytes(old)
    with pytest.raises(StoreDamagedError, match="older copy"):
        LmdbOperationLog(replaced, durability)


async def test_what_an_older_limedb_kept_is_still_known(tmp_path: Path) -> None:
    await LmdbOperationLog(tmp_path / "log", "always").close()
    one = proposal()
    with lmdb.open(str(tmp_path / "log")) as env, env.begin(write=True) as txn:
        txn.put(number(NOW) + one.operation.id, pack(accepted(one)))
        txn.put(b"\xff" * 8 + b"note", json.dumps([*FENCE, NOW]).encode())
        txn.put(b"\xff" * 8 + b"forgotten", number(NOW - 5))
    log = LmdbOperationLog(tmp_path / "log", "always")
    assert (log.noted(FENCE), log.forgotten_ms) == (NOW, NOW - 5)
    assert await log.move([one], NOW) == [accepted(one)]
    await log.close()


BALLOT = version_at(NOW, FIRST_BALLOT | 1)


async def test_promises_outlive_the_process_and_what_was_released_does_not(tmp_path: Path) -> None:
    log, long = LmdbOperationLog(tmp_path, "always", max_operations=2), "é" * 2000
    for key in "k", long, "released":
        assert log.promises.add(key, BALLOT, 0)
    assert log.promises.add("k", BALLOT + 1, 0)
    await log.keep(["k", long, "released"])
    log.promises.release("released", BALLOT)
    log.promises.release("k", BALLOT + 1)
    log.keep_soon(["k", "released"])
    await log.move([proposal(), proposal("other")], NOW)  # promises take no room from operations
    await log.close()

    log = LmdbOperationLog(tmp_path, "always")
    assert log.promises.by_key == {"k": (BALLOT,), long: (BALLOT,)}
    assert log.forgotten_ms == 0
    await log.close()


async def test_a_promise_that_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    log = LmdbOperationLog(tmp_path / "log", "always")
    log.promises.add("k", BALLOT, 0)
    await log.keep(["k"])
    shutil.copytree(tmp_path / "log", tmp_path / "killed")
    await log.close()
    log = LmdbOperationLog(tmp_path / "killed", "always")
    assert log.promises.of("k") == (BALLOT,)
    await log.close()


async def test_the_floor_of_promises_is_kept_and_a_log_from_before_them_needs_none(tmp_path: Path) -> None:
    log = LmdbOperationLog(tmp_path, "always")
    assert (log.is_new, log.has_floor) == (True, False)
    log.note(FENCE, NOW)
    await log.close()
    log = LmdbOperationLog(tmp_path, "always")  # as an older LimeDB left it
    assert (log.is_new, log.has_floor) == (False, False)
    log.promises.floor = BALLOT
    log.keep_floor()
    await log.close()
    log = LmdbOperationLog(tmp_path, "always")
    assert (log.has_floor, log.promises.floor, log.noted(FENCE)) == (True, BALLOT, NOW)
    await log.close()


async def test_a_damaged_promise_is_never_taken_for_none(tmp_path: Path) -> None:
    log = LmdbOperationLog(tmp_path / "log", "always")
    log.promises.add("k", BALLOT, 0)
    await log.keep(["k"])
    await log.close()
    with lmdb.open(str(tmp_path / "log")) as env, env.begin(write=True) as txn:
        (place,) = [key for key, _ in txn.cursor() if b"promise/" in key]
        txn.put(place, (txn.get(place) or b"")[:-1] + b"x")
    with pytest.raises(StoreDamagedError):
        LmdbOperationLog(tmp_path / "log", "always")
