"""Conditional writes: one register for each key, decided by its replicas (CASPaxos).

It owns the rules by which a coordinator determines the outcome of its attempts. It must never send or store.

A key's replicas are acceptors, its record is the accepted state, and the record's version is the ballot under
which it was accepted. One round asks a majority to promise a ballot; they answer with their records, and the
coordinator judges the condition on the newest of these. A second round sends the new record, whose version is
the ballot. Sources: Rystsov 2018, "CASPaxos: Replicated State Machines without logs"; Lamport 2001, "Paxos
Made Simple".

Why no write is lost. Let b be a conditional write whose promises saw r as the newest record. A record w
between r and b can't reach a majority while b may still be accepted: some replica that promised b would have
it. If it got w before its promise, b would have seen w; if later, rule W of `core/promises.py` forbids it. So
where b takes effect, nothing came between it and r. All records that a majority has, or that reads write to a
majority before they answer, are in the order of versions, and each conditional write follows the state on
which it was judged.

The outcome of an attempt. A record that was sent and is not known to be on a majority may be chosen at any
time: a read that meets it writes it back. So a missing answer never means that an attempt failed. The next
round, under a higher ballot, shows the records of the majority, and `fate_of` interprets them: a record
written conditionally carries its lineage, the versions of the states from which it was derived. Where that
doesn't reach back far enough, nobody can know, and the outcome stays unknown. A state made by a write with an
idempotency key contains the name and the answer of that write, so that a later attempt, by any coordinator,
answers the same.
"""

from collections.abc import Collection, Sequence
from enum import Enum, auto
from typing import NamedTuple

from limedb.core.hlc import wall_ms_of
from limedb.core.leases import split
from limedb.core.record import Past, Record

MIN_LINEAGE, MAX_LINEAGE = 16, 256
"""States that a record remembers, its own included: up to the first number of any age, up to the second if
they are no older than RECENT_MS.
"""
RECENT_MS = 10_000
MAX_OUTCOME_BYTES = 4096
"""The most that a record remembers of answers to other writes than its own, the newest first."""


class Fate(Enum):
    """The outcome of the earlier attempts of a write. DONE: one of them took effect. NEVER: none did, and
    none will once a higher ballot is accepted. UNKNOWN: nobody can know.
    """

    DONE = auto()
    NEVER = auto()
    UNKNOWN = auto()


class Attempts(NamedTuple):
    """The attempts of a write that may have taken effect.

    sent: the versions that were sent by this coordinator. operation: of its idempotency key; empty: it has
    none. since_ms: attempts by other coordinators may have been sent since then, milliseconds since 1970; 0:
    there was none.
    """

    sent: tuple[int, ...] = ()
    operation: bytes = b""
    since_ms: int = 0

    def with_sent(self, version: int) -> "Attempts":
        """The same, and one more."""
        return self._replace(sent=(*self.sent, version))

    def is_own(self, state: Past) -> bool:
        """Whether a state is that of an attempt."""
        is_sent = state.version in self.sent
        return is_sent or bool(self.operation and state.operation == self.operation)

    def may_be_above(self, version: int) -> bool:
        """Whether an attempt may be on some replica whose version is above that one."""
        return self.since_ms > 0 or any(sent > version for sent in self.sent)


def states_of(record: Record | None) -> tuple[Past, ...]:
    """The states of a key that its newest record shows, its own first."""
    if record is None:
        return (Past(0),)
    return record.lineage or (Past(record.version),)


def next_lineage(
    states: tuple[Past, ...], ballot: int, operation: bytes = b"", outcome: bytes = b""
) -> tuple[Past, ...]:
    """The lineage of a record that is derived from the newest of some states."""
    since = wall_ms_of(ballot) - RECENT_MS
    kept = [
        state
        for place, state in enumerate(states[: MAX_LINEAGE - 1], 1)
        if place < MIN_LINEAGE or wall_ms_of(state.version) >= since
    ]
    return (Past(ballot, operation, outcome), *_trimmed(kept))


def renewed_lineage(states: tuple[Past, ...], ballot: int) -> tuple[Past, ...]:
    """The lineage of a record with the content of the newest of some states: it keeps that state's answer,
    and the lease to which its value is attached.
    """
    own, newest = next_lineage(states, ballot)[0], states[0]
    own = own._replace(outcome=split(newest.outcome)[0])
    return (own, newest, *next_lineage(states, ballot)[2:])


def _trimmed(states: Sequence[Past]) -> list[Past]:
    """States without the answers beyond the limit."""
    room, found = MAX_OUTCOME_BYTES, list[Past]()
    for state in states:
        room -= len(state.outcome)
        found.append(state if room >= 0 or not state.outcome else state._replace(outcome=b""))
    return found


def fate_of(attempts: Attempts, states: tuple[Past, ...]) -> Fate:
    """The outcome of attempts, judged by the states that a majority has, or will have before anybody is
    answered.
    """
    if any(map(attempts.is_own, states)):
        return Fate.DONE
    newest, oldest = states[0].version, states[-1].version
    open_sent: Collection[int] = [sent for sent in attempts.sent if sent < newest]
    if open_sent and oldest > min(open_sent):
        return Fate.UNKNOWN
    if attempts.since_ms and wall_ms_of(oldest) >= attempts.since_ms:
        return Fate.UNKNOWN
    return Fate.NEVER
