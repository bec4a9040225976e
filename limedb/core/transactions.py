"""What a transaction asks for, and what came of it.

It owns these values. It must never judge or carry out one: `replication/groups` does.

Tested in tests/replication/groups/test_operation.py.
"""

from typing import NamedTuple

from limedb.core.record import Record


class StepOutcome(NamedTuple):
    """What came of a step. existed: whether the key had a value before. answer: of an edit; None: it has
    none. found: the record of a value that was read; None: there is none, or the step is no read.
    """

    existed: bool
    answer: str | bytes | None = None
    found: Record | None = None


class Judged(NamedTuple):
    """The answer to a transaction. succeeded: whether all comparisons held. steps: of those that were taken,
    in their order.
    """

    succeeded: bool
    steps: tuple[StepOutcome, ...]
