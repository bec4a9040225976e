"""The operations that a replica remembers, on disk, in a separate LMDB environment.

It owns how states get to disk and how they are forgotten. It must never judge a proposal
(`core/idempotency.py`), nor answer before a state is as durable as the data (setting DURABILITY), nor
continue after the disk has failed: then it is unknown which promises were kept.

Table: the time when the operation began (8 bytes of milliseconds, big-endian) and its id, 16 bytes, to its
packed state. So the oldest come first, and each transaction forgets some that are too old. Under `note`,
after all of them: cluster id, epoch and since, as JSON. After that, under `promise` and a digest of the key,
the promises for a key (`core/promises.py`), and under `promises` their floor; all of them are in memory, too.

Each state and each note ends with a checksum of its place and content (XXH3, 8 bytes), which an older LimeDB
didn't write. Opening the log verifies all of them and the pages, and that the log isn't an older copy: a lost
promise must not be given to another ballot. The caller sets a damaged log aside. A new log has no noted
topology, so the replica knows nothing of earlier operations (`replication/idempotency/ownership_history.py`).

States of one moment are one transaction in a thread. A state is read and changed on the event loop, in order,
and is on disk once the next transaction that begins afterwards is.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from struct import Struct, unpack_from
from struct import error as error_of_struct
from struct import pack as pack_numbers

import lmdb
import xxhash
from typing_extensions import override

from limedb.core.idempotency import AgreedVersion, Proposal, State, transition
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.promises import Promises
from limedb.core.topology import Fence
from limedb.errors import StoreClosedError, StoreCorruptError, StoreDamagedError, StoreError
from limedb.ports import OperationLog
from limedb.storage.files import FileLock, make_private_folder
from limedb.storage.folder_state import StateFile, check_state, new_state, read_state
from limedb.storage.lmdb.env import broken, explain, full_error, is_broken_tree, is_no_room, open_env
from limedb.storage.lmdb.layout import number, number_of
from limedb.storage.lmdb.pages import check_file
from limedb.storage.memory.operations import KEPT_MS, MAX_OPERATIONS

MAP_SIZE = 1 << 34
"""Address space: far more than MAX_OPERATIONS need."""
_NOTE = b"\xff" * 8 + b"note"
_FORGOTTEN = b"\xff" * 8 + b"forgotten"
_PROMISE = b"\xff" * 8 + b"promise/"
_FLOOR = b"\xff" * 8 + b"promises"
_META = 3
_STATE = Struct(">I16sI16sBQQB")
"""The promised round and proposer, the accepted ones, and the agreed version: whether there is one, version,
expiry, existed.
"""
_SEAL = 8
_NOTHING = b""
"""Stands for an entry to be deleted."""
_SPARE = 8
"""Operations that a transaction forgets, in addition to as many as it writes."""
_BYTES_PER_STATE = 4096 * 8
"""Pages that one state may dirty, and some more."""


def _ignore(_: Exception) -> None:
    pass


class LmdbOperationLog(OperationLog):
    """As ports.OperationLog. Made inside the running event loop, the only one that may use it."""

    def __init__(
        self,
        folder: Path,
        durability: str,
        max_operations: int = MAX_OPERATIONS,
        on_fatal: Callable[[Exception], None] = _ignore,
    ) -> None:
        """Open the log in a folder, which is made if missing. on_fatal: called once, on the event loop, if
        the disk failed. StoreError, StoreCorruptError.
        """
        make_private_folder(folder)
        self._folder, self._max, self._on_fatal = folder, max_operations, on_fatal
        self._failure: Exception | None = None
        self._lock = FileLock(folder / "limedb.lock", folder)
        try:
            meta, state = check_file(folder / "data.mdb"), read_state(folder)
            if state is not None:
                check_state(folder, state, meta.txn if meta else None)
            self._env = open_env(folder, MAP_SIZE, syncs=durability == "always")
            with self._env.begin() as txn:
                _verify(folder, txn)
                self._noted = _opened(_NOTE, txn.get(_NOTE))
                self.forgotten_ms = number_of(_opened(_FORGOTTEN, txn.get(_FORGOTTEN)) or b"")
                floor = _opened(_FLOOR, txn.get(_FLOOR))
                self.promises = Promises(_promises_in(folder, txn), number_of(floor or b""))
                self.has_floor = floor is not None
                self.is_new = not txn.stat()["entries"]
            self._state = StateFile(
                folder, replace(state or new_state(), transaction=meta.txn if meta else 0)
            )
        except StoreError:
            self._lock.release()
            raise
        except (lmdb.Error, OSError) as error:
            self._lock.release()
            raise explain(error, folder) from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="limedb-operations")
        self._pending: dict[bytes, State] = {}  # newer than on disk
        self._dirty: dict[bytes, bytes] = {}  # for the next transaction
        self._waiters: list[asyncio.Future[None]] = []
        self._now_ms = 0
        self._committing: asyncio.Task[None] | None = None
        self._is_closed = False

    @override
    def noted(self, fence: Fence) -> int | None:
        cluster_id, epoch, since_ms = json.loads(self._noted or b'["", 0, 0]')
        return since_ms if fence == (cluster_id, epoch) and epoch else None

    @override
    def note(self, fence: Fence, since_ms: int) -> None:
        self._noted = self._dirty[_NOTE] = json.dumps([*fence, since_ms]).encode()
        self._commit_soon()

    @override
    async def keep(self, keys: Sequence[str]) -> None:
        """As OperationLog.keep. StoreFullError: no room."""
        if self._is_closed:
            raise StoreClosedError
        if self._failure is not None:
            raise broken(self._folder, self._failure)
        self._note_promises(keys)
        await self._durable()

    @override
    def keep_soon(self, keys: Sequence[str]) -> None:
        if not self._is_closed:
            self._note_promises(keys)
            self._commit_soon()

    @override
    def keep_floor(self) -> None:
        self.has_floor = True
        self._dirty[_FLOOR] = number(self.promises.floor)
        self._commit_soon()

    def _note_promises(self, keys: Sequence[str]) -> None:
        for key in keys:
            ballots = self.promises.of(key)
            self._dirty[_promise_place(key)] = _packed_promises(key, ballots) if ballots else _NOTHING

    @override
    async def move(self, proposals: Sequence[Proposal], now_ms: int) -> list[State]:
        """As OperationLog.move. StoreFullError: no room; the state may still reach the disk later."""
        if self._is_closed:
            raise StoreClosedError
        if self._failure is not None:
            raise broken(self._folder, self._failure)
        self._now_ms = now_ms
        try:
            states = [self._move(proposal) for proposal in proposals]
        except lmdb.Error as error:
            if is_broken_tree(error):  # the next start sets it aside
                raise self._understood(error, 0) from error
            raise explain(error, self._folder) from error
        if any(_place(proposal) in self._pending for proposal in proposals):
            await self._durable()
        return states

    @override
    async def close(self) -> None:
        self._is_closed = True
        while self._committing is not None:
            await asyncio.wait([self._committing])
        await asyncio.to_thread(self._thread.shutdown)
        transaction = int(self._env.info()["last_txnid"])
        self._env.close()
        with suppress(OSError):  # the older note is valid too
            self._state.close(transaction, is_clean=True)
        self._lock.release()

    def _move(self, proposal: Proposal) -> State:
        place = _place(proposal)
        before = self._pending.get(place) or self._read(place)
        state = transition(before, proposal)
        if state != before:
            self._pending[place] = state
            self._dirty[place] = pack(state)
        return state

    def _read(self, place: bytes) -> State:
        with self._env.begin() as txn:
            data = txn.get(place)
        opened = _opened(place, data)
        return Acceptor() if opened is None else unpack(opened)

    # --- to disk

    async def _durable(self) -> None:
        """Return when all pending states are on disk. StoreError: they aren't."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._commit_soon()
        await waiter

    def _commit_soon(self) -> None:
        if self._committing is None and self._failure is None:
            self._committing = asyncio.get_running_loop().create_task(self._commit_all())

    async def _commit_all(self) -> None:
        """Commit until nothing is left; one transaction runs at a time."""
        try:
            while self._waiters or self._dirty:
                if await self._commit_next() is not None and not self._waiters:
                    return  # the next proposal tries again
        finally:
            self._committing = None

    async def _commit_next(self) -> StoreError | None:
        """Commit the dirty states. Returns the error if that failed."""
        dirty, self._dirty = self._dirty, {}
        waiters, self._waiters = self._waiters, []
        loop = asyncio.get_running_loop()
        error: StoreError | None = None
        try:
            await loop.run_in_executor(self._thread, self._commit, dirty, self._now_ms)
        except Exception as failure:  # whatever it is, no caller may wait forever
            error = self._understood(failure, len(dirty))
        for place, data in dirty.items():
            state = self._pending.get(place)
            if error is not None:
                self._dirty.setdefault(place, data)  # promises made in memory go with the next transaction
            elif state is not None and pack(state) == data:
                del self._pending[place]
        for waiter in waiters:
            if waiter.done():  # its caller was cancelled
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(type(error)(str(error)))
        return error

    def _understood(self, failure: Exception, count: int) -> StoreError:
        """The error for the failed transaction of so many states; more room doesn't fix a failed disk."""
        if self._failure is None:
            if is_no_room(failure, self._folder, (count + _SPARE) * _BYTES_PER_STATE + (1 << 20)):
                return full_error(failure, self._folder)
            self._failure = failure
            self._on_fatal(broken(self._folder, failure))
        return broken(self._folder, self._failure)

    def _commit(self, dirty: dict[bytes, bytes], now_ms: int) -> None:
        """One transaction, in the thread."""
        if self._failure is not None:
            raise self._failure
        with self._env.begin(write=True) as txn:
            kept = {place: data for place, data in dirty.items() if data is not _NOTHING}
            txn.cursor().putmulti(sorted((place, _sealed(place, data)) for place, data in kept.items()))
            for place in dirty.keys() - kept.keys():
                txn.delete(place)
            self._forget(txn, len(dirty) + _SPARE, now_ms)
            transaction = txn.id()
        self._state.note_transaction(transaction)  # before any answer that depends on it

    def _forget(self, txn: "lmdb.Transaction[bytes]", limit: int, now_ms: int) -> None:
        """Remove the oldest operations: those past their time, and those beyond the limit."""
        surplus = txn.stat()["entries"] - _META - len(self.promises.by_key) - self._max
        cursor = txn.cursor()
        oldest = [*islice(cursor.iternext(values=False), limit)] if cursor.first() else []
        for i, place in enumerate(oldest):
            began = number_of(place[:8])
            if place >= _FORGOTTEN or not (i < surplus or began < now_ms - KEPT_MS):
                break
            if i < surplus:
                self.forgotten_ms = max(self.forgotten_ms, began + 1)
                txn.put(_FORGOTTEN, _sealed(_FORGOTTEN, number(self.forgotten_ms)))
            txn.delete(place)


