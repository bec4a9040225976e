"""The requests of clients to the coordinator, its answers, and the figures that dashboards show.

It owns these values. It must never hold code that carries a request out.

Tested in tests/replication/write/test_write_batches.py.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

from typing_extensions import override

from limedb.core.condition import Condition
from limedb.core.edits import Edit
from limedb.core.record import RecordBatch
from limedb.errors import LimeDBError

MAX_ATTEMPTS = 8
"""How often a write that newer ones overtake is written again, above them, before it gives up."""

MAX_RESTARTS = 16
"""How often a request follows a topology that changes meanwhile."""


class Write(NamedTuple):
    """A write that a client requests. value: None deletes. ttl_ms: milliseconds to live, 0 for no limit.
    expires_at_ms: instead of that, when it expires, since 1970; a moment that has passed deletes.

    idempotency_key: makes all attempts of it one write; 16 to 64 bytes, of which the first 6 are the
    milliseconds since 1970 when it began (big-endian, as in a UUID version 7); empty: there is only this one.
    attempt: from 0, a number for each attempt.

    condition: the state that the key must have for the write to take effect; None: any. keep_ttl: the value
    expires when the previous one would have. edit: makes the new value from the current one and `value`;
    None: `value` is the new value. lease: the one to which the value is attached; 0: to none.
    """

    key: str
    value: str | bytes | None
    ttl_ms: int = 0
    idempotency_key: bytes = b""
    attempt: int = 0
    expires_at_ms: int = 0
    condition: Condition | None = None
    keep_ttl: bool = False
    edit: Edit | None = None
    lease: int = 0

    @property
    def is_conditional(self) -> bool:
        """Whether it depends on the current state of the key."""
        return self.condition is not None or self.keep_ttl or self.edit is not None or self.lease > 0


class WriteBatch(Sequence[Write]):
    """Writes of different keys at hand as bytes, with only key and value. Each is made a
    Write only once it is looked at.
    """

    @property
    @abstractmethod
    def sizes(self) -> Sequence[int]:
        """The bytes of each, about."""

    @abstractmethod
    def stamped(self, versions: Sequence[int]) -> RecordBatch:
        """Their records, with these versions."""


class Found(NamedTuple):
    """A value that was read, and the first of the replicas asked that held it. stored: its record in stored
    form, where it is at hand; empty: it isn't. version, expires_at: of its record.
    """

    value: str | bytes
    node_url: str
    stored: bytes = b""
    version: int = 0
    expires_at: int = 0


Outcome = Found | bytes | LimeDBError | None
"""The result for a key that was read among many: the value; the stored record, which may have expired or be a
tombstone; an error; None: nothing is stored.
"""


class Written(NamedTuple):
    """The outcome of a write: its receipt.

    version: it is stored under. existed: whether the key had a live value before. acked of replicas (those
    on their way in or out included) had it on disk when the level was reached. epoch: of the topology that
    it was written under. answer: of its edit; None: it has none.
    """

    version: int
    existed: bool
    acked: int
    replicas: int
    epoch: int = 0
    answer: str | bytes | None = None


class WrittenBatch(Sequence[Written]):
    """The receipts of writes of one batch that differ in version and existed only. existed: a byte for each
    write, 1 or 0. Each is made a Written only once it is looked at.
    """

    __slots__ = ("acked", "epoch", "existed", "replicas", "versions")

    def __init__(
        self, versions: Sequence[int], existed: bytes, acked: int, replicas: int, epoch: int
    ) -> None:
        self.versions, self.existed = versions, existed
        self.acked, self.replicas, self.epoch = acked, replicas, epoch

    @override
    def __len__(self) -> int:
        return len(self.existed)

    @overload
    def __getitem__(self, place: int) -> Written: ...
    @overload
    def __getitem__(self, place: slice) -> "WrittenBatch": ...
    @override
    def __getitem__(self, place: int | slice) -> "Written | WrittenBatch":
        acked, replicas, epoch = self.acked, self.replicas, self.epoch
        if isinstance(place, slice):
            return WrittenBatch(self.versions[place], self.existed[place], acked, replicas, epoch)
        return Written(self.versions[place], bool(self.existed[place]), acked, replicas, epoch)


@dataclass(slots=True)
class Counters:
    """The further work of a coordinator besides answers, since its start.

    speculative_retries: reads that asked one replica more, for one was slow. read_repairs: records that a
    read wrote back. superseded: attempts to write that a newer version overtook. stale_restarts: requests
    that began again under a newer topology. hints_stored, hints_dropped: records that a replica missed,
    kept for it or left to repair.
    """

    speculative_retries: int = 0
    read_repairs: int = 0
    superseded: int = 0
    stale_restarts: int = 0
    hints_stored: int = 0
    hints_dropped: int = 0
