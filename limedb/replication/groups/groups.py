"""Carries changes of keys that share a tag: each is decided at the register of their group, then stored.

It owns the way from a request to the records under its keys. `core/groups.py` argues why others see a change
wholly or not at all. The consequences here:

1. It stores the register's change on a quorum before it judges anything. Before that the register itself must
   be on a quorum, since a change that only one replica has may never be decided.
2. The keys are read at LINEARIZABLE while the register's promise holds. A record above the ballot means that
   a later change was decided: the ballot is overtaken, and the next one goes above.
3. It answers a change once the change's records are on as many replicas as their level requires. If that
   fails, the change is decided all the same: its outcome is unknown to its caller, and the next change, read
   or upkeep stores it.
4. A read at LINEARIZABLE first stores the register's change. So of two consecutive reads, the second sees all
   of a change of which the first saw a part.
"""

from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence

from limedb.core.condition import current
from limedb.core.groups import MAX_KEYS, register_of
from limedb.core.limits import MAX_STORED_VALUE
from limedb.core.quorum import Level
from limedb.core.record import Record, value_size
from limedb.core.transactions import Judged
from limedb.errors import (
    LimeDBError,
    OutcomeUnknownError,
    ResponseTooLargeError,
    UnavailableError,
    is_too_large,
)
from limedb.ports import GroupForm
from limedb.replication.conditional.operation import Ready, condition_failed
from limedb.replication.conditional.proposer import ConditionalProposer, EndedError
from limedb.replication.conditional.rounds import PromiseRound
from limedb.replication.groups.operation import (
    MAX_CHANGE_BYTES,
    RECORD_BYTES,
    Clearing,
    GroupOperation,
    judge,
)
from limedb.replication.groups.transaction import Comparison, Transaction
from limedb.replication.idempotency.proposer import operation_of
from limedb.replication.read.resolver import Read, ReadResolver
from limedb.replication.replica_errors import in_terms_of
from limedb.replication.requests import Write, Written
from limedb.replication.write.pending import PendingWrite
from limedb.replication.write.writer import Writer

MAX_STORED_KNOWN = 10_000
"""Registers of which a coordinator remembers that their change is stored."""
LOOKS = 4
"""How often a read-only transaction looks again, where others write, before it takes its turn with them."""


MAX_READ_BYTES = MAX_STORED_VALUE
"""Bytes of values that a transaction judges and answers at most."""
SMALL_BYTES = 1024
"""Bytes of a value that is kept in memory although nobody reads it."""