def _place(proposal: Proposal) -> bytes:
    return number(proposal.operation.began_ms) + proposal.operation.id


def _promise_place(key: str) -> bytes:
    """The place of a key's promises: keys are longer than LMDB takes them."""
    return _PROMISE + blake2b(key.encode(), digest_size=16).digest()


def _packed_promises(key: str, ballots: Sequence[int]) -> bytes:
    return pack_numbers(f">B{len(ballots)}Q", len(ballots), *ballots) + key.encode()


def _promises_in(folder: Path, txn: "lmdb.Transaction[bytes]") -> dict[str, tuple[int, ...]]:
    """All promises, by key. StoreDamagedError."""
    found: dict[str, tuple[int, ...]] = {}
    cursor = txn.cursor()
    if cursor.set_range(_PROMISE):
        for place, stored in cursor:
            if not place.startswith(_PROMISE):
                break
            data = _opened(place, stored) or b""
            try:
                end = 1 + 8 * data[0]
                found[data[end:].decode()] = unpack_from(f">{data[0]}Q", data, 1)
            except (IndexError, ValueError, error_of_struct) as error:
                raise StoreDamagedError(f"{folder}: the promises in {place.hex()}: {error}") from error
    return found


def _sealed(place: bytes, data: bytes) -> bytes:
    return data + xxhash.xxh3_64_digest(place + data)


