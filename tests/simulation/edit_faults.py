"""Faults of read-modify-write, each found by a search (`test_edits.py`)."""

from limedb.core.conditional import Attempts
from limedb.replication.conditional import proposer
from limedb.replication.conditional.operation import ConditionalWrite
from limedb.replication.requests import Write
from tests.simulation.conditional_faults import coordinating


class _Forgetful(ConditionalWrite):
    """Each attempt is taken for the first one."""

    def __init__(self, write: Write) -> None:
        super().__init__(write)
        self.attempts = Attempts()

    def begin_round(self, now_ms: int) -> None:
        pass


class _ForgetsTheKey(proposer.ConditionalProposer):
    write_class = _Forgetful


FORGETS_THE_KEY = coordinating(_ForgetsTheKey)
"""An attempt after the first doesn't ask what became of those before it."""