class Groups:
    """Changes and reads of groups. form: of the values in registers. now_ms: returns the cluster's time."""

    def __init__(
        self,
        resolver: ReadResolver,
        writer: Writer,
        proposer: ConditionalProposer,
        form: GroupForm,
        now_ms: Callable[[], int],
    ) -> None:
        self.form = form
        self._resolver, self._writer, self._proposer, self._now_ms = resolver, writer, proposer, now_ms
        self._stored: OrderedDict[str, int] = OrderedDict()

    # --- changes

    async def write(self, tag: str, write: Write, level: Level, deadline: float) -> Written:
        """Carry out a write of a key with a tag. Errors of Coordinator.write."""
        comparisons = (Comparison(write.key, write.condition),) if write.condition is not None else ()
        step = write._replace(condition=None, idempotency_key=b"", attempt=0)
        wanted = Transaction(comparisons, (step,), (), write.idempotency_key, write.attempt)
        name = operation_of(write).id if write.idempotency_key else b""
        operation = GroupOperation(register_of(tag), wanted, name, self)
        judged, written = await self._decide(operation, level, deadline)
        if not judged.succeeded and write.condition is not None:
            live = current(operation.records.get(write.key), self._now_ms())
            raise condition_failed(write.key, write.condition, live)
        (step_outcome,) = judged.steps
        if written is None:
            raise AssertionError("unreachable: a write was judged to take effect, and nothing was decided")
        return written._replace(existed=step_outcome.existed, answer=step_outcome.answer)

    async def write_all(
        self, tag: str, writes: Sequence[Write], level: Level, deadline: float
    ) -> list[Written | LimeDBError]:
        """The outcomes of unconditional writes of different keys with one tag; many are decided together."""
        outcomes: list[Written | LimeDBError] = []
        for portion in _portions(writes):
            outcomes += await self._write_portion(tag, portion, level, deadline)
        return outcomes

    async def _write_portion(
        self, tag: str, writes: Sequence[Write], level: Level, deadline: float
    ) -> list[Written | LimeDBError]:
        try:
            if len(writes) == 1:
                return [await self.write(tag, writes[0], level, deadline)]
            operation = GroupOperation(register_of(tag), Transaction((), writes), b"", self)
            judged, written = await self._decide(operation, level, deadline)
        except LimeDBError as error:
            return [error] * len(writes)
        if written is None:
            raise AssertionError("unreachable: writes take effect, and nothing was decided")
        return [written._replace(existed=step.existed) for step in judged.steps]

    async def transact(self, wanted: Transaction, deadline: float) -> tuple[Judged, Written | None]:
        """The answer to a transaction, and its receipt; None: it stored nothing. InvalidRequestError,
        EditRefusedError, ValueTooLargeError, OutcomeUnknownError, UnavailableError.
        """
        register = register_of(wanted.tag())
        if wanted.reads_only and (judged := await self._judged(register, wanted, deadline)) is not None:
            return judged, None
        operation = GroupOperation(register, wanted, wanted.name, self)
        return await self._decide(operation, Level.QUORUM, deadline)

    async def _decide(
        self, operation: GroupOperation, level: Level, deadline: float
    ) -> tuple[Judged, Written | None]:
        written: Written | None = None
        try:
            written = await self._proposer.carry_out(operation, deadline)
        except EndedError:
            if operation.refused is not None:
                raise operation.refused from None
        except LimeDBError as error:
            raise in_terms_of(error, operation.key, operation.wanted.keys[0]) from None
        if operation.judged is None:
            raise AssertionError("unreachable: a transaction ended and was not judged")
        if written is not None and operation.version:
            written = written._replace(version=operation.version)
        elif written is not None:
            written = await self._store_own(operation, written, level, deadline)
        return operation.judged, written

    async def _store_own(
        self, operation: GroupOperation, written: Written, level: Level, deadline: float
    ) -> Written:
        """Store a change that was just decided; its receipt. OutcomeUnknownError."""
        try:
            acked = await self._store(operation.change, level, deadline)
        except LimeDBError as error:
            why = {"it was decided, and could not be stored under its keys yet": error.public_text}
            raise OutcomeUnknownError(operation.change[0].key, written.replicas, 0, why) from None
        self._note(operation.key, written.version)
        return written._replace(acked=acked)

    # --- what the register has

    async def ready(
        self, asked: PromiseRound, keys: Sequence[str], read_keys: Container[str], deadline: float
    ) -> Ready | Mapping[str, Record | None]:
        """As Preparing.ready."""
        newest = asked.newest
        if self._is_open(asked.key, newest):
            if not asked.agrees:
                return Ready(settles=True)
            await self._end(newest, deadline)
        found = await self._read(keys, read_keys, deadline)
        highest = max((record.version for record in found.values() if record is not None), default=0)
        return Ready(above=highest) if highest >= asked.ballot else found

    async def end(self, tags: Sequence[str], deadline: float) -> dict[str, LimeDBError]:
        """Store the changes in the registers of groups, so that reads of their keys see them; return the tags
        of those where that failed, and why.
        """
        by_register = {register_of(tag): tag for tag in tags}
        failed: dict[str, LimeDBError] = {}
        for read in await self._resolver.resolve([*by_register], Level.LINEARIZABLE, deadline):
            try:
                if isinstance(read.record, LimeDBError):
                    raise read.record
                if self._is_open(read.key, read.record):
                    await self._end(read.record, deadline)
            except LimeDBError as error:
                tag = by_register[read.key]
                failed[tag] = in_terms_of(error, read.key, f"{{{tag}}}")
        return failed

    async def clear(self, register: str, version: int, deadline: float) -> None:
        """Store a register's change, and empty the register, unless it has another version by now.
        UnavailableError.
        """
        try:
            await self._proposer.carry_out(Clearing(register, version, self), deadline)
        except EndedError:
            return
        self._stored.pop(register, None)

    def _is_open(self, register: str, newest: Record | None) -> bool:
        """Whether a register has a change that may not be stored yet."""
        return newest is not None and bool(newest.value) and self._stored.get(register) != newest.version

    async def _end(self, register: Record | None, deadline: float) -> None:
        """Store the change that a register has, which is on a quorum."""
        if register is not None:
            await self._store(self.form.change_in(register.value), Level.QUORUM, deadline)
            self._note(register.key, register.version)

    def _note(self, register: str, version: int) -> None:
        """Remember that the change of a register is stored."""
        self._stored[register] = max(version, self._stored.pop(register, 0))
        if len(self._stored) > MAX_STORED_KNOWN:
            self._stored.popitem(last=False)

    # --- records

    async def _judged(self, register: str, wanted: Transaction, deadline: float) -> Judged | None:
        """As _look, with errors that name a key of the transaction."""
        try:
            return await self._look(register, wanted, deadline)
        except LimeDBError as error:
            raise in_terms_of(error, register, wanted.keys[0]) from None

    async def _look(self, register: str, wanted: Transaction, deadline: float) -> Judged | None:
        """The answer to a transaction that only reads; None: others change the group all the time.

        The register is read before and after the keys. If it has the same version, nothing was decided in
        between, so the keys are as they were at one moment.
        """
        before = await self._look_at(register, deadline)
        for _ in range(LOOKS):
            found = await self._read(wanted.keys, wanted.read_keys, deadline)
            after = await self._look_at(register, deadline)
            if after == before:
                judged, _ = judge(wanted, found, self._now_ms(), 0)
                return judged
            before = after
        return None

    async def _look_at(self, register: str, deadline: float) -> int:
        """The version of a register whose change is stored. LimeDBError."""
        (read,) = await self._resolver.resolve((register,), Level.LINEARIZABLE, deadline)
        if isinstance(read.record, LimeDBError):
            raise read.record
        if self._is_open(register, read.record):
            await self._end(read.record, deadline)
        return 0 if read.record is None else read.record.version

    async def _read(
        self, keys: Sequence[str], read_keys: Container[str], deadline: float
    ) -> dict[str, Record | None]:
        """The valid records of keys. If there are several, it leaves out large values of those that aren't in
        `read_keys`. LimeDBError.

        Replicas refuse to answer more than some MiB at once, and the values that a change overwrites may be
        larger. So it reads keys that are too large together in halves.
        """
        found: dict[str, Record | None] = {}
        size, portions = 0, [keys] if keys else []
        while portions:
            portion = portions.pop()
            reads = await self._resolver.resolve(portion, Level.LINEARIZABLE, deadline)
            errors = [read.record for read in reads if isinstance(read.record, LimeDBError)]
            if len(portion) > 1 and any(map(is_too_large, errors)):
                half = len(portion) // 2
                portions += [portion[:half], portion[half:]]
                continue
            if errors:
                raise errors[0]
            for read in reads:
                record = found[read.key] = _slim(read, len(keys) == 1 or read.key in read_keys)
                size += value_size(record.value or "") if record is not None else 0
            if size > MAX_READ_BYTES:
                raise ResponseTooLargeError(
                    size, MAX_READ_BYTES, "compare and read fewer keys in one transaction"
                )
        return found

    async def _store(self, records: Sequence[Record], level: Level, deadline: float) -> int:
        """Store records of a decided change, under their own versions; return how many replicas have each at
        least. LimeDBError: some may be stored, and some not.
        """
        jobs = [PendingWrite(Write(record.key, record.value), record) for record in records]
        for job in jobs:
            job.version_is_final = True
        await self._writer.write(jobs, Level.ALL if level is Level.ALL else Level.QUORUM, deadline)
        acked = []
        for job in jobs:
            outcome = job.settled()
            if job.is_blocked:  # a node without groups was about to write the key conditionally
                outcome = await self._proposer.finish(job.sent, b"", deadline)
            if isinstance(outcome, LimeDBError):
                raise UnavailableError(f"a change of its group could not be stored: {outcome}")
            acked.append(outcome.acked)
        return min(acked, default=0)


def _slim(read: Read, is_whole: bool) -> Record | None:
    """The record that was found; is_whole: with its value, however large that is."""
    record = read.record
    if isinstance(record, LimeDBError):
        raise record
    if is_whole or record is None or value_size(record.value or "") <= SMALL_BYTES:
        return record
    return Record(record.key, record.value[:0] if record.value else "", record.version, record.expires_at)


def _portions(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """Writes in groups that can be decided together. Those with an idempotency key are alone."""
    portion: list[Write] = []
    size = 0
    for write in writes:
        own = RECORD_BYTES + value_size(write.key) + value_size(write.value or "")
        is_full = len(portion) == MAX_KEYS or size + own > MAX_CHANGE_BYTES
        if portion and (is_full or write.idempotency_key or portion[0].idempotency_key):
            yield portion
            portion, size = [], 0
        portion.append(write)
        size += own
    if portion:
        yield portion
