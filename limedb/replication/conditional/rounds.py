"""Asks the replicas of a key to promise a ballot.

It owns the conditions of success, and the words of a failure. It must never choose a ballot, nor try again:
`proposer.py` does.

Tested in tests/replication/conditional/test_proposer.py.
"""

from collections.abc import Sequence

from limedb.core.joint_quorum import JointTally
from limedb.core.layout import Owners
from limedb.core.quorum import Level, Side, lacking, majority
from limedb.core.record import Record, merge
from limedb.errors import LevelUnreachableError, LimeDBError, RemoteError
from limedb.ports import Promised, Replicas
from limedb.replication.replica_errors import failure_text


class PromiseRound(JointTally[Promised]):
    """A ballot and the replicas' answers.

    records: the stored records of those that promised, by URL. highest: the highest version or ballot known
    to others; 0: none. missing: those that did not promise, and why. wanted: the nodes on each side, and how
    many of them must promise. made_at: seconds of clock.monotonic.
    """

    __slots__ = ("asked", "ballot", "highest", "key", "made_at", "missing", "owners", "records", "wanted")

    def __init__(
        self, key: str, ballot: int, owners: Owners, replicas: Replicas, wanted: Sequence[Side] = ()
    ) -> None:
        """wanted: none: a majority of `owners.natural`."""
        self.asked = [url for url in owners.write_set if replicas.is_reachable(url)]
        super().__init__(majority(owners.replicas), self.asked, sides=wanted)
        self.key, self.ballot, self.owners, self.wanted, self.highest = key, ballot, owners, wanted, 0
        self.made_at = 0.0
        self.records: dict[str, Record | None] = {}
        self.missing = {url: replicas.absence(url) for url in owners.write_set if url not in self.asked}

    def take(self, node_url: str, answer: Promised) -> None:
        """Count a replica that has promised; any other answer counts as a failure."""
        if answer.is_promised:
            self.records[node_url] = answer.record
            self.ack_by(node_url)
            return
        self.highest = max(self.highest, answer.highest)
        self.missing[node_url] = "it has promised or stored something newer"
        self.fail_by(node_url)

    def lose(self, node_url: str, error: LimeDBError) -> None:
        """Count a replica that gave no answer."""
        self.missing[node_url] = _why(error)
        self.fail_by(node_url)

    @property
    def newest(self) -> Record | None:
        """The newest record of those that promised; None: none has any."""
        newest: Record | None = None
        for record in self.records.values():
            if record is not None:
                newest = record if newest is None else merge(newest, record)
        return newest

    @property
    def holders(self) -> list[str]:
        """Those that have it."""
        newest = self.newest
        return [url for url, record in self.records.items() if record == newest]

    @property
    def agrees(self) -> bool:
        """Whether all that promised have it."""
        return len(self.holders) == len(self.records)

    def error(self) -> LimeDBError:
        """Why too few promised, where none has something newer."""
        owners, late = self.owners, dict.fromkeys(self.waiting, "no answer until the deadline")
        missing = self.missing | late
        live = [url for url in owners.write_set if url not in missing]
        wanted = self.wanted or (Side(owners.natural, majority(owners.replicas)),)
        need = len(live) + max(0, lacking(wanted, live))
        return LevelUnreachableError(self.key, Level.QUORUM, need, len(live), len(owners.write_set), missing)


def _why(error: LimeDBError) -> str:
    if isinstance(error, RemoteError) and error.code == "UNIMPLEMENTED":
        return "it runs a version without conditional writes: upgrade it"
    return failure_text(error)