def _opened(place: bytes, stored: bytes | None) -> bytes | None:
    """The content of a place, without its checksum; None: there is none. StoreDamagedError: the checksum
    doesn't match.
    """
    if stored is None or stored == _sealed(place, stored[:-_SEAL]):
        return stored and stored[:-_SEAL]
    size = len(stored)
    if size == (_STATE.size if place < _FORGOTTEN else _SEAL) or (place == _NOTE and _is_list(stored)):
        return stored  # an older LimeDB wrote it
    raise StoreDamagedError(f"the state of operation {place.hex()} is damaged")


def _is_list(data: bytes) -> bool:
    try:
        return len(json.loads(data)) == len(Fence._fields) + 1
    except (ValueError, TypeError):
        return False


def _verify(folder: Path, txn: "lmdb.Transaction[bytes]") -> None:
    """Verify all entries; some 1 us each. StoreDamagedError: an entry is damaged."""
    try:
        for place, stored in txn.cursor():
            opened = _opened(place, stored)
            if place < _FORGOTTEN and opened is not None:
                unpack(opened)
    except (StoreCorruptError, ValueError) as error:
        raise StoreDamagedError(f"{folder}: {error}") from error


def pack(state: State) -> bytes:
    """The stored form of a state."""
    agreed = state.value or AgreedVersion(0, 0, existed=False)
    return _STATE.pack(
        state.promised.round,
        state.promised.proposer.encode(),
        state.accepted.round,
        state.accepted.proposer.encode(),
        state.value is not None,
        agreed.version,
        agreed.expires_at,
        agreed.existed,
    )


def unpack(data: bytes) -> State:
    """The state in stored bytes. StoreCorruptError: they aren't a state."""
    if len(data) != _STATE.size:
        raise StoreCorruptError(f"not the state of an operation: {data[:32]!r} ({len(data)} bytes)")
    promised, by, accepted, of, is_set, version, expires_at, existed = _STATE.unpack(data)
    value = AgreedVersion(version, expires_at, bool(existed)) if is_set else None
    return Acceptor(Ballot(promised, _name(by)), Ballot(accepted, _name(of)), value)


def _name(data: bytes) -> str:
    return data.rstrip(b"\0").decode()
