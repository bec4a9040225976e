"""A transaction at the register of its group: its judgement, and the decided change.

It owns the judgement of a transaction's keys, and the change that follows. It must never read or store them:
`groups.py` does. `core/groups.py` says why a change takes effect wholly or not at all.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Protocol

from limedb.core.condition import current
from limedb.core.conditional import Attempts
from limedb.core.limits import MAX_ANSWER_BYTES, MAX_STORED_VALUE
from limedb.core.record import Past, Record, value_size
from limedb.core.transactions import Judged, StepOutcome
from limedb.errors import InvalidRequestError, LimeDBError, ResponseTooLargeError
from limedb.ports import GroupForm
from limedb.replication.conditional.operation import (
    GO_ON,
    Content,
    Operation,
    Ready,
    RepeatableOperation,
    made_of,
)
from limedb.replication.conditional.rounds import PromiseRound
from limedb.replication.groups.transaction import Lookup, Step, Transaction

MAX_CHANGE_BYTES = MAX_STORED_VALUE - (1 << 20)
"""Bytes of keys and values that a change stores: its register holds all of them."""
MAX_OUTCOME_BYTES = 3072
"""Bytes of an answer that the register remembers with the name of a change."""
RECORD_BYTES = 32
"""Roughly the bytes of a record besides key and value."""

Records = Mapping[str, Record | None]


class Preparing(Protocol):
    """Gets the keys of a group ready to be judged."""

    form: GroupForm

    async def ready(
        self, asked: PromiseRound, keys: Sequence[str], read_keys: Container[str], deadline: float
    ) -> "Ready | Records":
        """The valid records of keys, while a quorum has promised; otherwise the reason why they are unknown.
        LimeDBError.

        read_keys: those whose values count, whatever their size.
        """


class GroupOperation(RepeatableOperation):
    """A transaction. register: the key of its group's register. judged: its answer, once it was judged;
    refused: why it can't be carried out. version: of its records, if an earlier attempt stored them; 0: this
    attempt does.
    """

    def __init__(self, register: str, wanted: Transaction, name: bytes, group: Preparing) -> None:
        super().__init__(register, name, wanted.idempotency_key, wanted.attempt)
        self.wanted, self._group = wanted, group
        self.judged: Judged | None = None
        self.refused: LimeDBError | None = None
        self.records: Records = {}
        self.change: Sequence[Record] = ()
        self.version = self._ballot = 0
        self._sent: dict[int, tuple[Judged, Sequence[Record]]] = {}

    async def prepare(self, asked: PromiseRound, deadline: float) -> Ready:
        """As Operation.prepare."""
        found = await self._group.ready(asked, self.wanted.keys, self.wanted.read_keys, deadline)
        if isinstance(found, Ready):
            return found
        self.records, self._ballot = found, asked.ballot
        return GO_ON

    def next(self, newest: Record | None, now_ms: int) -> Content | None:
        """As Operation.next: the change as the value of the register; None: nothing is to be written."""
        self.refused = None
        try:
            self.judged, self.change = judge(self.wanted, self.records, now_ms, self._ballot)
        except LimeDBError as error:
            self.refused = error
            return None
        if not self.change:
            return None
        outcome = self._group.form.outcome_bytes(self.judged) if self.attempts.operation else b""
        is_small = len(outcome) <= MAX_OUTCOME_BYTES
        return Content(self._group.form.change_bytes(self.change), outcome=outcome if is_small else b"")

    def may_have_held(self, newest: Record | None, now_ms: int) -> bool:
        """As Operation.may_have_held. An attempt was judged on the keys, which the register doesn't show."""
        return True

    def sent(self, version: int, content: Content) -> None:
        """As Operation.sent."""
        super().sent(version, content)
        if self.judged is not None:
            self._sent[version] = self.judged, self.change

    def answer_of(self, own: Past) -> str | bytes | None:
        """As Operation.answer_of: it is in `judged`."""
        self.change, self.version = (), own.version
        if own.version in self._sent:
            self.judged, self.change = self._sent[own.version]
        elif own.outcome:
            self.judged = self._group.form.outcome_in(own.outcome)
        else:
            raise LookupError
        return None


def judge(
    wanted: Transaction, records: Records, now_ms: int, version: int
) -> tuple[Judged, Sequence[Record]]:
    """The answer to a transaction on records, at a time (milliseconds since 1970), and the records that it
    stores with a version. EditRefusedError, ValueTooLargeError; InvalidRequestError: it stores too much;
    ResponseTooLargeError: it reads too much.
    """
    succeeded = all(one.condition.holds(records[one.key], now_ms) for one in wanted.comparisons)
    change: list[Record] = []
    outcomes = [
        _take(step, current(records[step.key], now_ms), now_ms, version, change)
        for step in (wanted.success if succeeded else wanted.failure)
    ]
    _check_size(change)
    _check_answer(outcomes)
    return Judged(succeeded, tuple(outcomes)), change


def _take(step: Step, live: Record | None, now_ms: int, version: int, change: list[Record]) -> StepOutcome:
    """The outcome of a step, whose records are added to `change`."""
    if isinstance(step, Lookup):
        return StepOutcome(live is not None, None, live)
    made = made_of(step, live, now_ms)
    change.append(Record(step.key, made.value, version, made.expires_at))
    return StepOutcome(live is not None, made.answer)


def _check_size(change: Sequence[Record]) -> None:
    size = sum(RECORD_BYTES + value_size(r.key) + value_size(r.value or "") for r in change)
    if size > MAX_CHANGE_BYTES:
        raise InvalidRequestError(
            f"the change stores {size} bytes, over the limit of {MAX_CHANGE_BYTES} for keys of one group"
        )


def _check_answer(outcomes: Sequence[StepOutcome]) -> None:
    """A transaction returns a single value whatever its size, as a get does."""
    found = [value_size(one.found.value or "") for one in outcomes if one.found is not None]
    if len(found) > 1 and sum(found) > MAX_ANSWER_BYTES:
        raise ResponseTooLargeError(sum(found), MAX_ANSWER_BYTES, "read fewer keys in one transaction")


class Clearing(Operation):
    """Empties a register whose change is stored. version: of the register; another one is left as it is."""

    def __init__(self, register: str, version: int, group: Preparing) -> None:
        super().__init__(register, Attempts())
        self._version, self._group = version, group

    async def prepare(self, asked: PromiseRound, deadline: float) -> Ready:
        """As Operation.prepare."""
        found = await self._group.ready(asked, (), (), deadline)
        return found if isinstance(found, Ready) else GO_ON

    def next(self, newest: Record | None, now_ms: int) -> Content | None:
        """As Operation.next."""
        is_there = newest is not None and newest.version == self._version and newest.value is not None
        return Content(None) if is_there else None
