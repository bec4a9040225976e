"""Records that go to the same replicas share one count, until an answer sets one of them apart.

It owns the list of records that still share their outcome. It must never decide about retries: `writer.py`
does.

Why one count serves many records, each of which has its own outcome:

1. All go to the same replicas, in one message to each, which a replica merges as a whole or not at all. So an
   error, a missing answer and a stale epoch apply to each record; and so does an answer, except for the
   records that it names: the replica holds a newer one of these, or has promised one
   (`AppliedColumns.superseded`).
2. Such a record is set apart before the answer is counted: it gets its own count (`ReplicaAcks`), a copy of
   the common one at that moment, which includes all earlier answers about this record. Afterwards it takes
   each answer on its own, and never shares the count again. So each record's count always equals the count of
   a record that was sent alone and got the same answers; tests/replication/write/test_batch_acks.py checks
   this for every order of answers.
3. The common count and each of the others settle independently: no record is answered later than it would be
   alone, and a later answer changes nothing in a settled count (law 7 of `core/quorum_call.py`), whatever the
   others wait for.
4. Records are joined only if they have the same replicas, and need the same number of acknowledgements by the
   same layout (`Layout.by_write_set`). An acknowledgement by a replica that isn't asked for a record never
   counts for it.
5. The order of owners, which differs between keys, doesn't matter here: a write asks all of them at once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import eq

from typing_extensions import override

from limedb.core.quorum import Side
from limedb.core.record import Record, versions_of
from limedb.errors import LimeDBError
from limedb.ports import Applied
from limedb.ports.applied_columns import AppliedColumns, columns_of
from limedb.replication.fanout import Acks, CheckStored, ReplicaAcks


class BatchAcks(Acks[AppliedColumns]):
    """Many records on their way to the same replicas.

    apart: the counts of those that don't share the common one, by their places. on_apart: called with the
    place of one that is on as many replicas as it needs.
    """

    __slots__ = ("_answers", "_is_common_settled", "_records", "apart", "on_apart")

    def __init__(
        self,
        records: Sequence[Record],
        need: int,
        targets: Iterable[str],
        check_stored: CheckStored | None = None,
        sides: Sequence[Side] = (),
    ) -> None:
        """See Acks."""
        super().__init__(need, targets, check_stored=check_stored, sides=sides)
        self._records = records
        self._answers: list[AppliedColumns] = []
        self._is_common_settled = False
        self.apart: dict[int, ReplicaAcks] = {}
        self.on_apart: Callable[[int], None] | None = None

    @property
    @override
    def records(self) -> Sequence[Record]:
        return self._records

    @override
    def answer_in(self, applied: Sequence[Applied], start: int) -> AppliedColumns:
        columns, count = columns_of(applied), len(self._records)
        return columns if len(columns) == count else columns[start : start + count]

    @property
    @override
    def is_decided(self) -> bool:
        """As Acks, for each of the records."""
        if not self.apart:
            return super().is_decided
        has_common = len(self.apart) < len(self._records)
        return (not has_common or super().is_decided) and all(one.is_settled for one in self.apart.values())

    def of(self, place: int) -> ReplicaAcks:
        """The count of the record at a place, from now on apart."""
        return self.apart.get(place) or self._set_apart(place)

    def before(self) -> tuple[Sequence[int], bytes]:
        """The earlier contents at the replicas: for each record the highest version except its own (-1: none
        reported), and whether it was a live value.
        """
        versions, (first, *others) = versions_of(self._records), self._answers
        if all(other.previous == first.previous for other in others) and not any(
            map(eq, first.previous, versions)
        ):
            return first.previous, first.existed
        previous, existed = [-1] * len(versions), bytearray(len(versions))
        for answer in self._answers:
            for place, (known, own) in enumerate(zip(answer.previous, versions, strict=True)):
                if known != own and known > previous[place]:
                    previous[place], existed[place] = known, answer.existed[place]
        return previous, bytes(existed)

    # --- events

    @override
    def take(self, node_url: str, answer: AppliedColumns) -> None:
        """A replica has merged the records, except those that it names."""
        self._part(answer)
        for place, one in [*self.apart.items()]:
            one.waiting.pop(node_url, None)
            if one.is_settled:
                one.take_late(node_url, answer[place])
            else:
                one.take(node_url, answer[place])
                self._look_at(place, one)
        self.is_held = True
        if not self._is_common_settled:
            self.ack_by(node_url)
            self._answers.append(answer)
            self._look()

    @override
    def lose(self, node_url: str, error: LimeDBError) -> None:
        for place, one in [*self.apart.items()]:
            one.waiting.pop(node_url, None)
            if one.is_settled:
                one.lose_late(node_url, error)
            else:
                one.lose(node_url, error)
                self._look_at(place, one)
        if self._is_common_settled:
            super().lose_late(node_url, error)
        else:
            super().lose(node_url, error)
            self._look()

    @override
    def take_late(self, node_url: str, answer: AppliedColumns) -> None:
        self._part(answer)
        for place, one in self.apart.items():
            one.waiting.pop(node_url, None)
            one.take_late(node_url, answer[place])
        self.is_held = True

    @override
    def lose_late(self, node_url: str, error: LimeDBError) -> None:
        for one in self.apart.values():
            one.waiting.pop(node_url, None)
            one.lose_late(node_url, error)
        super().lose_late(node_url, error)

    @override
    def on_settled(self) -> None:
        """Each record was reported when it was settled."""

    @override
    def hints(self) -> Iterator[tuple[str, Sequence[Record]]]:
        if self.needs_hint and self.is_held:
            if common := self._common():
                for node_url in self.needs_hint:
                    yield node_url, common
            self.needs_hint.clear()
        for one in self.apart.values():
            yield from one.hints()

    # --- how

    def _common(self) -> Sequence[Record]:
        """The records that share the common count."""
        if not self.apart:
            return self._records
        return [record for place, record in enumerate(self._records) if place not in self.apart]

    def _part(self, answer: AppliedColumns) -> None:
        """Set those apart that an answer names, before it is counted."""
        for place, newer in answer.superseded.items():
            is_named = self.check_stored is not None or newer > answer.previous[place]  # for a promise
            if is_named and place not in self.apart:
                self._set_apart(place)

    def _set_apart(self, place: int) -> ReplicaAcks:
        """A count of its own for a record, with what is known of it."""
        one = ReplicaAcks(self._records[place], self.need, (), check_stored=self.check_stored)
        one.copy_count(self)
        one.waiting, one.missed = dict(self.waiting), dict(self.missed)
        one.needs_hint = [*self.needs_hint]
        one.stale, one.is_unsure, one.is_held = self.stale, self.is_unsure, self.is_held
        one.is_settled = self.is_settled or self._is_common_settled
        for answer in self._answers:
            one.learn(answer[place])
        self.apart[place] = one
        return one

    def _look_at(self, place: int, one: ReplicaAcks) -> None:
        if one.is_decided:
            one.is_settled = True
            if one.is_enough and self.on_apart is not None:
                self.on_apart(place)

    def _look(self) -> None:
        """Report that the common count is settled, if it is."""
        if super().is_decided:
            self._is_common_settled = True
            super().on_settled()
