"""Writes of keys that all have the same single replica: the short way, without counting.

It owns the decision whether a write may take that way, and the one message. It must never conclude a write:
`writer.py` does.

Tested in tests/replication/write/test_writer.py.
"""

from collections.abc import Iterable, Sequence
from time import perf_counter

from limedb.aio.stages import current_stages
from limedb.core.layout import Layout
from limedb.core.record import Record
from limedb.errors import LimeDBError, NotMemberError
from limedb.ports import Applied, Replicas
from limedb.replication.fanout import ReplicaAcks
from limedb.replication.read.resolver import sole_owner
from limedb.replication.write.pending import PendingWrite


class SingleReplica:
    """Sends records to the only replica of their keys."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    def of(self, layout: Layout, keys: Iterable[str]) -> str | None:
        """The one replica of all these keys, if there is one and it can be reached."""
        try:
            url = sole_owner(layout, keys)
        except NotMemberError:
            return None
        return url if url is not None and self._replicas.is_reachable(url) else None

    async def apply(
        self, url: str, records: Sequence[Record], layout: Layout, deadline: float
    ) -> Sequence[Applied] | LimeDBError:
        """The answer of the replica to each record, or its error."""
        began = perf_counter()
        try:
            return await self._replicas.at(url).apply(records, layout.topology.fence, deadline)
        except LimeDBError as error:
            return error
        finally:
            if (stages := current_stages()) is not None:
                stages.add((url,), (began, perf_counter()))


def acks_of(job: PendingWrite, url: str, answer: Applied | LimeDBError) -> ReplicaAcks:
    """The acknowledgement of a job's record by its one replica, or why there is none."""
    acks = ReplicaAcks(job.sent, 1, (url,), check_stored=None if job.version_is_final else _takes_any)
    if isinstance(answer, LimeDBError):
        acks.lose(url, answer)
    else:
        acks.take(url, answer)
    return acks


def _takes_any(version: int) -> None:
    """The check of a newer version follows when the write goes above it."""
